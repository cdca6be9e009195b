"""mtls-auth for the policy module, and for Envoy, which asks clients for their certificates."""

from collections.abc import Mapping
from typing import Final

from crossfade.compile.policies.mtls_auth.schema import SCHEMA, uuid
from crossfade.compile.policies.plugin import (
    ClientCertificates,
    CredentialEntry,
    CredentialType,
    ModuleStep,
    Plugin,
    Step,
)
from crossfade_kube.meta import JsonObject

_OF_MODULE: Final = (
    "allow_partial_chain",
    "anonymous",
    "authenticated_group_by",
    "cert_cache_ttl",
    "consumer_by",
    "default_consumer",
    "http_proxy_host",
    "http_proxy_port",
    "http_timeout",
    "https_proxy_host",
    "https_proxy_port",
    "revocation_check_mode",
    "skip_consumer_lookup",
)


def plan(config: JsonObject) -> tuple[Step, ...]:
    ids = tuple(dict.fromkeys(one.lower() for one in config["ca_certificates"] or ()))
    return (
        ModuleStep({"authorities": [], **{name: config[name] for name in _OF_MODULE}}),
        ClientCertificates(ids, tells_authorities=bool(config["send_ca_dn"])),
    )


def problem(data: Mapping[str, bytes]) -> str | None:
    try:
        subject, authority = data["subject_name"].decode(), data.get("ca_certificate", b"").decode()
    except UnicodeDecodeError:
        return "its subject_name or ca_certificate is not UTF-8 text"
    if not subject:
        return "schema violation (subject_name: length must be at least 1)"
    if authority and (text := uuid(authority)):
        return f"schema violation (ca_certificate: {text})"
    return None


def credential(data: Mapping[str, bytes], salt: bytes) -> CredentialEntry:
    """A name is no secret. Before it stands the authority, if only one will do: no UUID has a `/`."""
    del salt
    return CredentialEntry(f"{data.get('ca_certificate', b'').decode().lower()}/{data['subject_name'].decode()}")


PLUGIN: Final = Plugin(
    name="mtls-auth",
    priority=1600,
    takes_consumer=False,
    schema=SCHEMA,
    plan=plan,
    credentials=CredentialType("mtls-auth", credential, problem),
)
"""Before all other authentication plugins (kong.md §4.2)."""
