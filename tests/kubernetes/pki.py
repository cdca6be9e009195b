"""One authority, and a certificate with a kubeconfig for each part and user."""

import ipaddress
import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.kubernetes.plan import API_SERVICE, Layout, Node

ADMIN: Final = "admin"
_DAYS: Final = 30
_USAGES: Final = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
_USERS: Final = {
    ADMIN: ("admin", "system:masters"),
    "controller-manager": ("system:kube-controller-manager", ""),
    "scheduler": ("system:kube-scheduler", ""),
    "kube-proxy": ("system:kube-proxy", ""),
}
_API_NAMES: Final = (
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)


class _Authority(NamedTuple):
    name: x509.Name
    key: ec.EllipticCurvePrivateKey


def write_pki(layout: Layout) -> None:
    """All files of `layout.pki`."""
    layout.pki.mkdir(parents=True, mode=0o700)
    authority = _write_authority(layout.pki)
    _write_service_account_keys(layout.pki)
    api = [*_API_NAMES, "127.0.0.1", API_SERVICE, layout.control_plane.address]
    _write_pair(layout.pki / "apiserver", authority, "kube-apiserver", alternatives=api)
    _write_pair(layout.pki / "front-proxy", authority, "front-proxy")
    for user, (name, group) in _USERS.items():
        _write_pair(layout.pki / user, authority, name, group=group)
        _write_kubeconfig(layout, user)
    for node in layout.nodes:
        _write_node(layout, authority, node)


def _write_node(layout: Layout, authority: _Authority, node: Node) -> None:
    names = [node.name, node.address]
    _write_pair(layout.pki / node.name, authority, f"system:node:{node.name}", group="system:nodes", alternatives=names)
    _write_kubeconfig(layout, node.name)


def _write_kubeconfig(layout: Layout, user: str) -> None:
    files = {"client-certificate": f"{layout.pki / user}.crt", "client-key": f"{layout.pki / user}.key"}
    cluster = {"server": layout.server, "certificate-authority": str(layout.pki / "ca.crt")}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "real", "cluster": cluster}],
        "users": [{"name": user, "user": files}],
        "contexts": [{"name": "real", "context": {"cluster": "real", "user": user}}],
        "current-context": "real",
    }
    layout.kubeconfig(user).write_text(json.dumps(config, indent=2))


def _write_authority(folder: Path) -> _Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    authority = _Authority(_name("crossfade-kubernetes", ""), key)
    unlimited = x509.BasicConstraints(ca=True, path_length=None)
    _write(folder / "ca", key, _builder(authority, authority.name, key).add_extension(unlimited, critical=True), key)
    return authority


def _write_pair(
    path: Path, authority: _Authority, name: str, *, group: str = "", alternatives: Iterable[str] = ()
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(authority, _name(name, group), key).add_extension(_USAGES, critical=False)
    if names := [_alternative(each) for each in alternatives]:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    _write(path, key, builder, authority.key)


def _builder(authority: _Authority, name: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(authority.name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=_DAYS))
    )


def _write(
    path: Path, key: ec.EllipticCurvePrivateKey, builder: x509.CertificateBuilder, signer: ec.EllipticCurvePrivateKey
) -> None:
    certificate = builder.sign(signer, hashes.SHA256())
    path.with_suffix(".crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    path.with_suffix(".key").write_bytes(_pem(key))


def _write_service_account_keys(folder: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    (folder / "service-accounts.key").write_bytes(_pem(key))
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (folder / "service-accounts.pub").write_bytes(public)


def _pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(encoding, form, serialization.NoEncryption())


def _name(name: str, group: str) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group)] if group else []
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
