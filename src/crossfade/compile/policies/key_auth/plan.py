"""key-auth for the policy module: its configuration as it stands, and keys as digests."""

from collections.abc import Mapping
from typing import Final

from crossfade.compile.policies.digest import digest
from crossfade.compile.policies.key_auth.schema import SCHEMA
from crossfade.compile.policies.plugin import CredentialEntry, CredentialType, Plugin


def credential(data: Mapping[str, bytes], salt: bytes) -> CredentialEntry:
    return CredentialEntry(digest(salt, data["key"]))


PLUGIN: Final = Plugin(
    name="key-auth",
    priority=1250,
    takes_consumer=False,
    schema=SCHEMA,
    credentials=CredentialType("key-auth", credential),
)
