"""The client proves who it is and checks whom it talks to, over real TLS."""

import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from crossfade.kube.client import Client
from crossfade.kube.errors import ApiUnreachable, Unauthorized
from crossfade.kube.kubeconfig import ClusterConfig


class Pair(NamedTuple):
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def certificate_pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        kind = serialization.PrivateFormat.PKCS8
        return self.key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption())


def _issue(name: str, issuer: Pair | None = None) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    signer_key = issuer.key if issuer else key
    public = key.public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer_key.public_key()), critical=False)
    )
    return Pair(builder.sign(signer_key, hashes.SHA256()), key)


async def _whoami(request: web.Request) -> web.Response:
    assert request.transport is not None
    certificate = request.transport.get_extra_info("peercert") or {}
    names = [value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"]
    token = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if not names and token != "good":
        return web.json_response({"kind": "Status", "code": 401, "message": "Unauthorized"}, status=401)
    return web.json_response({"name": names[0] if names else "bearer"})


@pytest.fixture(scope="module")
def authority() -> Pair:
    return _issue("ca")


@pytest.fixture
async def server(authority: Pair, tmp_path: Path) -> AsyncIterator[str]:
    pair = _issue("server", authority)
    (tmp_path / "pair.pem").write_bytes(pair.certificate_pem + pair.key_pem)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=authority.certificate_pem.decode())
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_cert_chain(tmp_path / "pair.pem")
    app = web.Application()
    app.router.add_get("/whoami", _whoami)
    runner = web.AppRunner(app, shutdown_timeout=0.05)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    yield f"https://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def _ask(config: ClusterConfig) -> str:
    async with Client(config) as client:
        return str((await client.request("GET", "/whoami"))["name"])


async def test_client_certificate(server: str, authority: Pair) -> None:
    mine = _issue("admin", authority)
    config = ClusterConfig(
        server=server,
        ca_pem=authority.certificate_pem,
        client_certificate_pem=mine.certificate_pem,
        client_key_pem=mine.key_pem,
    )
    assert await _ask(config) == "admin"


async def test_bearer_token(server: str, authority: Pair) -> None:
    assert await _ask(ClusterConfig(server=server, ca_pem=authority.certificate_pem, token="good")) == "bearer"
    with pytest.raises(Unauthorized):
        await _ask(ClusterConfig(server=server, ca_pem=authority.certificate_pem, token="bad"))


async def test_a_server_that_cannot_prove_itself_gets_no_token(server: str) -> None:
    with pytest.raises(ApiUnreachable, match="certificate"):
        await _ask(ClusterConfig(server=server, ca_pem=_issue("other").certificate_pem, token="good"))
    assert await _ask(ClusterConfig(server=server, verifies_server=False, token="good")) == "bearer"
