"""basic-auth for the policy module: its configuration as it stands, and passwords as digests."""

from collections.abc import Mapping
from typing import Final

from crossfade.compile.policies.basic_auth.schema import SCHEMA
from crossfade.compile.policies.digest import digest
from crossfade.compile.policies.plugin import CredentialEntry, CredentialType, Plugin


def credential(data: Mapping[str, bytes], salt: bytes) -> CredentialEntry:
    """Found by the username. Its length goes into the digest too, so that no two logins have the same one.

    A username that is no text gets the replacement characters with which Kong's controller would send it, and a digest
    of its bytes, which no client can show.
    """
    username, password = data["username"], data["password"]
    secret = digest(salt, len(username).to_bytes(8, "big") + username + password)
    return CredentialEntry(username.decode("utf-8", "replace"), secret)


PLUGIN: Final = Plugin(
    name="basic-auth",
    priority=1100,
    takes_consumer=False,
    schema=SCHEMA,
    credentials=CredentialType("basic-auth", credential),
)
