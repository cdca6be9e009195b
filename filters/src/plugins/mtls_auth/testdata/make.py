"""Makes the certificates that the tests of mtls-auth show: `python make.py`.

They are valid from 2026 to 2100 unless their name says else.
"""

import subprocess
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ocsp
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


ELSEWHERE: Final = x509.UniformResourceIdentifier("http://lists.test/part.crl")
LISTED: Final = revoked_at("http://lists.test/root.crl")


def write_answer(
    file: str,
    about: Pair,
    issuer: Pair,
    status: ocsp.OCSPCertStatus,
    *,
    signer: Pair | None = None,
    year: int = 2030,
) -> None:
    """Of a responder, good for that year."""
    signer = signer or issuer
    is_revoked = status is ocsp.OCSPCertStatus.REVOKED
    builder = ocsp.OCSPResponseBuilder().add_response(
        cert=about.certificate,
        issuer=issuer.certificate,
        algorithm=hashes.SHA1(),  # noqa: S303 - names the certificate (RFC 6960), signs nothing
        cert_status=status,
        this_update=datetime(year, 1, 1, tzinfo=UTC),
        next_update=datetime(year + 1, 1, 1, tzinfo=UTC),
        revocation_time=datetime(2029, 1, 1, tzinfo=UTC) if is_revoked else None,
        revocation_reason=None,
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, signer.certificate)
    if signer is not issuer:
        builder = builder.certificates([signer.certificate])
    answer = builder.sign(signer.key, hashes.SHA256())
    (HERE / f"{file}.ocsp").write_bytes(answer.public_bytes(serialization.Encoding.DER))


def write_list(
    file: str,
    issuer: Pair,
    extension: x509.ExtensionType | None = None,
    *,
    revoked: tuple[Pair, ...] = (),
    year: int = 2030,
) -> None:
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(datetime(year, 1, 1, tzinfo=UTC))
        .next_update(datetime(year + 1, 1, 1, tzinfo=UTC))
    )
    for one in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(one.certificate.serial_number)
        builder = builder.add_revoked_certificate(entry.revocation_date(datetime(2029, 1, 1, tzinfo=UTC)).build())
    # Any extension makes it one of the second version.
    builder = builder.add_extension(extension or x509.CRLNumber(1), critical=extension is not None)
    text = builder.sign(issuer.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
    (HERE / f"{file}.crl").write_bytes(text)


def write_old_list(file: str, issuer: Pair, *revoked: Pair, year: int = 2030) -> None:
    """Of the first version, which only the command makes."""
    pem, none = serialization.Encoding.PEM, serialization.NoEncryption()
    (HERE / "ca.pem").write_bytes(issuer.certificate.public_bytes(pem))
    (HERE / "ca.key").write_bytes(issuer.key.private_bytes(pem, serialization.PrivateFormat.PKCS8, none))
    (HERE / "ca.conf").write_text("[ca]\ndefault_ca=own\n[own]\ndatabase=ca.txt\ndefault_md=sha256\n")
    serials = [f"{one.certificate.serial_number:X}" for one in revoked]
    even = [serial if len(serial) % 2 == 0 else f"0{serial}" for serial in serials]
    (HERE / "ca.txt").write_text("".join(f"R\t350101000000Z\t290101000000Z\t{one}\tunknown\t/CN=a\n" for one in even))
    times = f"-crl_lastupdate {year}0101000000Z -crl_nextupdate {year + 1}0101000000Z"
    for command in (
        f"openssl ca -gencrl -config ca.conf -keyfile ca.key -cert ca.pem {times} -out list.pem",
        f"openssl crl -in list.pem -outform DER -out {file}.crl",
    ):
        subprocess.run(command.split(), cwd=HERE, check=True, capture_output=True)
    for made in (*HERE.glob("ca.*"), HERE / "list.pem"):
        made.unlink()


def write_revocation(root: Pair, other: Pair, sub: Pair) -> None:
    """Whether the certificates that name somebody are revoked, by several who may say so or not."""
    asked, listed = issue("ann", root, responder("http://ocsp.test/")), issue("ann", root, LISTED)
    both = issue("ann", root, responder("http://ocsp.test/"), LISTED)
    for file, pair in {"of-responder": asked, "of-list": listed, "of-both": both}.items():
        write(file, pair)
    for status in ocsp.OCSPCertStatus:
        write_answer(status.name.lower(), asked, root, status)
    good = ocsp.OCSPCertStatus.GOOD
    signing = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING])
    write_answer("old", asked, root, good, year=2028)
    write_answer("future", asked, root, good, year=2032)
    write_answer("of-another", listed, root, good)
    write_answer("wrong-signer", asked, root, good, signer=other)
    write_answer("delegated", asked, root, good, signer=issue("responder", root, signing))
    write_answer(
        "delegated-revoked", asked, root, ocsp.OCSPCertStatus.REVOKED, signer=issue("responder", root, signing)
    )
    write_answer("delegate-without-usage", asked, root, good, signer=issue("responder", root))
    write_answer("delegate-of-another", asked, root, good, signer=issue("responder", other, signing))
    write_answer("delegate-of-delegate", asked, root, good, signer=issue("responder", sub, signing))
    late = issue("responder", root, signing, years=(2026, 2029))
    write_answer("delegate-expired", asked, root, good, signer=late)
    write_list("none-revoked", root)
    write_list("revoked", root, revoked=(listed, both, sub))
    write_list("old", root, year=2028)
    write_list("future", root, year=2032)
    write_list("wrong-issuer", other)
    write_list("wrong-signer", Pair(root.certificate, other.key))
    write_list("part", root, x509.IssuingDistributionPoint([ELSEWHERE], None, False, False, None, False, False))
    write_list("delta", root, x509.DeltaCRLIndicator(1))
    write_old_list("v1-none-revoked", root)
    write_old_list("v1-revoked", root, asked, listed)
    write_old_list("v1-old", root, year=2028)
    write_old_list("v1-wrong-issuer", other)
    write_old_list("v1-wrong-signer", issue("root", None, ca=True))


def main() -> None:
    root, other = issue("root", None, ca=True), issue("other", None, ca=True)
    sub = issue("sub", root, ca=True)
    sub_of_list = issue("sub", root, LISTED, ca=True)
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
        "of-directory": issue("ann", root, revoked_at("ldap://lists.test/cn=root")),
        "sub-of-list": sub_of_list,
        "deep-of-list": issue("ann", sub_of_list),
    }.items():
        write(file, pair)
    write_old(root)
    write_revocation(root, other, sub_of_list)


if __name__ == "__main__":
    main()
