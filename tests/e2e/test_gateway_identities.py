"""The identity of a gateway that has no sidecar: its Envoy asks the mesh's controller for it, and for nothing else.

The node that it calls has a sidecar, which listens on 127.0.0.2 at the application's port: that stands in for iptables.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from msgspec import structs

from crossfade.certs.identities import IdentityAuthority, IssuedIdentity, issue_identity, renewed_authority
from crossfade.compile.gateway.compiler import compile_gateway
from crossfade.compile.gateway.settings import CompileSettings
from crossfade.compile.memo import Memo
from crossfade.compile.mesh import ArnScope, MeshModel, compile_mesh
from crossfade.compile.mesh_native import OwnNode, merged
from crossfade.compile.model import Direction, Identity
from crossfade.controller.mesh.publication import MeshPublication
from crossfade.envoy.bootstrap import AdsPeer
from crossfade.envoy.mesh_tls import issued_secrets
from crossfade.envoy.resource_set import ResourceType, encoded_all
from crossfade.envoy.resources import resources_from_model
from crossfade.envoy.settings import EnvoyOptions
from crossfade.store.snapshot import Snapshot
from crossfade.xds.auth import always
from crossfade.xds.server import AdsServer
from crossfade_kube.registry import decode_known
from tests.e2e.test_gateway_in_mesh import fqdn, mesh_object
from tests.support.envoy import PROXY, Backend, Harness, backend, running_envoy, until
from tests.support.mesh_gateway import KINDS, NODE
from tests.support.mesh_tls import SERVER, only_direction
from tests.support.ports import free_ports

pytestmark = pytest.mark.envoy

Json = dict[str, Any]
DAY: Final = timedelta(days=1)
NOT_THERE: Final = "remote connection failure"


class Issuing:
    """Identities of the mesh's controller: by `authority`, anew after each `renew`."""

    def __init__(self) -> None:
        self.authority: IdentityAuthority | None = None
        self.renew()
        self._made: dict[Identity, IssuedIdentity] = {}

    def renew(self, *, authority: bool = True) -> None:
        if authority:
            moment = datetime.now(UTC)
            self.authority = renewed_authority(None, self.authority, identity_lifetime=DAY, now=moment)
        self._made = {}

    def of(self, identity: Identity) -> IssuedIdentity:
        if identity not in self._made:
            self._made[identity] = self.signed(identity.spiffe_id)
        return self._made[identity]

    def signed(self, name: str) -> IssuedIdentity:
        assert self.authority is not None
        return issue_identity(self.authority, name, lifetime=DAY, now=datetime.now(UTC))

    def keep_only(self, wanted: Iterable[Identity]) -> None:
        pass


class Scene:
    """`issuing` is the mesh controller's, which serves between `start_mesh` and `stop_mesh`."""

    def __init__(self, gateway: Harness, server: Harness, app: Backend, mesh_port: int) -> None:
        self.gateway = gateway
        self.server = server
        self.app = app
        self.issuing = Issuing()
        self._mesh_port = mesh_port
        self._mesh: AdsServer | None = None
        self._publication = MeshPublication(on_found=lambda _: None, identities=self.issuing)
        self._model: MeshModel | None = None

    async def start_mesh(self) -> None:
        self._mesh = await AdsServer.start(
            publisher=self._publication.publisher,
            address=f"127.0.0.1:{self._mesh_port}",
            authenticate=always(NODE),
            serves_secrets=True,
        )

    async def stop_mesh(self) -> None:
        if self._mesh is not None:
            await self._mesh.stop(grace_s=0)
            self._mesh = None

    def publish(self, mode: str, *, shown_by_server: str = "v1", knows_gateway: bool = True) -> None:
        """What both controllers make of the mesh under `crossfade.dev/mesh-tls: <mode>`."""
        snapshot = Snapshot.of(
            [found for one in self._objects(mode) if (found := decode_known(one, KINDS)) is not None]
        )
        self._model = compile_mesh(snapshot, ArnScope())
        if knows_gateway:
            self.publish_gateways_identity()
        self.publish_server(shown_by_server)
        settings = CompileSettings(salt=b"salt")
        own = OwnNode(NODE, "cluster.local", has_identity=True).sidecar(snapshot)
        assert own is not None
        model = merged(compile_gateway(snapshot, settings, Memo()), own, Memo()).model
        (listener, *_) = model.listeners
        listener = structs.replace(listener, address="127.0.0.1", port=self.gateway.port)
        self.gateway.publish(structs.replace(model, listeners=(listener,)))

    def publish_gateways_identity(self) -> None:
        assert self._model is not None
        self._publication.publish(self._model, 0)

    def publish_server(self, shown: str = "v1") -> None:
        """It shows the identity of the node `shown`."""
        assert self._model is not None
        sidecar = self._model.proxies["mesh/m/virtualNode/v1_prod"]
        resources = resources_from_model(
            only_direction(sidecar, Direction.INBOUND, SERVER, self.app.port), options=EnvoyOptions()
        )
        one = self.issuing.signed(f"spiffe://m/ns/prod/virtual-node/{shown}")
        secrets = issued_secrets(one.certificate_pem, one.key_pem, one.authorities_pem)
        resources = resources.with_all(ResourceType.SECRET, encoded_all(secrets.items()))
        self.server.publisher.publish(PROXY, resources)

    def _objects(self, mode: str) -> list[Json]:
        port = self.app.port
        mapping = {"portMapping": {"port": port, "protocol": "http"}}
        backends = [{"virtualService": {"virtualServiceRef": {"name": "jazz"}}}]
        noted = {"ingress.kubernetes.io/service-upstream": "true", "konghq.com/host-header": fqdn("jazz")}
        path = {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "jazz", "port": {"number": port}}}}
        metadata = {"name": "jazz", "namespace": "prod", "annotations": noted}
        return [
            mesh_object("Mesh", "m", {"namespaceSelector": {}}, annotations={"crossfade.dev/mesh-tls": mode}),
            mesh_object("VirtualNode", "kong", {"podSelector": {}, "backends": backends}),
            mesh_object(
                "VirtualNode",
                "v1",
                {"podSelector": {}, "listeners": [mapping], "serviceDiscovery": {"dns": {"hostname": SERVER}}},
            ),
            mesh_object(
                "VirtualService",
                "jazz",
                {"awsName": fqdn("jazz"), "provider": {"virtualNode": {"virtualNodeRef": {"name": "v1"}}}},
            ),
            {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": [{"port": port}]}},
            {
                "apiVersion": "networking.k8s.io/v1",
                "kind": "Ingress",
                "metadata": {
                    "name": "jazz",
                    "namespace": "prod",
                    "annotations": {"konghq.com/preserve-host": "false"},
                },
                "spec": {"ingressClassName": "kong", "rules": [{"http": {"paths": [path]}}]},
            },
        ]


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    folders = [tmp_path / "gateway", tmp_path / "server"]
    for folder in folders:
        folder.mkdir()
    (mesh_port,) = free_ports(1)
    async with (
        backend("jazz") as app,
        running_envoy(folders[0], identities=AdsPeer("127.0.0.1", mesh_port)) as gateway,
        running_envoy(folders[1]) as server,
    ):
        found = Scene(gateway, server, app, mesh_port)
        try:
            yield found
        finally:
            await found.stop_mesh()


async def test_a_node_is_called_by_identity_and_by_nothing_less(scene: Scene) -> None:
    await scene.start_mesh()
    scene.publish("permissive", knows_gateway=False)
    # The first configuration waits for the identity for a while, and is then in force without it.
    await until(lambda: _answers(scene, 503, NOT_THERE), within_s=15)
    assert not scene.app.was_asked.is_set(), "the node would have taken plain text"
    scene.publish_gateways_identity()
    await until(lambda: _answers(scene, 200, "jazz"))


@pytest.mark.parametrize("mode", ["strict", "permissive"])
async def test_who_shows_another_ones_identity_is_not_spoken_to(scene: Scene, mode: str) -> None:
    await scene.start_mesh()
    scene.publish(mode, shown_by_server="other")
    await until(lambda: _answers(scene, 503, "upstream connect error"))
    assert not scene.app.was_asked.is_set(), "a permissive node would have taken plain text"
    scene.publish_server()
    await until(lambda: _answers(scene, 200, "jazz"))


async def test_identities_and_authorities_are_replaced_and_nothing_is_lost(scene: Scene) -> None:
    await scene.start_mesh()
    scene.publish("strict")
    await until(lambda: _answers(scene, 200, "jazz"))
    answers: list[int] = []

    async def ask_until(count: int) -> None:
        while len(answers) < count:
            answers.append((await scene.gateway.get("/")).status)

    for generation in range(4):
        scene.issuing.renew(authority=bool(generation % 2))
        scene.publish_gateways_identity()
        await ask_until(len(answers) + 50)
        scene.publish_server()
        await ask_until(len(answers) + 50)
    assert set(answers) == {200}


async def test_without_the_meshs_controller_the_gateway_goes_on(scene: Scene) -> None:
    await scene.start_mesh()
    scene.publish("strict")
    await until(lambda: _answers(scene, 200, "jazz"))
    await scene.stop_mesh()
    answers = await asyncio.gather(*(scene.gateway.get("/") for _ in range(20)))
    assert {one.status for one in answers} == {200}
    # A new proxy has no identity, and whom it needs none for does not wait for one.
    await scene.gateway.restart_envoy()
    await until(lambda: _answers(scene, 503, NOT_THERE), within_s=15)
    await scene.start_mesh()
    await until(lambda: _answers(scene, 200, "jazz"))


async def _answers(scene: Scene, status: int, text: str) -> bool:
    answer = await scene.gateway.get("/")
    return answer.status == status and text in answer.body
