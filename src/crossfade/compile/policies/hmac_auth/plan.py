"""hmac-auth for the policy module: its configuration as it stands, and secrets, by which it checks signatures."""

from base64 import b64encode
from collections.abc import Mapping
from typing import Final

from crossfade.compile.policies.hmac_auth.schema import SCHEMA
from crossfade.compile.policies.plugin import CredentialEntry, CredentialType, Plugin, SigningKey


def problem(data: Mapping[str, bytes]) -> str | None:
    for name in ("username", "secret"):
        if not data[name]:
            return f"schema violation ({name}: length must be at least 1)"
    try:
        data["username"].decode()
    except UnicodeDecodeError:
        return "its username is not UTF-8 text"
    return None


def credential(data: Mapping[str, bytes], salt: bytes) -> CredentialEntry:
    """Found by the username."""
    del salt
    return CredentialEntry(data["username"].decode(), key=SigningKey("HMAC", secret=b64encode(data["secret"]).decode()))


PLUGIN: Final = Plugin(
    name="hmac-auth",
    priority=1030,
    takes_consumer=False,
    schema=SCHEMA,
    credentials=CredentialType("hmac-auth", credential, problem),
)
