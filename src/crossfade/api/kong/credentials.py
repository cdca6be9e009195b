"""What makes a Secret a consumer's credential: its type, its fields, which of them must be unique (kong.md §1.5)."""

from collections.abc import Mapping
from typing import Final, NamedTuple

CREDENTIAL_LABEL: Final = "konghq.com/credential"
LEGACY_TYPE_KEY: Final = "kongCredType"


class CredentialKind(NamedTuple):
    """`required` are data keys; `unique` is the one whose value no second credential may have.

    `optional` are read besides. `spoken` is what Kong's controller calls the type where that is not its name. The value
    may come again beside another value of the key `apart`.
    """

    required: tuple[str, ...]
    unique: str | None = None
    optional: tuple[str, ...] = ()
    spoken: str | None = None
    apart: str | None = None

    def claim(self, data: Mapping[str, bytes]) -> bytes:
        """What no second credential of the type may claim; empty for what needs not be unique."""
        if self.unique is None:
            return b""
        own = data.get(self.unique, b"")
        return own if self.apart is None else b"\0".join((data.get(self.apart, b"").lower(), own))


CREDENTIAL_KINDS: Final[dict[str, CredentialKind]] = {
    "key-auth": CredentialKind(("key",), "key", ("ttl",)),
    "basic-auth": CredentialKind(("username", "password"), "username"),
    "hmac-auth": CredentialKind(("username", "secret"), "username"),
    "jwt": CredentialKind(("key",), "key", ("algorithm", "secret", "rsa_public_key"), "jwt-auth for"),
    "acl": CredentialKind(("group",)),
    "oauth2": CredentialKind(
        ("client_id", "name"), "client_id", ("client_secret", "redirect_uris", "client_type", "hash_secret")
    ),
    "mtls-auth": CredentialKind(("subject_name",), "subject_name", ("ca_certificate",), apart="ca_certificate"),
    # Kong's cloud service reads these; a gateway only tolerates the label.
    "konnect": CredentialKind(()),
}
HMAC_ALGORITHMS: Final = (b"HS256", b"HS384", b"HS512")
ALIASES: Final = {
    "keyauth_credential": "key-auth",
    "basicauth_credential": "basic-auth",
    "hmacauth_credential": "hmac-auth",
    "jwt_secret": "jwt",
}


def credential_type(labels: Mapping[str, str], data: Mapping[str, bytes]) -> str | None:
    """The declared type with aliases resolved, known or not; the label wins over the data key of Kong 1.0."""
    declared = labels.get(CREDENTIAL_LABEL) or data.get(LEGACY_TYPE_KEY, b"").decode("utf-8", "replace")
    return ALIASES.get(declared, declared) or None


def missing_fields(kind: CredentialKind, data: Mapping[str, bytes]) -> tuple[str, ...]:
    return tuple(name for name in kind.required if name not in data)


def demanded_fields(type_name: str, data: Mapping[str, bytes]) -> tuple[str, ...]:
    """What Kong's webhook wants to see in a new Secret of a known type; more than its controller needs."""
    if type_name == "oauth2":
        return ("name", "client_id", "client_secret", "redirect_uris")
    if type_name != "jwt":
        return CREDENTIAL_KINDS[type_name].required
    algorithm = data.get("algorithm")
    unneeded = () if algorithm is None else ("rsa_public_key",) if algorithm in HMAC_ALGORITHMS else ("secret",)
    return tuple(name for name in ("algorithm", "rsa_public_key", "key", "secret") if name not in unneeded)
