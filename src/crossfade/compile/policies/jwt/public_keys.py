"""Public keys in PEM, and which algorithm of RFC 7518 and RFC 8037 takes which of them."""

from functools import lru_cache
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from crossfade.api.bounds import Misfit

_RSA: Final = "an RSA key of 2048 to 8192 bits"
ALGORITHMS: Final[dict[str, str]] = {
    "RS256": _RSA,
    "RS384": _RSA,
    "RS512": _RSA,
    "ES256": "a key on the curve P-256",
    "ES384": "a key on the curve P-384",
    "ES512": "a key on the curve P-521",
    "PS256": _RSA,
    "PS384": _RSA,
    "PS512": _RSA,
    "EdDSA": "an Ed25519 key",
}
"""Of public keys, by name: what the key must be."""

_CURVES: Final[dict[str, type[ec.EllipticCurve]]] = {
    "ES256": ec.SECP256R1,
    "ES384": ec.SECP384R1,
    "ES512": ec.SECP521R1,
}


# Keys come again with every state.
@lru_cache(maxsize=4096)
def public_key(pem: bytes, algorithm: str) -> bytes | Misfit:
    """As DER (SubjectPublicKeyInfo), if it is one for the algorithm."""
    if b"PRIVATE KEY" in pem:
        return Misfit("it is a private key; give the public key alone")
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        return Misfit("it is no public key in PEM (`-----BEGIN PUBLIC KEY-----`)")
    if not _fits(key, algorithm):
        return Misfit(f"{algorithm} takes {ALGORITHMS[algorithm]}")
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _fits(key: PublicKeyTypes, algorithm: str) -> bool:
    if algorithm in _CURVES:
        return isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, _CURVES[algorithm])
    if algorithm == "EdDSA":
        return isinstance(key, ed25519.Ed25519PublicKey)
    return isinstance(key, rsa.RSAPublicKey) and 2048 <= key.key_size <= 8192 and _is_usual(key)


def _is_usual(key: rsa.RSAPublicKey) -> bool:
    """The policy module refuses larger exponents, which make checking slow."""
    return key.public_numbers().e.bit_length() <= 33
