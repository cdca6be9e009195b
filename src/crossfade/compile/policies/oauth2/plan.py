"""oauth2 for the policy module: its configuration as it stands, and applications with their secrets as digests."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from crossfade.compile.policies.digest import digest
from crossfade.compile.policies.oauth2.schema import SCHEMA
from crossfade.compile.policies.plugin import (
    CredentialEntry,
    CredentialType,
    ModuleStep,
    OAuthClient,
    Plugin,
    Step,
)
from crossfade_kube.meta import JsonObject

_TYPES: Final = ("confidential", "public")


def problem(data: Mapping[str, bytes]) -> str | None:
    client_type = _text(data, "client_type") or "confidential"
    if client_type not in _TYPES:
        return f"schema violation (client_type: expected one of: {', '.join(_TYPES)})"
    required = ("client_id", "name", *(("client_secret",) if client_type == "confidential" else ()))
    for name in required:
        if name not in data:
            return f"no {name}"
        if not data[name]:
            return f"schema violation ({name}: length must be at least 1)"
    try:
        data["client_id"].decode()
    except UnicodeDecodeError:
        return "its client_id is not UTF-8 text"
    return next(filter(None, map(_uri_problem, _redirect_uris(data) or ())), None)


def _uri_problem(uri: str) -> str | None:
    """Kong's own check."""
    try:
        parsed = urlsplit(uri)
    except ValueError:
        return f"schema violation (redirect_uris: cannot parse {uri!r})"
    if not parsed.scheme or not parsed.netloc:
        return f"schema violation (redirect_uris: cannot parse {uri!r})"
    return f"schema violation (redirect_uris: fragment not allowed in {uri!r})" if "#" in uri else None


def credential(data: Mapping[str, bytes], salt: bytes) -> CredentialEntry:
    """Found by the client's id, whose length goes into the digest too, so that no two clients have the same one."""
    client_id = data["client_id"]
    shown = len(client_id).to_bytes(8, "big") + client_id + data.get("client_secret", b"")
    client = OAuthClient(_redirect_uris(data), is_public=_text(data, "client_type") == "public")
    return CredentialEntry(client_id.decode(), digest(salt, shown), client=client)


def _redirect_uris(data: Mapping[str, bytes]) -> tuple[str, ...] | None:
    uris = _text(data, "redirect_uris")
    return tuple(uris.split(",")) if uris else None


def _text(data: Mapping[str, bytes], name: str) -> str:
    return data.get(name, b"").decode("utf-8", "replace")


def plan(config: JsonObject) -> tuple[Step, ...]:
    return (ModuleStep({name: value for name, value in config.items() if name != "enable_authorization_code"}),)


def warnings(config: JsonObject) -> tuple[str, ...]:
    if config["provision_key"] is not None:
        return ()
    return ("without a provision_key tokens end with each start of Envoy, and no other gateway knows them",)


PLUGIN: Final = Plugin(
    name="oauth2",
    priority=1400,
    takes_consumer=False,
    schema=SCHEMA,
    plan=plan,
    warnings=warnings,
    credentials=CredentialType("oauth2", credential, problem),
)
