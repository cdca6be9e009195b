"""Two sidecars with an application behind one of them, each a real Envoy under the compiler's own models.

The server's listens on 127.0.0.2 and the client's on 127.0.0.3, at the application's port: that stands in for iptables.
"""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import grpc
from cryptography import x509
from msgspec import structs

from crossfade.api.appmesh import Mesh, VirtualNode, VirtualService
from crossfade.certs.identities import IssuedIdentity
from crossfade.compile.mesh import ArnScope, compile_mesh
from crossfade.compile.model import Direction, ProxyModel
from crossfade.envoy.mesh_tls import issued_secrets
from crossfade.envoy.proto import discovery_v3, packed, tls_v3
from crossfade.envoy.resource_set import ResourceSet, ResourceType, encoded_all
from crossfade.envoy.resources import resources_from_model
from crossfade.envoy.settings import EnvoyOptions
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core import Secret
from crossfade_kube.registry import TypedObject, decode
from tests.support.envoy import PROXY, Harness, backend, running_envoy, until
from tests.support.ports import free_ports
from tests.support.tls import Pair, issue

Json = dict[str, Any]
HOST = "colors.prod.svc.cluster.local"
SERVER, CLIENT = "127.0.0.2", "127.0.0.3"
SPIFFE = "spiffe://example.org/front"
BODY = "blue"


class Pairs:
    """Certificates in files; `folder` is as a Secret's mount: its content changes by a swapped link."""

    def __init__(self, folder: Path) -> None:
        self._root = folder
        self.folder = folder / "certs"
        self.authority = issue("authority")
        self._generation = 0
        address = x509.IPAddress(ip_address(SERVER))
        self.server = issue("server", self.authority, hosts=(HOST,), others=(address,))
        self.client = issue("client", self.authority, others=(x509.UniformResourceIdentifier(SPIFFE),))
        self.stranger = issue("stranger")
        self.write()

    def renew_server(self) -> Pair:
        self.server = issue("renewed", self.authority, others=(x509.IPAddress(ip_address(SERVER)),))
        self.write()
        return self.server

    def write(self) -> None:
        self._generation += 1
        made = self._root / f"generation-{self._generation}"
        made.mkdir(parents=True)
        self.folder.mkdir(exist_ok=True)
        for name in ("server", "client", "stranger"):
            pair: Pair = getattr(self, name)
            (made / f"{name}.pem").write_bytes(pair.certificate_pem)
            (made / f"{name}-key.pem").write_bytes(pair.key_pem)
        (made / "ca.pem").write_bytes(self.authority.certificate_pem)
        link = self.folder / "..data_new"
        link.symlink_to(made)
        link.rename(self.folder / "..data")
        for file in made.iterdir():
            if not (self.folder / file.name).is_symlink():
                (self.folder / file.name).symlink_to(Path("..data") / file.name)

    def file(self, name: str) -> Json:
        return {
            "file": {"certificateChain": f"{self.folder}/{name}.pem", "privateKey": f"{self.folder}/{name}-key.pem"}
        }

    @property
    def trust(self) -> Json:
        return {"file": {"certificateChain": f"{self.folder}/ca.pem"}}

    def policy(self, **more: Any) -> Json:
        return {"tls": {"validation": {"trust": self.trust}, **more}}


class TwoSidecars:
    """`port` is the application's; `other_port` has no application."""

    def __init__(self, pairs: Pairs, server: Harness, client: Harness, port: int) -> None:
        self.pairs = pairs
        self.server = server
        self.client = client
        self.port = port
        (self.other_port,) = free_ports(1)
        self.objects: list[TypedObject] = []
        self.issued: dict[str, IssuedIdentity] = {}
        """By `server` and `client`."""
        self.requests_per_connection: int | None = None
        """Of those that the sidecars open; None: as the compiler has it."""
        self._resources: dict[str, ResourceSet] = {}

    def publish(
        self, tls: Json | None, policy: Json | None = None, *, other: Json | None = None, identities: str = ""
    ) -> None:
        """The server's `tls`, the client's policy; `other` is the TLS of a second listener.

        `identities` is what the Mesh's annotation says; what `issued` has goes along.
        """
        listeners = [_listener(self.port, tls), *([_listener(self.other_port, other)] if other else [])]
        discovery = {"dns": {"hostname": SERVER}}
        backends = [{"virtualService": {"virtualServiceRef": {"name": "colors"}}}]
        defaults = {"backendDefaults": {"clientPolicy": policy}} if policy else {}
        provider = {"virtualNode": {"virtualNodeRef": {"name": "server"}}}
        model = compile_mesh(
            Snapshot.of(
                [
                    _object(Mesh, "m", {}, {"crossfade.dev/mesh-tls": identities} if identities else {}),
                    _object(
                        VirtualNode,
                        "server",
                        {"podSelector": {}, "listeners": listeners, "serviceDiscovery": discovery},
                    ),
                    _object(VirtualNode, "client", {"podSelector": {}, "backends": backends, **defaults}),
                    _object(VirtualService, "colors", {"awsName": HOST, "provider": provider}),
                    *self.objects,
                ]
            ),
            ArnScope(),
        )
        self.diagnostics = model.diagnostics
        for name, direction, address in (("server", Direction.INBOUND, SERVER), ("client", Direction.OUTBOUND, CLIENT)):
            proxy = only_direction(model.proxies[f"mesh/m/virtualNode/{name}_prod"], direction, address, self.port)
            if (limit := self.requests_per_connection) is not None:
                clusters = (structs.replace(one, max_requests_per_connection=limit) for one in proxy.clusters)
                proxy = structs.replace(proxy, clusters=tuple(clusters))
            self._resources[name] = resources_from_model(proxy, options=EnvoyOptions())
        self.publish_issued()

    def publish_issued(self) -> None:
        for name, sidecar in (("server", self.server), ("client", self.client)):
            issued, resources = self.issued.get(name), self._resources[name]
            if issued is not None:
                made = issued_secrets(issued.certificate_pem, issued.key_pem, issued.authorities_pem)
                resources = resources.with_all(ResourceType.SECRET, encoded_all(made.items()))
            sidecar.publisher.publish(PROXY, resources)

    async def through_client(self) -> int:
        """The status that the client's application gets."""
        return (await _get(CLIENT, self.port))[0]

    async def until_client(self, status: int) -> None:
        async def answered() -> bool:
            return await self.through_client() == status

        await until(answered)

    async def plain(self) -> int:
        """From outside of the mesh; 0: refused."""
        return (await _get(SERVER, self.port))[0]

    async def over_tls(self, shown: str = "", *, port: int | None = None) -> tuple[int, str]:
        """From outside of the mesh, with a certificate of `pairs`: status and the name in the server's certificate."""
        context = ssl.create_default_context(cadata=self.pairs.authority.certificate_pem.decode())
        if shown:
            context.load_cert_chain(self.pairs.folder / f"{shown}.pem", self.pairs.folder / f"{shown}-key.pem")
        return await _get(SERVER, port or self.port, context)

    async def as_peer(self, issued: IssuedIdentity) -> tuple[int, str]:
        """With an identity from outside of the sidecars, as they do it: the server's has no name of a host."""
        context = ssl.create_default_context(cadata=issued.authorities_pem)
        context.check_hostname = False
        file = self.pairs.folder / "peer.pem"
        file.write_text(issued.certificate_pem + issued.key_pem)
        context.load_cert_chain(file)
        return await _get(SERVER, self.port, context)

    async def until_tls(self, status: int, name: str = "server", *, shown: str = "") -> None:
        async def answered() -> bool:
            return await self.over_tls(shown) == (status, name if status else "")

        await until(answered)


async def _get(address: str, port: int, tls: ssl.SSLContext | None = None) -> tuple[int, str]:
    try:
        reader, writer = await asyncio.open_connection(address, port, ssl=tls)
    except OSError:
        return 0, ""
    try:
        peer = writer.get_extra_info("peercert")
        writer.write(f"GET / HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
        answer = (await reader.read()).decode()
    except OSError:
        return 0, ""
    finally:
        writer.close()
    if not answer.startswith("HTTP/1.1 "):
        return 0, ""
    status = int(answer.split()[1])
    assert status != 200 or BODY in answer
    return status, dict(item for (item,) in peer["subject"])["commonName"] if peer else ""


def _listener(port: int, tls: Json | None) -> Json:
    return {"portMapping": {"port": port, "protocol": "http"}, **({"tls": tls} if tls else {})}


def _object(kind: type[TypedObject], name: str, spec: Json, annotations: dict[str, str] | None = None) -> TypedObject:
    if kind is Mesh:
        return decode({"metadata": {"name": name, "annotations": annotations or {}}, "spec": spec}, kind)
    return decode({"metadata": {"name": name, "namespace": "prod"}, "spec": {"meshRef": {"name": "m"}, **spec}}, kind)


def acm_secret(pair: Pair, authority: Pair, arn: str) -> Secret:
    data = {"tls.crt": pair.certificate_pem, "tls.key": pair.key_pem, "ca.crt": authority.certificate_pem}
    metadata: Json = {"name": "acm", "namespace": "prod", "annotations": {"crossfade.dev/acm-arns": arn}}
    metadata["labels"] = {"crossfade.dev/acm": "enabled"}
    return decode(
        {"metadata": metadata, "data": {key: base64.b64encode(value).decode() for key, value in data.items()}}, Secret
    )


def only_direction(proxy: ProxyModel, direction: Direction, address: str, port: int) -> ProxyModel:
    """One listener for each port that would be captured; a chain asks for its own."""
    listener = next(one for one in proxy.listeners if one.direction is direction)
    ports = {chain.destination_port for chain in listener.chains} - {None, 443}
    listeners = (
        structs.replace(
            listener, name=f"{listener.name}_{one}", address=address, port=one, restores_original_destination=False
        )
        for one in sorted(ports | {port})
        if one is not None
    )
    return structs.replace(proxy, listeners=tuple(listeners))


class Agent:
    """Gives secrets at a socket, as SPIRE's agent does: `secrets` by name."""

    def __init__(self, secrets: dict[str, tls_v3.Secret]) -> None:
        self.secrets = secrets

    async def stream(self, requests: AsyncIterator[bytes], _: Any) -> AsyncIterator[bytes]:
        async for raw in requests:
            request = discovery_v3.DiscoveryRequest.FromString(raw)
            if request.response_nonce:
                continue
            response = discovery_v3.DiscoveryResponse(
                version_info="1",
                nonce="1",
                type_url=request.type_url,
                resources=[packed(self.secrets[name]) for name in request.resource_names if name in self.secrets],
            )
            yield response.SerializeToString()


@asynccontextmanager
async def running_agent(path: Path, pairs: Pairs) -> AsyncIterator[None]:
    """`server`, `client` and, as authorities, `trusted`."""
    found = {"trusted": tls_v3.Secret(name="trusted")}
    found["trusted"].validation_context.trusted_ca.inline_bytes = pairs.authority.certificate_pem
    for name, pair in (("server", pairs.server), ("client", pairs.client)):
        found[name] = tls_v3.Secret(name=name)
        found[name].tls_certificate.certificate_chain.inline_bytes = pair.certificate_pem
        found[name].tls_certificate.private_key.inline_bytes = pair.key_pem
    method = grpc.stream_stream_rpc_method_handler(Agent(found).stream)
    service = "envoy.service.secret.v3.SecretDiscoveryService"
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {"StreamSecrets": method}),))
    server.add_insecure_port(f"unix:{path}")
    await server.start()
    try:
        yield
    finally:
        await server.stop(None)


@asynccontextmanager
async def two_sidecars(workdir: Path, *, sds_socket: str = "") -> AsyncIterator[TwoSidecars]:
    for name in ("server", "client"):
        (workdir / name).mkdir()
    async with (
        backend(BODY) as app,
        running_envoy(workdir / "server", sds_socket=sds_socket) as server,
        running_envoy(workdir / "client", sds_socket=sds_socket) as client,
    ):
        yield TwoSidecars(Pairs(workdir / "pairs"), server, client, app.port)
