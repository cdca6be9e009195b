"""The cluster's keys and certificates in the data directory, made on first start, and the administrator's kubeconfig.

Files: `ca.crt`, `ca.key`, `server.crt`, `server.key`, `NAME.crt` and `NAME.key` per client, `service-account.key`.
Keys are readable by their owner only.
"""

import base64
import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_LIFETIME: Final = timedelta(days=3650)
_RENEW_BEFORE: Final = timedelta(days=30)
# File name → (user, groups). Controllers and the node sign in like their counterparts in a real cluster.
CLIENTS: Final = {
    "admin": ("kubernetes-admin", ("system:masters",)),
    "controller": ("system:kube-controller-manager", ("system:masters",)),
    "node": ("system:node:crossfade", ("system:nodes", "system:masters")),
}
SERVER_NAMES: Final = (
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)
SERVER_ADDRESSES: Final = ("127.0.0.1", "::1", "10.96.0.1")


@dataclass(frozen=True)
class Pki:
    """Where the files are; everything exists once `ensure` has returned."""

    folder: Path

    @property
    def ca_certificate(self) -> Path:
        return self.folder / "ca.crt"

    @property
    def server_certificate(self) -> Path:
        return self.folder / "server.crt"

    @property
    def server_key(self) -> Path:
        return self.folder / "server.key"

    @property
    def service_account_key(self) -> Path:
        return self.folder / "service-account.key"


def ensure(folder: Path, *, now: datetime | None = None) -> Pki:
    """Make what is missing or about to expire."""
    moment = now or datetime.now(UTC)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    pki = Pki(folder)
    if not pki.ca_certificate.exists():
        _make_ca(folder, moment)
    authority = _Authority(folder)
    if _is_due(pki.server_certificate, moment):
        names: list[x509.GeneralName] = [x509.DNSName(name) for name in SERVER_NAMES]
        names += [x509.IPAddress(ipaddress.ip_address(address)) for address in SERVER_ADDRESSES]
        authority.issue("server", "kube-apiserver", (), ExtendedKeyUsageOID.SERVER_AUTH, moment, names)
    for name, (user, groups) in CLIENTS.items():
        if _is_due(folder / f"{name}.crt", moment):
            authority.issue(name, user, groups, ExtendedKeyUsageOID.CLIENT_AUTH, moment, ())
    if not pki.service_account_key.exists():
        _write_key(pki.service_account_key, ec.generate_private_key(ec.SECP256R1()))
    return pki


class _Authority:
    """The cluster's CA, ready to sign."""

    def __init__(self, folder: Path) -> None:
        self._folder: Final = folder
        self._certificate: Final = x509.load_pem_x509_certificate((folder / "ca.crt").read_bytes())
        key = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        self._key: Final = key

    def issue(
        self,
        file_name: str,
        user: str,
        groups: Sequence[str],
        usage: x509.ObjectIdentifier,
        now: datetime,
        names: Sequence[x509.GeneralName],
    ) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            _certificate(_subject(user, groups), self._certificate.subject, key.public_key(), now)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        _write_key(self._folder / f"{file_name}.key", key)
        _write(self._folder / f"{file_name}.crt", certificate.public_bytes(serialization.Encoding.PEM), 0o644)


def _make_ca(folder: Path, now: datetime) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _subject("kubernetes", ())
    certificate = (
        _certificate(subject, subject, key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write_key(folder / "ca.key", key)
    _write(folder / "ca.crt", certificate.public_bytes(serialization.Encoding.PEM), 0o644)


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + _LIFETIME)
    )


def _subject(user: str, groups: Sequence[str]) -> x509.Name:
    organisations = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    return x509.Name([*organisations, x509.NameAttribute(NameOID.COMMON_NAME, user)])


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _is_due(path: Path, now: datetime) -> bool:
    if not path.exists():
        return True
    return x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc < now + _RENEW_BEFORE


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    _write(path, pem, 0o600)


def _write(path: Path, content: bytes, mode: int) -> None:
    """Write as a whole or not at all."""
    part = path.with_name(path.name + ".part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    part.replace(path)


def write_kubeconfig(path: Path, pki: Pki, *, server: str, client: str = "admin") -> None:
    """A kubeconfig with everything inside, for one of `CLIENTS`."""

    def blob(name: str) -> str:
        return base64.b64encode((pki.folder / name).read_bytes()).decode()

    text = f"""\
apiVersion: v1
kind: Config
current-context: crossfade
clusters:
- name: crossfade
  cluster:
    server: {server}
    certificate-authority-data: {blob("ca.crt")}
contexts:
- name: crossfade
  context:
    cluster: crossfade
    user: {client}
users:
- name: {client}
  user:
    client-certificate-data: {blob(f"{client}.crt")}
    client-key-data: {blob(f"{client}.key")}
"""
    if not path.exists() or path.read_text() != text:
        _write(path, text.encode(), 0o600)
