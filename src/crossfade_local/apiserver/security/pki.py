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
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from crossfade_kube.certificates import Certified, issue, key_pem, load, make_authority

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
        made = make_authority(_subject("kubernetes", ()), now=moment, lifetime=_LIFETIME, path_length=None)
        _write_pair(folder, "ca", made)
    authority = load(pki.ca_certificate.read_bytes(), (folder / "ca.key").read_bytes())
    if _is_due(pki.server_certificate, moment):
        _write_pair(folder, "server", _server_certificate(authority, moment))
    for name, (user, groups) in CLIENTS.items():
        if _is_due(folder / f"{name}.crt", moment):
            subject, usage = _subject(user, groups), ExtendedKeyUsageOID.CLIENT_AUTH
            _write_pair(folder, name, issue(authority, subject, usages=(usage,), now=moment, lifetime=_LIFETIME))
    if not pki.service_account_key.exists():
        _write(pki.service_account_key, key_pem(ec.generate_private_key(ec.SECP256R1())), 0o600)
    return pki


def _server_certificate(authority: Certified, now: datetime) -> Certified:
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in SERVER_NAMES]
    names += [x509.IPAddress(ipaddress.ip_address(address)) for address in SERVER_ADDRESSES]
    subject, usage = _subject("kube-apiserver", ()), ExtendedKeyUsageOID.SERVER_AUTH
    return issue(authority, subject, usages=(usage,), names=names, now=now, lifetime=_LIFETIME)


def _subject(user: str, groups: Sequence[str]) -> x509.Name:
    organisations = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    return x509.Name([*organisations, x509.NameAttribute(NameOID.COMMON_NAME, user)])


def _is_due(path: Path, now: datetime) -> bool:
    if not path.exists():
        return True
    return x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc < now + _RENEW_BEFORE


def _write_pair(folder: Path, name: str, made: Certified) -> None:
    """The certificate last: it is what tells that both are there."""
    _write(folder / f"{name}.key", made.key_pem, 0o600)
    _write(folder / f"{name}.crt", made.certificate_pem, 0o644)


def _write(path: Path, content: bytes, mode: int) -> None:
    """Write as a whole or not at all."""
    part = path.with_name(path.name + ".part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    part.replace(path)


def write_kubeconfig(path: Path, pki: Pki, *, server: str, client: str = "admin") -> None:
    """A kubeconfig with everything inside, for one of `CLIENTS`.

    One that leads here is left as it is: people choose namespaces in it, and add contexts.
    """

    def blob(name: str) -> str:
        return base64.b64encode((pki.folder / name).read_bytes()).decode()

    leads_here = (
        "current-context: crossfade\n",
        f"server: {server}\n",
        *(blob(one) for one in ("ca.crt", f"{client}.crt", f"{client}.key")),
    )
    found = path.read_text(errors="replace") if path.exists() else ""
    if all(part in found for part in leads_here):
        return
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
    _write(path, text.encode(), 0o600)
