"""Validation of Kong's kinds: pure verdicts with the texts of Kong's own webhook (kong.md §1.10).

What Kong 3 dropped and this gateway still honours (KongIngress, `kongCredType`) is allowed, with a warning at most.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from msgspec import Struct

from crossfade.admission.review import AdmissionAnswer, AdmissionRequest
from crossfade.api.kong.consumer import KongConsumer
from crossfade.api.kong.credentials import (
    CREDENTIAL_KINDS,
    CREDENTIAL_LABEL,
    credential_type,
    empty_fields,
    missing_fields,
)
from crossfade.api.kong.ingress import KongIngress
from crossfade.api.kong.plugin import AnyKongPlugin, KongClusterPlugin, KongPlugin
from crossfade.api.kong.upstream_policy import KongUpstreamPolicy
from crossfade.api.kong.vault import KongVault
from crossfade.compile.gateway.annotations import list_of
from crossfade.compile.gateway.plugin_config import ConfigError, plugin_config
from crossfade.compile.gateway.plugin_fields import unheeded_fields
from crossfade.compile.gateway.upstream_sources import policy_problems
from crossfade.compile.gateway.vaults import vault_problem
from crossfade.compile.policies.plugin import HTTP_PROTOCOLS
from crossfade.compile.policies.references import references_in
from crossfade.compile.policies.registry import Refused, judge_by_schema, judge_plugin
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core.ingress import Ingress
from crossfade_kube.core.secret import Secret
from crossfade_kube.meta import JsonObject
from crossfade_kube.registry import DecodeError, TypedObject, decode

if TYPE_CHECKING:
    from crossfade.admission.server import Handler

EMPTY: Final = Snapshot(0, {})
_PROTOCOLS: Final = ("http", "https", "grpc", "grpcs", "tcp", "tls", "tls_passthrough", "ws", "wss")
_DROPPED: Final = "Support for '{0}' was removed in 3.0. This gateway still applies it; Kong 3 has {1} annotations."
_DEPRECATED: Final = (
    "'upstream' is DEPRECATED and will be removed in a future version. Use a KongUpstreamPolicy resource instead."
)
# Kinds of Kong that this gateway takes and does not read, with what their author should know.
WITHOUT_EFFECT: Final[Mapping[str, str]] = {
    "KongCustomEntity": "the entity is not created",
    "KongLicense": "no feature depends on a license",
    "KongServiceFacade": "a path whose backend it is matches no request; name a Service",
    "TCPIngress": "no TCP or TLS connection is routed",
    "UDPIngress": "no UDP traffic is routed",
}


class Problem(Struct, frozen=True):
    """`field` is a JSON path in the object, empty for all of it."""

    message: str
    field: str = ""
    hint: str = ""


class Verdict(Struct, frozen=True):
    """Allowed unless there are problems."""

    problems: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def denial(self) -> str:
        """All on one line, as kubectl shows it."""
        return "; ".join(
            f"{problem.message}; {problem.hint}" if problem.hint else problem.message for problem in self.problems
        )


def kong_handlers(snapshot: Callable[[], Snapshot]) -> "dict[str, Handler]":
    """For the admission server: one path for all kinds, as Kong has it; `snapshot` gives what is known now."""

    async def handle(request: AdmissionRequest) -> AdmissionAnswer:
        if request.operation not in ("CREATE", "UPDATE"):
            return AdmissionAnswer()
        verdict = verdict_on(request.object, request.old_object, snapshot())
        return AdmissionAnswer(denial=verdict.denial, warnings=verdict.warnings)

    return {"/": handle}


def verdict_on(obj: JsonObject, old: JsonObject, snapshot: Snapshot = EMPTY) -> Verdict:
    """On an object as it is to be stored; `old` is empty for a new one. Foreign kinds are allowed."""
    name = str(obj.get("kind"))
    rule = _RULES.get(name)
    if rule is None:
        effect = WITHOUT_EFFECT.get(name)
        return Verdict(warnings=(f"{name} has no effect in this gateway: {effect}",) if effect else ())
    kind, _ = rule
    try:
        return verdict_on_item(decode(obj, kind), old, snapshot)
    except DecodeError as error:
        return Verdict((Problem(error.problem, error.field),))


def verdict_on_item(item: TypedObject, old: JsonObject, snapshot: Snapshot = EMPTY) -> Verdict:
    """As `verdict_on`, on what has been read already."""
    rule = _RULES.get(item.RESOURCE.kind)
    return Verdict() if rule is None else rule[1](item, old, snapshot)


def _plugin(plugin: AnyKongPlugin, old: JsonObject, snapshot: Snapshot) -> Verdict:
    if old and old.get("plugin") != plugin.plugin:
        return Verdict((Problem("The plugin field is immutable", "plugin"),))
    if not plugin.plugin:
        return Verdict((Problem("plugin name cannot be empty", "plugin"),))
    try:
        config = plugin_config(plugin, snapshot)
    except ConfigError as error:
        return _secret_trouble(plugin, error)
    # What references stand for is not looked up here: it may come later, and no answer may quote it.
    has_references = next(references_in(config), None) is not None
    judge = judge_by_schema if has_references else judge_plugin
    verdict = judge(plugin.plugin, config, plugin.protocols, plugin.ordering)
    if isinstance(verdict, Refused):
        return Verdict((Problem(f"plugin failed schema validation: {verdict.reason}", verdict.field, verdict.hint),))
    warnings = verdict.warnings if verdict is not None else ()
    return Verdict(warnings=(*warnings, *map(str, unheeded_fields(plugin))))


def _secret_trouble(plugin: AnyKongPlugin, error: ConfigError) -> Verdict:
    """A Secret may be created after the plugin: its absence is no reason for a denial."""
    if plugin.config is not None and plugin.config_from is not None:
        return Verdict((Problem(str(error), "configFrom"),))
    if plugin.config_from is None and not plugin.config_patches:
        return Verdict((Problem(str(error), "config"),))
    return Verdict(warnings=(f"could not load secret plugin configuration: {error}",))


def _consumer(consumer: KongConsumer, old: JsonObject, snapshot: Snapshot) -> Verdict:
    if not consumer.username and not consumer.custom_id:
        return Verdict((Problem("Need to provide either username or custom_id", "username"),))
    if old.get("username") != consumer.username:
        others = (item for item in snapshot.all(KongConsumer) if item.metadata.key != consumer.metadata.key)
        if consumer.username and any(item.username == consumer.username for item in others):
            return Verdict((Problem("consumer already exists", "username"),))
    missing = [name for name in consumer.credentials if snapshot.get(Secret, consumer.metadata.namespace, name) is None]
    # Kong refuses these; in an unordered `kubectl apply -f DIR` the Secret often comes second.
    return Verdict(warnings=tuple(f"consumer referenced non-existent credentials secret: {name}" for name in missing))


def _secret(secret: Secret, old: JsonObject, snapshot: Snapshot) -> Verdict:
    del old
    if CREDENTIAL_LABEL not in secret.metadata.labels:
        return Verdict()
    problem = _credential_problem(secret, snapshot)
    return Verdict((Problem(f"consumer credential failed validation: {problem}", "data"),)) if problem else Verdict()


def _credential_problem(secret: Secret, snapshot: Snapshot) -> str | None:
    declared = credential_type(secret.metadata.labels, secret.data)
    if declared is None:
        return "secret has no credential type, add a konghq.com/credential label"
    kind = CREDENTIAL_KINDS.get(declared)
    if kind is None:
        return f"invalid credential type {declared}"
    if missing := missing_fields(kind, secret.data):
        return f"missing required field(s): {', '.join(missing)}"
    if empty := empty_fields(kind, secret.data):
        return f"some fields were invalid due to missing data: {', '.join(empty)}"
    if kind.unique and any(_same_value(secret, other, declared, kind.unique) for other in snapshot.all(Secret)):
        return f"unique key constraint violated for {kind.unique}"
    return None


def _same_value(secret: Secret, other: Secret, declared: str, field: str) -> bool:
    return (
        other.metadata.key != secret.metadata.key
        and credential_type(other.metadata.labels, other.data) == declared
        and other.data.get(field) == secret.data[field]
    )


def _ingress(ingress: Ingress, old: JsonObject, snapshot: Snapshot) -> Verdict:
    del old, snapshot
    foreign = [
        protocol
        for protocol in list_of(ingress.metadata.annotations, "konghq.com/protocols")
        if protocol not in _PROTOCOLS
    ]
    field = "metadata.annotations[konghq.com/protocols]"
    text = "Ingress has invalid Kong annotations: invalid konghq.com/protocols value: {0}"
    return Verdict(tuple(Problem(text.format(item), field, f"use {', '.join(HTTP_PROTOCOLS)}") for item in foreign))


def _kong_ingress(item: KongIngress, old: JsonObject, snapshot: Snapshot) -> Verdict:
    """Never a denial: manifests for Kong 1.0 must pass (kong.md C1)."""
    del old, snapshot
    return Verdict(warnings=tuple(_kong_ingress_warnings(item)))


def _kong_ingress_warnings(item: KongIngress) -> Iterator[str]:
    if item.proxy is not None:
        yield _DROPPED.format("proxy", "Service")
    if item.route is not None:
        yield _DROPPED.format("route", "Ingress")
    if item.upstream is not None:
        yield _DEPRECATED


def _upstream_policy(policy: KongUpstreamPolicy, old: JsonObject, snapshot: Snapshot) -> Verdict:
    """The definition's rules, for who has no API server to keep them."""
    del old, snapshot
    return Verdict(tuple(Problem(text, field) for field, text in policy_problems(policy.spec)))


def _vault(vault: KongVault, old: JsonObject, snapshot: Snapshot) -> Verdict:
    del old
    problem = vault_problem(vault.spec)
    if problem is not None:
        return Verdict((Problem(f"vault configuration in invalid: {problem.message}", problem.field, problem.hint),))
    for other in snapshot.all(KongVault):
        if other.metadata.name != vault.metadata.name and other.spec.prefix == vault.spec.prefix:
            text = f'spec.prefix "{vault.spec.prefix}" is duplicate with existing KongVault "{other.metadata.name}"'
            return Verdict((Problem(text, "spec.prefix", "choose another prefix"),))
    return Verdict()


_Check: TypeAlias = Callable[[Any, JsonObject, Snapshot], Verdict]
_RULES: Final[Mapping[str, tuple[type[TypedObject], _Check]]] = {
    "KongPlugin": (KongPlugin, _plugin),
    "KongClusterPlugin": (KongClusterPlugin, _plugin),
    "KongConsumer": (KongConsumer, _consumer),
    "KongIngress": (KongIngress, _kong_ingress),
    "KongUpstreamPolicy": (KongUpstreamPolicy, _upstream_policy),
    "KongVault": (KongVault, _vault),
    "Secret": (Secret, _secret),
    "Ingress": (Ingress, _ingress),
}
