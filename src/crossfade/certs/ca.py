"""A self-signed certificate authority that exists only for one installation's own servers."""

from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.x509.oid import NameOID
from msgspec import Struct

from crossfade_kube.certificates import Certified, make_authority

CA_LIFETIME: Final = timedelta(days=3650)


class KeyPair(Struct, frozen=True):
    """A certificate and its private key, in PEM; the key never appears in `repr`."""

    certificate_pem: bytes
    key_pem: bytes

    def __repr__(self) -> str:
        return "KeyPair(***)"


def create_authority(common_name: str, *, now: datetime) -> KeyPair:
    """A new authority, valid for ten years."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    return key_pair(make_authority(name, now=now, lifetime=CA_LIFETIME, path_length=0))


def key_pair(made: Certified) -> KeyPair:
    return KeyPair(made.certificate_pem, made.key_pem)
