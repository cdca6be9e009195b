"""openid-connect for the policy module: what it needs to know callers."""

from collections.abc import Iterator
from typing import Final

from crossfade.compile.policies.openid_connect.clients import is_for_browsers, methods_of, told_of_client
from crossfade.compile.policies.openid_connect.schema import (
    NAMES,
    NAMES_OF_BROWSERS,
    NAMES_OF_CLIENTS,
    SCHEMA,
    with_new_names,
)
from crossfade.compile.policies.plugin import ModuleStep, Plugin, Step
from crossfade_kube.meta import JsonObject


def plan(config: JsonObject) -> tuple[Step, ...]:
    methods = methods_of(config)
    told = {name: config[name] for name in NAMES} | {"auth_methods": methods}
    return (ModuleStep(told | told_of_client(config, methods)),)


def warnings(config: JsonObject) -> tuple[str, ...]:
    return tuple(_warnings(config))


def _warnings(config: JsonObject) -> Iterator[str]:
    methods = methods_of(config)
    if config["auth_methods"] is None:
        yield f"config.auth_methods: left out, it is [{', '.join(methods)}]; Kong takes all its methods then"
    if not config["ssl_verify"] or not str(config["issuer"]).startswith("https://"):
        yield (
            "whoever stands between the gateway and the issuer can give it keys of their own: "
            "set config.ssl_verify to true and let config.issuer begin with https://"
        )
    if methods == ("bearer",):
        yield from _unused(config, (*NAMES_OF_CLIENTS, *NAMES_OF_BROWSERS), "to check bearer tokens")
    elif is_for_browsers(methods):
        yield from _warnings_of_browsers(config, methods)
    else:
        yield from _unused(config, NAMES_OF_BROWSERS, "without authorization_code and session")


def _warnings_of_browsers(config: JsonObject, methods: tuple[str, ...]) -> Iterator[str]:
    if config["session_secret"] is None:
        yield (
            "without a secret sessions and sign-ins end with each start of Envoy, and no other gateway knows them: "
            "set config.session_secret"
        )
    if "session" not in methods:
        yield "config.auth_methods: without session browsers are sent to the issuer for each request"
    if "authorization_code" not in methods:
        yield "config.auth_methods: without authorization_code no session ever begins here"
    same_site = config["authorization_cookie_same_site"]
    if config["response_mode"] == "form_post" and same_site not in ("None", "Default"):
        yield (
            f"config.authorization_cookie_same_site: with {same_site} browsers do not send the cookie along with "
            "the issuer's form, so nobody can sign in: set it to None"
        )


def _unused(config: JsonObject, names: tuple[str, ...], why: str) -> Iterator[str]:
    unused = [name for name in names if config[name] != SCHEMA.fields[name].default]
    if unused:
        yield f"config.{', config.'.join(unused)}: of no use {why}"


PLUGIN: Final = Plugin(
    name="openid-connect",
    priority=1050,
    takes_consumer=False,
    schema=SCHEMA,
    plan=plan,
    modernised=with_new_names,
    warnings=warnings,
)
"""Before hmac-auth, acl and rate-limiting; behind the other authentication plugins (kong.md §4.2)."""
