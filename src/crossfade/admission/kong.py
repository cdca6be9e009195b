"""Validation of Kong's kinds: pure verdicts with the texts of Kong's own webhook (kong.md §1.10).

What Kong 3 dropped and this gateway still honours (KongIngress, `kongCredType`) is allowed, with a warning at most.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from msgspec import Struct

from crossfade.admission.kong_credentials import credential_problem, is_referenced
from crossfade.admission.review import AdmissionAnswer, AdmissionRequest
from crossfade.api.kong.consumer import KongConsumer
from crossfade.api.kong.credentials import CREDENTIAL_LABEL
from crossfade.api.kong.ingress import KongIngress
from crossfade.api.kong.plugin import AnyKongPlugin, KongClusterPlugin, KongPlugin
from crossfade.api.kong.upstream_policy import KongUpstreamPolicy
from crossfade.api.kong.vault import KongVault
from crossfade.compile.gateway.annotations import OVERRIDE, list_of
from crossfade.compile.gateway.classes import ClassFilter
from crossfade.compile.gateway.plugin_config import ConfigError, plugin_config, secrets_of
from crossfade.compile.gateway.plugin_fields import unheeded_fields
from crossfade.compile.gateway.upstream_sources import policy_problems
from crossfade.compile.gateway.vaults import vault_problem
from crossfade.compile.policies.plugin import HTTP_PROTOCOLS
from crossfade.compile.policies.references import references_in
from crossfade.compile.policies.registry import Refused, judge_by_schema, judge_plugin
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core.ingress import Ingress
from crossfade_kube.core.secret import Secret
from crossfade_kube.core.service import Service
from crossfade_kube.meta import JsonObject, NamespacedName
from crossfade_kube.registry import DecodeError, TypedObject, decode

if TYPE_CHECKING:
    from crossfade.admission.server import Handler

EMPTY: Final = Snapshot(0, {})
_PROTOCOLS: Final = ("http", "https", "grpc", "grpcs", "tcp", "tls", "tls_passthrough", "ws", "wss")
# Of Kong's webhook, whose answers have no reason.
_DENIED: Final = 400
_VALIDATE_LABEL: Final = "konghq.com/validate"
_UNLOADABLE: Final = "could not load secret plugin configuration"
_OVERRIDE: Final = (
    "konghq.com/override is deprecated and will be removed in a future release. Use Service annotations for the 'proxy'"
    " section and konghq.com/upstream-policy with a KongUpstreamPolicy resource instead."
)
_DROPPED: Final = "Support for '{0}' was removed in 3.0. This gateway still applies it; Kong 3 has {1} annotations."
_DEPRECATED: Final = (
    "'upstream' is DEPRECATED and will be removed in a future version. Use a KongUpstreamPolicy resource instead."
)
# Kinds of Kong that this gateway takes and does not read, with what their author should know.
WITHOUT_EFFECT: Final[Mapping[str, str]] = {
    "KongCustomEntity": "the entity is not created",
    "KongLicense": "no feature depends on a license",
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


def kong_handlers(snapshot: Callable[[], Snapshot], ingress_class: str) -> "dict[str, Handler]":
    """For the admission server: one path for all kinds, as Kong has it; `snapshot` gives what is known now.

    Objects of other classes are another controller's to judge.
    """

    async def handle(request: AdmissionRequest) -> AdmissionAnswer:
        if request.operation not in ("CREATE", "UPDATE"):
            return AdmissionAnswer()
        known = snapshot()
        verdict = verdict_on(request.object, request.old_object, known, ClassFilter(known, ingress_class))
        return AdmissionAnswer(denial=verdict.denial, code=_DENIED, warnings=verdict.warnings)

    return {"/": handle}


def verdict_on(
    obj: JsonObject, old: JsonObject, snapshot: Snapshot = EMPTY, classes: ClassFilter | None = None
) -> Verdict:
    """On an object as it is to be stored; `old` is empty for a new one. Foreign kinds are allowed.

    With `classes` those of other classes are allowed too.
    """
    name = str(obj.get("kind"))
    rule = _RULES.get(name)
    if rule is None:
        effect = WITHOUT_EFFECT.get(name)
        return Verdict(warnings=(f"{name} has no effect in this gateway: {effect}",) if effect else ())
    kind, _ = rule
    try:
        item = decode(obj, kind)
    except DecodeError as error:
        return Verdict((Problem(error.problem, error.field),))
    return Verdict() if classes is not None and _is_foreign(item, classes) else verdict_on_item(item, old, snapshot)


def _is_foreign(item: TypedObject, classes: ClassFilter) -> bool:
    if isinstance(item, Ingress):
        return not classes.takes_ingress(item)
    return isinstance(item, KongConsumer | KongVault) and not classes.takes(item.metadata)


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
    return Verdict(warnings=(f"{_UNLOADABLE}: {error}",))


def _consumer(consumer: KongConsumer, old: JsonObject, snapshot: Snapshot) -> Verdict:
    if not consumer.username and not consumer.custom_id:
        return Verdict((Problem("Need to provide either username or custom_id", "username"),))
    if old and old.get("username") == consumer.username:
        return Verdict(warnings=_missing(consumer, snapshot))
    others = (item for item in snapshot.all(KongConsumer) if item.metadata.key != consumer.metadata.key)
    if consumer.username and any(item.username == consumer.username for item in others):
        return Verdict((Problem("consumer already exists", "username"),))
    own = {NamespacedName(consumer.metadata.namespace, name) for name in consumer.credentials}
    for index, name in enumerate(consumer.credentials):
        secret = snapshot.get(Secret, consumer.metadata.namespace, name)
        problem = credential_problem(secret, snapshot, own) if secret is not None else None
        if problem is not None:
            text = f"consumer credential failed validation: {problem}"
            return Verdict((Problem(text, f"credentials[{index}]", f"correct the Secret {name}"),))
    return Verdict(warnings=_missing(consumer, snapshot))


def _missing(consumer: KongConsumer, snapshot: Snapshot) -> tuple[str, ...]:
    """Kong refuses these; in an unordered `kubectl apply -f DIR` the Secret often comes second."""
    absent = (name for name in consumer.credentials if snapshot.get(Secret, consumer.metadata.namespace, name) is None)
    return tuple(f"consumer referenced non-existent credentials secret: {name}" for name in absent)


def _secret(secret: Secret, old: JsonObject, snapshot: Snapshot) -> Verdict:
    del old
    labels = secret.metadata.labels
    if CREDENTIAL_LABEL in labels:
        own = {secret.metadata.key} if is_referenced(secret, snapshot) else None
        problem = credential_problem(secret, snapshot, own)
        if problem is not None:
            return Verdict((Problem(f"consumer credential failed validation: {problem}", "data"),))
    return _plugin_secret(secret, snapshot) if labels.get(_VALIDATE_LABEL) == "plugin" else Verdict()


def _plugin_secret(secret: Secret, snapshot: Snapshot) -> Verdict:
    """A Secret that plugins take their configuration from: each of them must still have a right one."""
    after = snapshot.with_changes([secret], [])
    plugins: tuple[AnyKongPlugin, ...] = (*snapshot.all(KongPlugin), *snapshot.all(KongClusterPlugin))
    for plugin in plugins:
        if not any(one is not None and one.metadata.key == secret.metadata.key for one in secrets_of(plugin, after)):
            continue
        verdict = _plugin(plugin, {}, after)
        problem = verdict.denial or next((text for text in verdict.warnings if text.startswith(_UNLOADABLE)), "")
        if problem:
            name = f"{plugin.RESOURCE.kind} {plugin.metadata.key}"
            return Verdict((Problem(f"Change on secret will generate invalid configuration for {name}: {problem}"),))
    return Verdict()


def _service(service: Service, old: JsonObject, snapshot: Snapshot) -> Verdict:
    del old, snapshot
    return Verdict(warnings=(_OVERRIDE,) if OVERRIDE in service.metadata.annotations else ())


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
    "Service": (Service, _service),
}
