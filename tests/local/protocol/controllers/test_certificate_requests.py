"""Certificates by request, from the question to the use of the certificate."""

import base64
import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from crossfade_kube.client import Client
from crossfade_kube.errors import ApiError
from crossfade_kube.kubeconfig import load_kubeconfig
from crossfade_kube.resources import CERTIFICATE_SIGNING_REQUEST
from tests.local.protocol.controllers.conftest import Bed, Json
from tests.support.api_server import ApiServerProcess

CLIENT = "kubernetes.io/kube-apiserver-client"
KUBELET = {
    "signerName": "kubernetes.io/kube-apiserver-client-kubelet",
    "usages": ["client auth", "digital signature"],
}
SERVING = {"signerName": "kubernetes.io/kubelet-serving", "usages": ["server auth", "digital signature"]}
NODE = ("system:node:a", "system:nodes")
DNS = [x509.DNSName("a")]


def request(
    key: ec.EllipticCurvePrivateKey, user: str, *groups: str, names: Sequence[x509.GeneralName] = (), **spec: Any
) -> Json:
    organizations = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    subject = x509.Name([*organizations, x509.NameAttribute(NameOID.COMMON_NAME, user)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    csr = builder.sign(key, hashes.SHA256())
    pem = csr.public_bytes(serialization.Encoding.PEM)
    usages = ["client auth", "digital signature"]
    return {"request": base64.b64encode(pem).decode(), "signerName": CLIENT, "usages": usages, **spec}


async def decide(bed: Bed, name: str, kind: str) -> Json:
    found = await bed.client.get(CERTIFICATE_SIGNING_REQUEST, name)
    condition = {"type": kind, "status": "True", "reason": "Test", "lastUpdateTime": "2099-01-01T00:00:00Z"}
    return await bed.client.replace(
        CERTIFICATE_SIGNING_REQUEST, {**found, "status": {"conditions": [condition]}}, subresource="approval"
    )


async def test_an_approved_request_becomes_a_certificate_that_opens_the_api(
    bed: Bed, api_server: ApiServerProcess
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    asked = request(key, "ella", "singers", expirationSeconds=3600, username="somebody else")
    made = await bed.create(CERTIFICATE_SIGNING_REQUEST, {"metadata": {"name": "ella"}, "spec": asked})
    assert made["spec"]["username"] == "kubernetes-admin"
    await decide(bed, "ella", "Approved")

    async def issued() -> Json | None:
        found = await bed.client.get(CERTIFICATE_SIGNING_REQUEST, "ella")
        return found if (found.get("status") or {}).get("certificate") else None

    status = (await bed.until(issued, "the certificate"))["status"]
    pem = base64.b64decode(status["certificate"])
    certificate = x509.load_pem_x509_certificate(pem)
    assert certificate.not_valid_after_utc < datetime.now(UTC) + timedelta(hours=1, minutes=1)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    config = dataclasses.replace(
        load_kubeconfig(api_server.kubeconfig), client_certificate_pem=pem, client_key_pem=secret
    )
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    async with Client(config) as ella:
        answer = await ella.request("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", body=review)
    assert answer["status"]["userInfo"]["username"] == "ella"
    assert "singers" in answer["status"]["userInfo"]["groups"]


async def test_what_may_not_be_signed_is_not(bed: Bed) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    for name, spec, decision in (
        ("denied", request(key, "a"), "Denied"),
        ("unfit", request(key, "a", usages=["server auth"]), "Approved"),
        ("others", request(key, "a", signerName="example.com/mine"), "Approved"),
    ):
        await bed.create(CERTIFICATE_SIGNING_REQUEST, {"metadata": {"name": name}, "spec": spec})
        await decide(bed, name, decision)

    async def failed() -> bool:
        found = await bed.client.get(CERTIFICATE_SIGNING_REQUEST, "unfit")
        return "Failed" in [item["type"] for item in found["status"]["conditions"]]

    await bed.until(failed, "the refusal")
    for name in ("denied", "unfit", "others"):
        assert "certificate" not in (await bed.client.get(CERTIFICATE_SIGNING_REQUEST, name))["status"]


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ({"request": base64.b64encode(b"none").decode()}, "PEM block type must be CERTIFICATE REQUEST"),
        ({"usages": []}, "spec.usages: Required value"),
        ({"signerName": "mine"}, "must be a fully qualified domain and path"),
        ({"signerName": "kubernetes.io/legacy-unknown"}, "the legacy signerName is not allowed via this API version"),
        ({"expirationSeconds": 599}, "may not specify a duration less than 600 seconds"),
    ],
)
async def test_requests_that_are_none(bed: Bed, spec: Json, problem: str) -> None:
    whole = {**request(ec.generate_private_key(ec.SECP256R1()), "a"), **spec}
    with pytest.raises(ApiError) as caught:
        await bed.create(CERTIFICATE_SIGNING_REQUEST, {"metadata": {"name": "bad"}, "spec": whole})
    assert problem in caught.value.message


async def status_with(bed: Bed, name: str, *fields: str) -> Json:
    """As soon as it has one of the fields, or a condition of that type."""

    async def found() -> Json | None:
        status: Json = (await bed.client.get(CERTIFICATE_SIGNING_REQUEST, name)).get("status") or {}
        kinds = {item["type"] for item in status.get("conditions") or ()}
        return status if kinds.union(status) & set(fields) else None

    status: Json = await bed.until(found, f"{name} to have {fields}")
    return status


async def test_a_kubelet_gets_its_certificate_without_anybody(bed: Bed) -> None:
    spec = request(ec.generate_private_key(ec.SECP256R1()), *NODE, **KUBELET)
    await bed.create(CERTIFICATE_SIGNING_REQUEST, {"metadata": {"name": "kubelet"}, "spec": spec})
    status = await status_with(bed, "kubelet", "certificate")
    (condition,) = status["conditions"]
    assert (condition["type"], condition["reason"]) == ("Approved", "AutoApproved")
    assert condition["message"] == "Auto approving kubelet client certificate after SubjectAccessReview."


async def test_a_certificate_of_a_server_has_its_names_once_somebody_approves(bed: Bed) -> None:
    spec = request(ec.generate_private_key(ec.SECP256R1()), *NODE, names=DNS, **SERVING)
    await bed.create(CERTIFICATE_SIGNING_REQUEST, {"metadata": {"name": "serving"}, "spec": spec})
    await decide(bed, "serving", "Approved")
    status = await status_with(bed, "serving", "certificate")
    assert [item["reason"] for item in status["conditions"]] == ["Test"]
    certificate = x509.load_pem_x509_certificate(base64.b64decode(status["certificate"]))
    extensions = certificate.extensions
    assert list(extensions.get_extension_for_class(x509.SubjectAlternativeName).value) == DNS
    assert list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.SERVER_AUTH]


@pytest.mark.parametrize(
    ("subject", "names", "signer", "message"),
    [
        (("system:node:a", "singers"), DNS, SERVING, "subject organization is not system:nodes"),
        (NODE, [], SERVING, "DNS or IP subjectAltName is required"),
        (NODE, [*DNS, x509.RFC822Name("a@b")], SERVING, "Email subjectAltNames are not allowed"),
        (("ella", "system:nodes"), DNS, SERVING, "subject common name does not begin with system:node:"),
        (
            NODE,
            DNS,
            {**SERVING, "usages": ["client auth"]},
            "usages did not match [digital signature key encipherment server auth]",
        ),
        (NODE, DNS, KUBELET, "DNS subjectAltNames are not allowed"),
        (NODE, [], {**KUBELET, "usages": ["client auth"]}, "usages did not match [client auth digital signature"),
        (NODE, [], {"usages": ["server auth"]}, "invalid usage for client certificate: server auth"),
        (NODE, [], {"usages": ["key encipherment"]}, "missing required usage for client certificate: client auth"),
    ],
)
async def test_what_signers_refuse(
    bed: Bed, subject: tuple[str, str], names: list[x509.GeneralName], signer: Json, message: str
) -> None:
    name = f"refused-{abs(hash(message))}"
    spec = request(ec.generate_private_key(ec.SECP256R1()), *subject, names=names, **signer)
    await bed.create(CERTIFICATE_SIGNING_REQUEST, {"metadata": {"name": name}, "spec": spec})
    await decide(bed, name, "Approved")
    status = await status_with(bed, name, "Failed", "certificate")
    failed = status["conditions"][-1]
    assert (failed["type"], failed["reason"]) == ("Failed", "SignerValidationFailure")
    assert failed["message"].startswith(message)


async def test_nobody_becomes_an_administrator_by_a_certificate(bed: Bed) -> None:
    spec = request(ec.generate_private_key(ec.SECP256R1()), "a", "system:masters")
    with pytest.raises(ApiError) as caught:
        await bed.create(CERTIFICATE_SIGNING_REQUEST, {"metadata": {"name": "root"}, "spec": spec})
    assert "with system:masters group is not allowed" in caught.value.message
