"""The key of an account, as users give it: RSA or on the curve P-256, P-384 or P-521, in PEM."""

from typing import Final, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

AccountKey: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
_CURVES: Final = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_LEAST_RSA_BITS: Final = 2048


def account_key(pem: str) -> str | None:
    """Why it cannot be used; the text shows nothing of it."""
    if "-----BEGIN" not in pem:
        return "no object has Kong's keys by name: give the private key itself, in PEM, by configFrom or configPatches"
    return None if loaded_key(pem) is not None else "it is no private key in PEM that an account can have"


def loaded_key(pem: str) -> AccountKey | None:
    try:
        key = load_pem_private_key(pem.encode("utf-8", "replace"), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= _LEAST_RSA_BITS:
        return key
    return key if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, _CURVES) else None
