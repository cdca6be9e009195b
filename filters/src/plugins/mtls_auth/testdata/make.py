"""Makes the certificates that the tests of mtls-auth show: `python make.py`.

They are valid from 2026 to 2100 unless their name says else.
"""

import subprocess
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

HERE = Path(__file__).parent


class Pair(NamedTuple):
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def subject(name: str) -> x509.Name:
    organisation = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Crossfade, Ltd.")
    return x509.Name([organisation, x509.NameAttribute(NameOID.COMMON_NAME, name)])


def issue(
    name: str,
    issuer: Pair | None,
    *extensions: x509.ExtensionType,
    ca: bool = False,
    years: tuple[int, int] = (2026, 2100),
) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject(name))
        .issuer_name(issuer.certificate.subject if issuer else subject(name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(years[0], 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(years[1], 1, 1, tzinfo=UTC))
    )
    if ca:
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return Pair(builder.sign(issuer.key if issuer else key, hashes.SHA256()), key)


def write(file: str, pair: Pair) -> None:
    (HERE / f"{file}.der").write_bytes(pair.certificate.public_bytes(serialization.Encoding.DER))


def write_old(root: Pair) -> None:
    """Of X.509's first version, which only the command makes."""
    pem, none = serialization.Encoding.PEM, serialization.NoEncryption()
    (HERE / "root.pem").write_bytes(root.certificate.public_bytes(pem))
    (HERE / "root.key").write_bytes(root.key.private_bytes(pem, serialization.PrivateFormat.PKCS8, none))
    for command in (
        "openssl ecparam -name prime256v1 -genkey -noout -out old.key",
        "openssl req -new -key old.key -out old.csr -subj /CN=ann",
        "openssl x509 -req -in old.csr -CA root.pem -CAkey root.key -days 25000 -outform DER -out old.der",
    ):
        subprocess.run(command.split(), cwd=HERE, check=True, capture_output=True)
    for file in ("root.pem", "root.key", "old.key", "old.csr"):
        (HERE / file).unlink()


def responder(url: str) -> x509.AuthorityInformationAccess:
    place = x509.UniformResourceIdentifier(url)
    return x509.AuthorityInformationAccess([x509.AccessDescription(AuthorityInformationAccessOID.OCSP, place)])


def revoked_at(url: str) -> x509.CRLDistributionPoints:
    place = x509.UniformResourceIdentifier(url)
    return x509.CRLDistributionPoints([x509.DistributionPoint([place], None, None, None)])


def main() -> None:
    root, other = issue("root", None, ca=True), issue("other", None, ca=True)
    sub = issue("sub", root, ca=True)
    sub_of_list = issue("sub", root, revoked_at("http://lists.test/root.crl"), ca=True)
    alternatives = x509.SubjectAlternativeName(
        [
            x509.DNSName("ann.test"),
            x509.RFC822Name("ann@mail.test"),
            x509.IPAddress(ip_address("2001:db8::9")),
            x509.UniformResourceIdentifier("spiffe://test/ann"),
        ]
    )
    for file, pair in {
        "root": root,
        "other": other,
        "sub": sub,
        "san": issue("somebody", root, alternatives),
        "cn": issue("ann", root),
        "deep": issue("ann", sub),
        "stranger": issue("ann", other),
        "expired-2029": issue("ann", root, years=(2026, 2029)),
        "future-2040": issue("ann", root, years=(2040, 2100)),
        "root-expired-2029": (late := issue("late", None, ca=True, years=(2026, 2029))),
        "of-expired-root": issue("ann", late),
        "for-servers": issue("ann", root, x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])),
        "for-clients": issue("ann", root, x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])),
        "other-names": issue("ann", root, x509.SubjectAlternativeName([x509.DirectoryName(subject("ann"))])),
        "of-responder": issue("ann", root, responder("http://ocsp.test/")),
        "of-list": issue("ann", root, revoked_at("http://lists.test/root.crl")),
        "of-directory": issue("ann", root, revoked_at("ldap://lists.test/cn=root")),
        "sub-of-list": sub_of_list,
        "deep-of-list": issue("ann", sub_of_list),
    }.items():
        write(file, pair)
    write_old(root)


if __name__ == "__main__":
    main()
