"""What is kept for the plugin acme: accounts, certificates, challenges, failures; entries of Secrets under these keys.

Replicas share the Secrets; `crossfade gateway run` has a folder, whose content is a `Kept`.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Final, NamedTuple, TypeVar
from zlib import crc32

import msgspec
from cryptography import x509
from msgspec import Struct

from crossfade.compile.key_pairs import UnusableError, check_pair
from crossfade.compile.model import ServerCertificate
from crossfade_kube.meta import NamespacedName, ObjectMeta

ACCOUNT: Final = "account."
CERTIFICATE: Final = "certificate."
CHALLENGE: Final = "challenge."
FAILURE: Final = "failure."
# A key of a Secret's data has 253 characters.
LONGEST_HOST: Final = 253 - len(CERTIFICATE)
SHARDS: Final = 16

T = TypeVar("T", bound=Struct)


class Account(Struct, frozen=True):
    """`key` is PEM; `url` is what the authority calls the account."""

    key: str
    url: str

    def __repr__(self) -> str:
        return f"Account({self.url}, ***)"


class Certificate(Struct, frozen=True):
    """PEM; `api_uri` is who was asked for it."""

    chain: str
    key: str
    api_uri: str = ""

    def __repr__(self) -> str:
        return "Certificate(***)"


class Failure(Struct, frozen=True):
    """`next_try` is Unix time; `count` failures came one after the other."""

    reason: str
    next_try: float
    count: int = 1


class Kept(Struct, frozen=True):
    """A store that is no Secret of a cluster's."""

    metadata: ObjectMeta
    data: Mapping[str, bytes]

    def __repr__(self) -> str:
        return f"Kept({self.metadata.name}, ***)"


class Stored(NamedTuple):
    """What can be served: certificates by host, key authorizations by token."""

    certificates: Mapping[str, ServerCertificate]
    challenges: Mapping[str, str]


def secret_names(namespace: str, prefix: str) -> tuple[NamespacedName, ...]:
    """Of a gateway's Secrets: their names are fixed, so that its rights can be told by name."""
    return tuple(NamespacedName(namespace, f"{prefix}-{number:02}") for number in range(SHARDS))


def place_of(key: str, names: tuple[NamespacedName, ...]) -> NamespacedName:
    return names[crc32(key.encode()) % len(names)]


def account_key_name(api_uri: str, email: str) -> str:
    """Kong's accounts, too, are known by both."""
    return ACCOUNT + blake2b(f"{api_uri}\n{email}".encode(), digest_size=16).hexdigest()


def encoded(entry: Struct) -> bytes:
    return msgspec.json.encode(entry)


def decoded(content: bytes | None, kind: type[T]) -> T | None:
    """None for what is not there or was not written by us."""
    if content is None:
        return None
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def stored_in(data: Mapping[str, bytes]) -> Stored:
    found = {host: judged(content, host).certificate for host, content in _entries(data, CERTIFICATE)}
    certificates = {host: ServerCertificate(one.chain, one.key) for host, one in found.items() if one is not None}
    challenges = {token: value.decode("ascii", "replace") for token, value in _entries(data, CHALLENGE)}
    return Stored(certificates, challenges)


class Judged(NamedTuple):
    """Of a kept certificate: it, or what is wrong with it; and from when to when it is valid, in Unix time."""

    certificate: Certificate | None
    problem: str = ""
    begins: float = 0.0
    ends: float = 0.0


@lru_cache(maxsize=8192)
def judged(content: bytes, host: str) -> Judged:
    """Remembered: to check a key of 4096 bits takes longer than all else that a change costs."""
    found = decoded(content, Certificate)
    if found is None:
        return Judged(None, "it was not written by the gateway")
    problem = why_unusable(found, host)
    if problem is not None:
        return Judged(None, problem)
    leaf = x509.load_pem_x509_certificates(found.chain.encode())[0]
    return Judged(found, "", leaf.not_valid_before_utc.timestamp(), leaf.not_valid_after_utc.timestamp())


def why_unusable(certificate: Certificate, host: str) -> str | None:
    """Unless it is for that host, with its key, of a kind that Envoy takes. The text shows nothing of the key."""
    try:
        check_pair(certificate.chain, certificate.key)
        leaf = x509.load_pem_x509_certificates(certificate.chain.encode())[0]
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except UnusableError as problem:
        return str(problem).replace("tls.crt", "the certificate").replace("tls.key", "its key")
    except (ValueError, x509.ExtensionNotFound):
        return "it names no host"
    return None if host in names.get_values_for_type(x509.DNSName) else f"it is not for {host}"


def _entries(data: Mapping[str, bytes], prefix: str) -> Iterator[tuple[str, bytes]]:
    return ((key.removeprefix(prefix), value) for key, value in sorted(data.items()) if key.startswith(prefix))
