"""The supported plugins, and the verdict on one plugin object: its steps, or why it is refused."""

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec
from msgspec import Struct

from crossfade.compile.policies.acl.plan import PLUGIN as ACL
from crossfade.compile.policies.acme.plan import PLUGIN as ACME
from crossfade.compile.policies.aws_lambda.plan import PLUGIN as AWS_LAMBDA
from crossfade.compile.policies.basic_auth.plan import PLUGIN as BASIC_AUTH
from crossfade.compile.policies.bot_detection.plan import PLUGIN as BOT_DETECTION
from crossfade.compile.policies.correlation_id.plan import PLUGIN as CORRELATION_ID
from crossfade.compile.policies.cors.plan import PLUGIN as CORS
from crossfade.compile.policies.datadog.plan import PLUGIN as DATADOG
from crossfade.compile.policies.file_log.plan import PLUGIN as FILE_LOG
from crossfade.compile.policies.grpc_gateway.plan import PLUGIN as GRPC_GATEWAY
from crossfade.compile.policies.grpc_web.plan import PLUGIN as GRPC_WEB
from crossfade.compile.policies.hmac_auth.plan import PLUGIN as HMAC_AUTH
from crossfade.compile.policies.http_log.plan import PLUGIN as HTTP_LOG
from crossfade.compile.policies.ip_restriction.plan import PLUGIN as IP_RESTRICTION
from crossfade.compile.policies.jwt.plan import PLUGIN as JWT
from crossfade.compile.policies.key_auth.plan import PLUGIN as KEY_AUTH
from crossfade.compile.policies.ldap_auth.plan import PLUGIN as LDAP_AUTH
from crossfade.compile.policies.loggly.plan import PLUGIN as LOGGLY
from crossfade.compile.policies.mtls_auth.plan import PLUGIN as MTLS_AUTH
from crossfade.compile.policies.oauth2.plan import PLUGIN as OAUTH2
from crossfade.compile.policies.openid_connect.plan import PLUGIN as OPENID_CONNECT
from crossfade.compile.policies.opentelemetry.plan import PLUGIN as OPENTELEMETRY
from crossfade.compile.policies.plugin import CredentialType, ModuleStep, Plugin, Step
from crossfade.compile.policies.post_function.plan import PLUGIN as POST_FUNCTION
from crossfade.compile.policies.pre_function.plan import PLUGIN as PRE_FUNCTION
from crossfade.compile.policies.prometheus.plan import PLUGIN as PROMETHEUS
from crossfade.compile.policies.proxy_cache.plan import PLUGIN as PROXY_CACHE
from crossfade.compile.policies.rate_limiting.plan import PLUGIN as RATE_LIMITING
from crossfade.compile.policies.redirect.plan import PLUGIN as REDIRECT
from crossfade.compile.policies.request_size_limiting.plan import PLUGIN as REQUEST_SIZE_LIMITING
from crossfade.compile.policies.request_termination.plan import PLUGIN as REQUEST_TERMINATION
from crossfade.compile.policies.request_transformer.plan import PLUGIN as REQUEST_TRANSFORMER
from crossfade.compile.policies.response_ratelimiting.plan import PLUGIN as RESPONSE_RATELIMITING
from crossfade.compile.policies.response_transformer.plan import PLUGIN as RESPONSE_TRANSFORMER
from crossfade.compile.policies.schema import ENTITY, Outcome, Problems, apply_schema, violation_text
from crossfade.compile.policies.session.plan import PLUGIN as SESSION
from crossfade.compile.policies.standard_webhooks.plan import PLUGIN as STANDARD_WEBHOOKS
from crossfade.compile.policies.statsd.plan import PLUGIN as STATSD
from crossfade.compile.policies.syslog.plan import PLUGIN as SYSLOG
from crossfade.compile.policies.tcp_log.plan import PLUGIN as TCP_LOG
from crossfade.compile.policies.udp_log.plan import PLUGIN as UDP_LOG
from crossfade.compile.policies.zipkin.plan import PLUGIN as ZIPKIN
from crossfade.policy_module import library

PLUGINS: Final[dict[str, Plugin]] = {
    plugin.name: plugin
    for plugin in (
        ACL,
        ACME,
        AWS_LAMBDA,
        BASIC_AUTH,
        BOT_DETECTION,
        CORRELATION_ID,
        CORS,
        DATADOG,
        FILE_LOG,
        GRPC_GATEWAY,
        GRPC_WEB,
        HMAC_AUTH,
        HTTP_LOG,
        IP_RESTRICTION,
        JWT,
        KEY_AUTH,
        LDAP_AUTH,
        LOGGLY,
        MTLS_AUTH,
        OAUTH2,
        OPENID_CONNECT,
        OPENTELEMETRY,
        POST_FUNCTION,
        PRE_FUNCTION,
        PROMETHEUS,
        PROXY_CACHE,
        RATE_LIMITING,
        REDIRECT,
        REQUEST_SIZE_LIMITING,
        REQUEST_TERMINATION,
        REQUEST_TRANSFORMER,
        RESPONSE_RATELIMITING,
        RESPONSE_TRANSFORMER,
        SESSION,
        STANDARD_WEBHOOKS,
        STATSD,
        SYSLOG,
        TCP_LOG,
        UDP_LOG,
        ZIPKIN,
    )
}
_HIGHEST: Final = 1_000_000
# Verdicts on longer configurations are not remembered.
_LONGEST: Final = 2048
_NO_ORDERING: Final = "remove ordering: plugins run in one fixed order, as in Kong's open-source gateway"
# The one order of all plugins, those of the policy module and those of Envoy alike: lower runs first. Kong gives no
# priority to two plugins (kong.md §4.2), so one more plugin moves no other.
ORDER: Final[dict[str, int]] = {name: _HIGHEST - plugin.priority for name, plugin in PLUGINS.items()}
RECORDERS: Final = tuple(sorted(name for name, plugin in PLUGINS.items() if plugin.writes_records))
"""Those that write records."""
CREDENTIAL_TYPES: Final[dict[str, CredentialType]] = {
    plugin.credentials.name: plugin.credentials for plugin in PLUGINS.values() if plugin.credentials is not None
}


class Accepted(Struct, frozen=True):
    plugin: Plugin
    steps: tuple[Step, ...]
    warnings: tuple[str, ...] = ()


class Refused(Struct, frozen=True):
    """`reason` reads as Kong's own refusal and may say all; `field` is a JSON path in the plugin object."""

    reason: str
    hint: str
    field: str
    is_schema_violation: bool


def judge_plugin(
    name: str, config: Mapping[str, Any], protocols: Iterable[str] = (), ordering: Mapping[str, Any] | None = None
) -> Accepted | Refused:
    """Decides on a plugin object by what it says, wherever it is attached.

    Any `ordering` is refused: what runs before what is part of a policy.
    """
    protocols = tuple(protocols)
    try:
        text = json.dumps([config, protocols, ordering])
    except (TypeError, ValueError, RecursionError):
        return _judged(name, config, protocols, ordering)
    return _judged_before(name, text) if len(text) <= _LONGEST else _judged(name, config, protocols, ordering)


@lru_cache(maxsize=4096)
def _judged_before(name: str, text: str) -> Accepted | Refused:
    """Many consumers' plugins say the same, and each object is judged when it is admitted and when it is compiled."""
    config, protocols, ordering = json.loads(text)
    return _judged(name, config, tuple(protocols), ordering)


def _judged(
    name: str, config: Mapping[str, Any], protocols: tuple[str, ...], ordering: Mapping[str, Any] | None
) -> Accepted | Refused:
    outcome = _by_schema(name, config, protocols, ordering)
    if isinstance(outcome, Refused):
        return outcome
    plugin = PLUGINS[name]
    steps = plugin.plan(outcome.config)
    for step in steps:
        problem = module_problem(name, step) if isinstance(step, ModuleStep) else None
        if problem is not None:
            return Refused(problem, f"correct the configuration of {name}", "config", is_schema_violation=True)
    return Accepted(plugin, steps, (*plugin.deprecations(config), *plugin.warnings(outcome.config)))


def judge_by_schema(
    name: str, config: Mapping[str, Any], protocols: Iterable[str] = (), ordering: Mapping[str, Any] | None = None
) -> Refused | None:
    """What can be said of a configuration while its references are not resolved; None if nothing is wrong with it."""
    outcome = _by_schema(name, config, tuple(protocols), ordering)
    return outcome if isinstance(outcome, Refused) else None


def _by_schema(
    name: str, config: Mapping[str, Any], protocols: tuple[str, ...], ordering: Mapping[str, Any] | None
) -> Outcome | Refused:
    plugin = PLUGINS.get(name)
    if plugin is None:
        return Refused(
            f"plugin '{name}' not enabled; add it to the 'plugins' configuration property",
            f"this gateway supports the plugins {', '.join(sorted(PLUGINS))}",
            "plugin",
            is_schema_violation=False,
        )
    outcome = apply_schema(plugin.schema, plugin.modernised(config))
    problems: Problems = {"config": outcome.problems} if outcome.problems else {}
    foreign = {
        str(index): f"expected one of: {', '.join(plugin.protocols)}"
        for index, protocol in enumerate(protocols, 1)
        if protocol not in plugin.protocols
    }
    if foreign:
        problems["protocols"] = foreign
    if ordering is not None:
        problems["ordering"] = "unknown field"
    if problems:
        hint = _known_fields(name, outcome) or (_NO_ORDERING if ordering is not None else "")
        return Refused(violation_text(problems), hint, _first_path(problems), is_schema_violation=True)
    return outcome


def module_problem(name: str, step: ModuleStep) -> str | None:
    """The policy module has the last word on what it is to run."""
    try:
        raw = msgspec.json.encode({"id": "", "plugin": name, "config": step.config}).decode()
    except (msgspec.MsgspecError, UnicodeError, ValueError, OverflowError) as error:
        return f"the configuration cannot be written as JSON: {error}"
    return library.problem("instance", raw)


def _known_fields(name: str, outcome: Outcome) -> str:
    """What to write in place of a field that the plugin does not have."""
    if "unknown field" not in outcome.problems.values():
        return ""
    return f"the fields of {name} are {', '.join(sorted(outcome.config))}"


def _first_path(problems: Mapping[str, Any]) -> str:
    path = []
    level: Any = problems
    while isinstance(level, dict) and level:
        name = min(level)
        if name == ENTITY:
            break
        path.append(name)
        level = level[name]
    return ".".join(path)
