"""What makes a Secret a consumer's credential: its type, its fields, which of them must be unique (kong.md §1.5)."""

from collections.abc import Mapping
from typing import Final, NamedTuple

CREDENTIAL_LABEL: Final = "konghq.com/credential"
LEGACY_TYPE_KEY: Final = "kongCredType"


class CredentialKind(NamedTuple):
    """`required` are data keys; `unique` is the one whose value no second credential may have."""

    required: tuple[str, ...]
    unique: str | None = None


CREDENTIAL_KINDS: Final[dict[str, CredentialKind]] = {
    "key-auth": CredentialKind(("key",), "key"),
    "basic-auth": CredentialKind(("username", "password"), "username"),
    "hmac-auth": CredentialKind(("username", "secret"), "username"),
    "jwt": CredentialKind(("algorithm", "key"), "key"),
    "acl": CredentialKind(("group",)),
    "oauth2": CredentialKind(("name", "client_id", "client_secret", "redirect_uris"), "client_id"),
    "mtls-auth": CredentialKind(("subject_name",)),
    # Kong's cloud service reads these; a gateway only tolerates the label.
    "konnect": CredentialKind(()),
}
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


def empty_fields(kind: CredentialKind, data: Mapping[str, bytes]) -> tuple[str, ...]:
    return tuple(name for name in kind.required if name in data and not data[name])
