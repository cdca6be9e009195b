"""Identities under the controller's own rights, against the real embedded API server."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from typing import Any

from cryptography import x509

from crossfade.api.appmesh import Mesh, VirtualNode
from crossfade.certs.identities import IssuedIdentity
from crossfade.compile.model import Identity
from crossfade.controller.mesh.identities import Identities, IdentityNews
from crossfade.install.mesh_names import IDENTITIES_SECRET
from crossfade_kube.client import Client
from crossfade_kube.errors import NotFound
from crossfade_kube.kubeconfig import load_kubeconfig
from crossfade_kube.logging import EventLog
from crossfade_kube.meta import NamespacedName
from crossfade_kube.resources import EVENT, NAMESPACE, SECRET, SERVICE_ACCOUNT
from tests.protocol.mesh.conftest import Lab, with_token

Json = dict[str, Any]


async def stored(lab: Lab) -> bytes:
    """The authority's certificate."""

    async def found() -> bytes | None:
        try:
            secret = await lab.admin.get(SECRET, IDENTITIES_SECRET, namespace="appmesh-system")
        except NotFound:
            return None
        return base64.b64decode(secret["data"]["ca.crt"])

    return await lab.until(found)


async def told(lab: Lab, reason: str) -> Json:
    async def found() -> Json | None:
        events = (await lab.admin.list(EVENT)).items
        return next((one for one in events if one["reason"] == reason), None)

    return await lab.until(found)


async def make_mesh(lab: Lab, annotations: dict[str, str], name: str = "ids") -> None:
    labels = {"mesh": name}
    metadata = {"name": name, "labels": labels}
    await lab.admin.create(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    for kind, own, spec in (
        (Mesh, {"name": name, "annotations": annotations}, {"namespaceSelector": {"matchLabels": labels}}),
        (
            VirtualNode,
            {"name": "a", "namespace": name},
            {
                "podSelector": {},
                "listeners": [{"portMapping": {"port": 80, "protocol": "http"}}],
                "serviceDiscovery": {"dns": {"hostname": f"a.{name}"}},
            },
        ),
    ):
        resource = kind.RESOURCE
        document = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": own, "spec": spec}
        await lab.admin.create(resource, document, namespace=own.get("namespace"))


async def test_an_authority_is_made_when_a_mesh_wants_one_and_kept(lab: Lab) -> None:
    async with lab.running():
        await make_mesh(lab, {"crossfade.dev/mesh-tls": "strict"})
        first = await stored(lab)
        assert (await told(lab, "MeshAuthorityMade"))["involvedObject"]["name"] == "ids"
    async with lab.running():
        assert await stored(lab) == first


class Kept:
    """What is issued for one identity, as a proxy would get it."""

    def __init__(self, client: Client) -> None:
        self.news: list[IdentityNews] = []
        self.identity = Identity("spiffe://ids/ns/ids/virtual-node/a")
        self.issued: IssuedIdentity | None = None
        self.identities = Identities(
            client,
            NamespacedName("appmesh-system", IDENTITIES_SECRET),
            lifetime=timedelta(days=1),
            log=EventLog("test"),
            on_change=self.publish,
            tell=self.news.append,
            check_s=0.02,
        )
        self.publish()

    def publish(self) -> None:
        self.issued = self.identities.of(self.identity)

    async def given(self, other_than: IssuedIdentity | None = None) -> IssuedIdentity | None:
        return None if self.issued is other_than else self.issued


@contextlib.asynccontextmanager
async def kept(client: Client) -> AsyncIterator[Kept]:
    found = Kept(client)
    task = asyncio.create_task(found.identities.run())
    yield found
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_lost_authority_is_made_anew_and_replicas_come_to_the_same_one(lab: Lab) -> None:
    with contextlib.suppress(NotFound):
        await lab.admin.delete(SECRET, IDENTITIES_SECRET, namespace="appmesh-system")
    assert lab.settings.kubeconfig is not None
    async with Client(load_kubeconfig(lab.settings.kubeconfig), user_agent="test") as client:
        async with kept(client) as one, kept(client) as other:
            before = await lab.until(one.given), await lab.until(other.given)
            assert len({issued.authorities_pem for issued in before}) == 1
            assert len({issued.key_pem for issued in before}) == 2
            first = await stored(lab)
            await lab.admin.delete(SECRET, IDENTITIES_SECRET, namespace="appmesh-system")
            after = [
                await lab.until(partial(found.given, issued))
                for found, issued in zip((one, other), before, strict=True)
            ]
        assert len({issued.authorities_pem for issued in after}) == 1
        assert first.decode() in after[0].authorities_pem
        bridge = x509.load_pem_x509_certificates(after[0].certificate_pem.encode())[1]
        bridge.verify_directly_issued_by(x509.load_pem_x509_certificate(first))
        reasons = [news.reason for found in (one, other) for news in found.news]
        assert (reasons.count("MeshAuthorityMade"), reasons.count("MeshAuthorityLost")) == (1, 1)


async def test_an_authority_that_cannot_be_kept_is_told_and_nobody_gets_an_identity(lab: Lab) -> None:
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "powerless"}}
    await lab.admin.create(SERVICE_ACCOUNT, account, namespace="appmesh-system")
    token = await lab.token("powerless", "appmesh-system")
    assert lab.settings.kubeconfig is not None
    powerless = with_token(lab.settings.kubeconfig, token, lab.settings.kubeconfig.parent / "powerless")
    async with Client(load_kubeconfig(powerless), user_agent="test") as client, kept(client) as found:

        async def is_told() -> IdentityNews | None:
            return found.news[0] if found.news else None

        news = await lab.until(is_told)
        assert news.reason == "MeshIdentitiesMissing"
        assert "apply what `crossfade install mesh` prints; sidecars that need an identity keep" in news.message
        assert found.issued is None
