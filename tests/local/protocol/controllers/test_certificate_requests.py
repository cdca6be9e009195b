"""Certificates by request, from the question to the use of the certificate."""

import base64
import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from crossfade_kube.client import Client
from crossfade_kube.errors import ApiError
from crossfade_kube.kubeconfig import load_kubeconfig
from crossfade_kube.resources import CERTIFICATE_SIGNING_REQUEST
from tests.local.protocol.controllers.conftest import Bed, Json
from tests.support.api_server import ApiServerProcess

CLIENT = "kubernetes.io/kube-apiserver-client"


def request(key: ec.EllipticCurvePrivateKey, user: str, *groups: str, **spec: Any) -> Json:
    names = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    subject = x509.Name([*names, x509.NameAttribute(NameOID.COMMON_NAME, user)])
    csr = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
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
        ({"request": base64.b64encode(b"none").decode()}, "unable to parse the certificate request"),
        ({"usages": []}, "spec.usages: Required value"),
        ({"signerName": "mine"}, "must be a fully qualified domain and path"),
        ({"expirationSeconds": 599}, "may not specify a duration less than 10 minutes"),
    ],
)
async def test_requests_that_are_none(bed: Bed, spec: Json, problem: str) -> None:
    whole = {**request(ec.generate_private_key(ec.SECP256R1()), "a"), **spec}
    with pytest.raises(ApiError) as caught:
        await bed.create(CERTIFICATE_SIGNING_REQUEST, {"metadata": {"name": "bad"}, "spec": whole})
    assert problem in caught.value.message


async def test_nobody_becomes_an_administrator_by_a_certificate(bed: Bed) -> None:
    spec = request(ec.generate_private_key(ec.SECP256R1()), "a", "system:masters")
    with pytest.raises(ApiError) as caught:
        await bed.create(CERTIFICATE_SIGNING_REQUEST, {"metadata": {"name": "root"}, "spec": spec})
    assert "with system:masters group is not allowed" in caught.value.message
