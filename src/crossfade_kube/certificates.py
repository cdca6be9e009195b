"""X.509 certificates that an installation makes for its own servers and clients, with keys of curve P-256."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

# Clocks of nodes differ: a certificate must hold a little before it was made.
_BACKDATED: Final = timedelta(minutes=10)


class Certified(NamedTuple):
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def certificate_pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return key_pem(self.key)


def make_authority(subject: x509.Name, *, now: datetime, lifetime: timedelta, path_length: int | None) -> Certified:
    """Self-signed; `path_length` 0 lets it sign no further authorities, None does not say."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _builder(subject, subject, key, now=now, lifetime=lifetime)
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return Certified(certificate, key)


def vouch_for(successor: x509.Certificate, authority: Certified, *, now: datetime) -> x509.Certificate:
    """The key of `successor`, an authority of the same name, signed by `authority` and for as long as that lasts.

    Whoever trusts the old one alone accepts what the new one signs, if the server shows this too (RFC 4210 §4.4). No
    `path_length` stands against it: a certificate of an authority for its own name does not count (RFC 5280 §6.1.4).
    """
    issuer = authority.certificate
    return (
        x509.CertificateBuilder()
        .subject_name(successor.subject)
        .issuer_name(issuer.subject)
        .public_key(successor.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(issuer.not_valid_after_utc)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(successor.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value, critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()),
            critical=False,
        )
        .sign(authority.key, hashes.SHA256())
    )


def issue(
    authority: Certified,
    subject: x509.Name,
    *,
    usages: Sequence[x509.ObjectIdentifier],
    names: Sequence[x509.GeneralName] = (),
    now: datetime,
    lifetime: timedelta,
) -> Certified:
    """`usages` are of ExtendedKeyUsageOID."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        _builder(subject, authority.certificate.subject, key, now=now, lifetime=lifetime)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()),
            critical=False,
        )
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return Certified(builder.sign(authority.key, hashes.SHA256()), key)


def load(certificate_pem: bytes, key_pem: bytes) -> Certified:
    """Raises ValueError or TypeError for what is no certificate or no key of an elliptic curve."""
    return Certified(x509.load_pem_x509_certificate(certificate_pem), load_key(key_pem))


def load_key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    """Raises ValueError or TypeError."""
    key = serialization.load_pem_private_key(pem, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("the private key is not one of an elliptic curve")
    return key


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, *, now: datetime, lifetime: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
