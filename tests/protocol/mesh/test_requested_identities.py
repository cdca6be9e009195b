"""Identities that an issuer signs: the controller asks with its own rights, a signer of the test answers."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from crossfade.certs.identities import IssuedIdentity
from crossfade.compile.model import Identity, Issuer
from crossfade.controller.mesh.certificate_requests import CERTIFICATE_REQUEST
from crossfade.controller.mesh.identities import IdentityNews
from crossfade.controller.mesh.requested_identities import RequestedIdentities
from crossfade.install.mesh_names import ISSUERS_CONFIG_MAP
from crossfade_kube.certificates import Certified, make_authority
from crossfade_kube.client import Client
from crossfade_kube.errors import AlreadyExists, NotFound
from crossfade_kube.kubeconfig import load_kubeconfig
from crossfade_kube.logging import EventLog
from crossfade_kube.meta import NamespacedName
from crossfade_kube.resources import CONFIG_MAP, CUSTOM_RESOURCE_DEFINITION
from tests.protocol.mesh.conftest import Lab
from tests.protocol.mesh.test_identities import make_mesh, told

Json = dict[str, Any]
WHERE = "appmesh-system"
ISSUER = Issuer("ClusterIssuer", "mesh")
IDENTITY = Identity("spiffe://ids/ns/ids/virtual-node/a", ISSUER)
CRD: Json = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "certificaterequests.cert-manager.io"},
    "spec": {
        "group": "cert-manager.io",
        "scope": "Namespaced",
        "names": {"kind": "CertificateRequest", "plural": "certificaterequests", "singular": "certificaterequest"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}


class Signer:
    """As cert-manager with one issuer; with a `refusal` it denies."""

    def __init__(self, admin: Client) -> None:
        self._admin = admin
        self.authority = authority("first")
        self.refusal = ""
        self.seen: list[Json] = []

    async def run(self) -> None:
        while True:
            with contextlib.suppress(NotFound):
                for item in (await self._admin.list(CERTIFICATE_REQUEST, namespace=WHERE)).items:
                    if not item.get("status"):
                        await self._answer(item)
            await asyncio.sleep(0.01)

    async def _answer(self, item: Json) -> None:
        self.seen.append(item["spec"])
        status = self._refused() if self.refusal else self._signed(item["spec"])
        with contextlib.suppress(NotFound):
            await self._admin.patch(
                CERTIFICATE_REQUEST,
                item["metadata"]["name"],
                {"status": status},
                namespace=WHERE,
                subresource="status",
            )

    def _refused(self) -> Json:
        return {"conditions": [{"type": "Denied", "status": "True", "reason": "Policy", "message": self.refusal}]}

    def _signed(self, spec: Json) -> Json:
        request = x509.load_pem_x509_csr(base64.b64decode(spec["request"]))
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(request.subject)
            .issuer_name(self.authority.certificate.subject)
            .public_key(request.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=1))
            .not_valid_after(now + timedelta(seconds=int(spec["duration"].removesuffix("s"))))
        )
        for extension in request.extensions:
            builder = builder.add_extension(extension.value, extension.critical)
        made = builder.sign(self.authority.key, hashes.SHA256()).public_bytes(Encoding.PEM)
        ready = {"type": "Ready", "status": "True", "reason": "Issued"}
        values = {"certificate": made, "ca": self.authority.certificate_pem}
        return {
            "conditions": [ready],
            **{name: base64.b64encode(value).decode() for name, value in values.items()},
        }


def authority(name: str) -> Certified:
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    return make_authority(subject, now=datetime.now(UTC), lifetime=timedelta(days=90), path_length=0)


class Asked:
    """What a proxy would get, in its order."""

    def __init__(self, client: Client) -> None:
        self.news: list[IdentityNews] = []
        self.given: list[IssuedIdentity] = []
        self.ahead = timedelta(0)
        self.identities = RequestedIdentities(
            client,
            NamespacedName(WHERE, ISSUERS_CONFIG_MAP),
            lifetime=timedelta(days=1),
            log=EventLog("test"),
            on_change=self.publish,
            tell=self.news.append,
            check_s=0.05,
            retries_s=(0.05, 0.05),
            now=lambda: datetime.now(UTC) + self.ahead,
        )
        self.publish()

    def publish(self) -> None:
        issued = self.identities.of(IDENTITY)
        if issued is not None and issued not in self.given:
            self.given.append(issued)

    async def last(self) -> IssuedIdentity | None:
        return self.given[-1] if self.given else None

    async def first_news(self) -> IdentityNews | None:
        return self.news[0] if self.news else None


class Scene(NamedTuple):
    lab: Lab
    signer: Signer
    asked: Asked


@contextlib.asynccontextmanager
async def signing(lab: Lab) -> AsyncIterator[Signer]:
    with contextlib.suppress(AlreadyExists):
        await lab.admin.create(CUSTOM_RESOURCE_DEFINITION, CRD)
    signer = Signer(lab.admin)
    task = asyncio.create_task(signer.run())
    yield signer
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@contextlib.asynccontextmanager
async def asking(lab: Lab) -> AsyncIterator[Asked]:
    assert lab.settings.kubeconfig is not None
    async with Client(load_kubeconfig(lab.settings.kubeconfig), user_agent="test") as client:
        asked = Asked(client)
        task = asyncio.create_task(asked.identities.run())
        yield asked
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def scene(lab: Lab) -> AsyncIterator[Scene]:
    async with signing(lab) as signer, asking(lab) as asked:
        yield Scene(lab, signer, asked)


def issuer_of(issued: IssuedIdentity) -> str:
    return x509.load_pem_x509_certificate(issued.certificate_pem.encode()).issuer.rfc4514_string()


def trusted_by(issued: IssuedIdentity) -> set[str]:
    found = x509.load_pem_x509_certificates(issued.authorities_pem.encode())
    return {one.subject.rfc4514_string() for one in found}


async def test_without_cert_manager_the_mesh_is_told(lab: Lab) -> None:
    with contextlib.suppress(NotFound):
        await lab.admin.delete(CUSTOM_RESOURCE_DEFINITION, CRD["metadata"]["name"])
    async with asking(lab) as asked:
        news = await lab.until(asked.first_news)
        assert (news.reason, news.issuer) == ("MeshIdentitiesMissing", ISSUER)
        assert news.message.startswith("ClusterIssuer/mesh gives spiffe://ids/ns/ids/virtual-node/a no certificate: ")
        assert "; install cert-manager, " in news.message
        async with signing(lab):
            assert issuer_of(await lab.until(asked.last)) == "CN=first"


async def test_an_issuer_signs_and_nothing_of_the_request_is_left(scene: Scene) -> None:
    issued = await scene.lab.until(scene.asked.last)
    assert "CN=first" in trusted_by(issued)
    (spec,) = scene.signer.seen
    assert spec["issuerRef"] == {"kind": "ClusterIssuer", "name": "mesh", "group": "cert-manager.io"}
    assert (spec["duration"], spec["isCA"]) == ("86400s", False)
    assert spec["usages"] == ["digital signature", "server auth", "client auth"]

    async def is_gone() -> bool | None:
        return True if not (await scene.lab.admin.list(CERTIFICATE_REQUEST, namespace=WHERE)).items else None

    await scene.lab.until(is_gone)


async def test_a_new_authority_is_believed_before_anything_of_it_is_shown(scene: Scene) -> None:
    await scene.lab.until(scene.asked.last)
    scene.signer.authority = authority("second")
    scene.asked.ahead = timedelta(hours=15)

    async def is_renewed() -> bool | None:
        return True if issuer_of(scene.asked.given[-1]) == "CN=second" else None

    await scene.lab.until(is_renewed)
    for issued in scene.asked.given:
        assert issuer_of(issued) in trusted_by(issued)
    known = next(index for index, issued in enumerate(scene.asked.given) if "CN=second" in trusted_by(issued))
    shown = next(index for index, issued in enumerate(scene.asked.given) if issuer_of(issued) == "CN=second")
    assert known < shown
    # Those who have not changed yet are believed as well.
    assert "CN=first" in trusted_by(scene.asked.given[-1])


async def test_a_refusal_is_told_and_asked_again(scene: Scene) -> None:
    await scene.lab.until(scene.asked.last)
    scene.signer.refusal = "not on a Sunday"
    scene.asked.ahead = timedelta(hours=15)
    news = await scene.lab.until(scene.asked.first_news)
    assert "Denied: not on a Sunday; the former one goes on" in news.message
    before = scene.asked.given[-1].certificate_pem
    scene.signer.refusal = ""

    async def is_renewed() -> bool | None:
        return True if scene.asked.given[-1].certificate_pem != before else None

    await scene.lab.until(is_renewed)


async def test_the_controller_asks_for_the_nodes_of_a_mesh_with_an_issuer(lab: Lab) -> None:
    annotations = {"crossfade.dev/mesh-tls": "strict", "crossfade.dev/mesh-tls-issuer": "Issuer/private"}
    async with signing(lab) as signer, lab.running():
        signer.authority = authority("private")
        await make_mesh(lab, annotations, "issued")

        async def bundle() -> str | None:
            try:
                found = await lab.admin.get(CONFIG_MAP, ISSUERS_CONFIG_MAP, namespace=WHERE)
            except NotFound:
                return None
            return (found.get("data") or {}).get("Issuer.cert-manager.io.private")

        assert await lab.until(bundle) == signer.authority.certificate_pem.decode()
        signer.refusal = "no more"
        await make_mesh(lab, {**annotations, "crossfade.dev/mesh-tls-issuer": "Issuer/other"}, "refused")
        assert (await told(lab, "MeshIdentitiesMissing"))["involvedObject"]["name"] == "refused"
