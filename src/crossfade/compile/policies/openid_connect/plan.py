"""openid-connect for the policy module: what it needs to check tokens."""

from collections.abc import Iterator
from typing import Final

from crossfade.compile.policies.openid_connect.schema import NAMES, NAMES_OF_CLIENTS, SCHEMA
from crossfade.compile.policies.plugin import ModuleStep, Plugin, Step
from crossfade_kube.meta import JsonObject

_METHODS: Final = ("bearer",)


def plan(config: JsonObject) -> tuple[Step, ...]:
    told = {name: config[name] for name in NAMES}
    return (ModuleStep({**told, "auth_methods": _METHODS if told["auth_methods"] is None else told["auth_methods"]}),)


def warnings(config: JsonObject) -> tuple[str, ...]:
    return tuple(_warnings(config))


def _warnings(config: JsonObject) -> Iterator[str]:
    if config["auth_methods"] is None:
        yield "config.auth_methods: left out, it is [bearer]; Kong takes all its methods then"
    if not config["ssl_verify"] or not str(config["issuer"]).startswith("https://"):
        yield (
            "whoever stands between the gateway and the issuer can give it keys of their own: "
            "set config.ssl_verify to true and let config.issuer begin with https://"
        )
    unused = [name for name in NAMES_OF_CLIENTS if config[name] != SCHEMA.fields[name].default]
    if unused:
        yield f"config.{', config.'.join(unused)}: of no use to check bearer tokens"


PLUGIN: Final = Plugin(
    name="openid-connect",
    priority=1050,
    takes_consumer=False,
    schema=SCHEMA,
    plan=plan,
    warnings=warnings,
)
"""Before hmac-auth, acl and rate-limiting; behind the other authentication plugins (kong.md §4.2)."""
