"""acme: the policy module answers challenges, the control plane asks for the certificates."""

from collections.abc import Iterator
from typing import Final

from crossfade.compile.policies.acme.schema import SCHEMA
from crossfade.compile.policies.plugin import Errand, ModuleStep, Plugin, Step
from crossfade_kube.meta import JsonObject

_OF_MODULE: Final = ("domains", "allow_any_domain", "enable_ipv4_common_name")
_OF_ERRAND: Final = (
    *_OF_MODULE,
    "account_email",
    "account_key",
    "api_uri",
    "tos_accepted",
    "eab_kid",
    "eab_hmac_key",
    "cert_type",
    "rsa_key_size",
    "renew_threshold_days",
    "fail_backoff_minutes",
    "preferred_chain",
)


def plan(config: JsonObject) -> tuple[Step, ...]:
    in_module = {name: config[name] for name in _OF_MODULE}
    return (ModuleStep(in_module), Errand({name: config[name] for name in _OF_ERRAND}))


def warnings(config: JsonObject) -> tuple[str, ...]:
    return tuple(_warnings(config))


def _warnings(config: JsonObject) -> Iterator[str]:
    if not config["tos_accepted"]:
        yield (
            "config.tos_accepted: no account is made with an authority that has terms of service; Kong agrees to them "
            "whatever this says"
        )
    if not config["domains"] and not config["allow_any_domain"]:
        yield "config.domains: without domains, and without allow_any_domain, no certificate is asked for"
    never = [name for name in config["domains"] or () if name.endswith(".*") or ":" in name]
    if never:
        yield f"config.domains: {', '.join(never)} fits no host: a wildcard stands first, and there is no port"
    if config["storage_config"] is not None:
        yield "config.storage_config: without effect, the gateway has a store of its own"


PLUGIN: Final = Plugin(
    name="acme",
    priority=1705,
    takes_consumer=False,
    schema=SCHEMA,
    plan=plan,
    warnings=warnings,
    is_global_only=True,
)
"""Before all authentication, which would keep the authority from reading its challenge (kong.md §4.2)."""
