"""jwt for the policy module: its configuration as it stands, and a key for each credential."""

from base64 import b64encode
from collections.abc import Mapping
from typing import Final

from crossfade.api.bounds import Misfit
from crossfade.api.kong.credentials import HMAC_ALGORITHMS
from crossfade.compile.policies.jwt.public_keys import ALGORITHMS, public_key
from crossfade.compile.policies.jwt.schema import SCHEMA
from crossfade.compile.policies.plugin import CredentialEntry, CredentialType, Plugin, SigningKey

_ALL: Final = (*(name.decode() for name in HMAC_ALGORITHMS), *ALGORITHMS)


def problem(data: Mapping[str, bytes]) -> str | None:
    """Kong makes up a secret that nobody knows where there is none."""
    algorithm = _algorithm(data)
    if algorithm not in _ALL:
        return f"schema violation (algorithm: expected one of: {', '.join(_ALL)})"
    try:
        data["key"].decode()
    except UnicodeDecodeError:
        return "its key is not UTF-8 text"
    name = "rsa_public_key" if algorithm in ALGORITHMS else "secret"
    if name not in data:
        return f"no {name}"
    if not data[name] or not data["key"]:
        return f"schema violation ({name if data['key'] else 'key'}: length must be at least 1)"
    found = public_key(data[name], algorithm) if algorithm in ALGORITHMS else b""
    return f"schema violation (rsa_public_key: invalid key): {found}" if isinstance(found, Misfit) else None


def credential(data: Mapping[str, bytes], salt: bytes) -> CredentialEntry:
    """Found by `key`, which is no secret: tokens name it."""
    del salt
    algorithm = _algorithm(data)
    if algorithm not in ALGORITHMS:
        return CredentialEntry(
            data["key"].decode(), key=SigningKey(algorithm, secret=b64encode(data["secret"]).decode())
        )
    found = public_key(data["rsa_public_key"], algorithm)
    if isinstance(found, Misfit):
        raise TypeError(str(found))
    return CredentialEntry(data["key"].decode(), key=SigningKey(algorithm, public=b64encode(found).decode()))


def _algorithm(data: Mapping[str, bytes]) -> str:
    return data.get("algorithm", b"").decode("utf-8", "replace") or "HS256"


PLUGIN: Final = Plugin(
    name="jwt",
    priority=1450,
    takes_consumer=False,
    schema=SCHEMA,
    credentials=CredentialType("jwt", credential, problem),
)
