"""What users see of the compile's verdicts: conditions, Events, the Ingresses' addresses (kong.md §1.1, §1.9)."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Final, TypeAlias

from msgspec import Struct, to_builtins

from crossfade.api.appmesh import VirtualNode
from crossfade.api.gateway_api.reference_grant import ReferenceGrant
from crossfade.api.kong.class_parameters import IngressClassParameters
from crossfade.api.kong.consumer import KongConsumer, KongConsumerGroup
from crossfade.api.kong.custom_entity import KongCustomEntity
from crossfade.api.kong.ingress import KongIngress
from crossfade.api.kong.plugin import KongClusterPlugin, KongPlugin
from crossfade.api.kong.service_facade import KongServiceFacade
from crossfade.api.kong.stream_ingress import StreamIngress, TcpIngress, UdpIngress
from crossfade.api.kong.upstream_policy import KongUpstreamPolicy
from crossfade.api.kong.vault import KongVault
from crossfade.compile.diagnostics import Diagnostic, Diagnostics, Severity
from crossfade.compile.gateway.classes import ClassFilter
from crossfade.compile.gateway.custom_entities import is_ours as is_our_entity
from crossfade.status.change import News, ObjectChange
from crossfade.status.decisions import KindDecisions
from crossfade.status.ownership import Ownership
from crossfade.status.upstream_policies import PolicyDecisions
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core.config_map import ConfigMap
from crossfade_kube.core.endpoint_slice import EndpointSlice
from crossfade_kube.core.ingress import Ingress, IngressClass
from crossfade_kube.core.secret import Secret
from crossfade_kube.core.service import LoadBalancerIngress, Service
from crossfade_kube.meta import Condition, JsonObject, NamespacedName, ObjectRef, Resource
from crossfade_kube.registry import TypedObject, typed_ref

WithConditions: TypeAlias = (
    KongPlugin | KongClusterPlugin | KongConsumer | KongConsumerGroup | KongVault | KongCustomEntity | KongServiceFacade
)
_WITH_CONDITIONS: Final[tuple[type[WithConditions], ...]] = (
    KongPlugin,
    KongClusterPlugin,
    KongConsumer,
    KongConsumerGroup,
    KongVault,
    KongCustomEntity,
    KongServiceFacade,
)
_Verdicts: TypeAlias = Mapping[ObjectRef, tuple[Diagnostic, ...]]

TRANSLATION_FAILED: Final = "KongConfigurationTranslationFailed"
PROGRAMMED: Final = "Programmed"
CREDENTIALS_VALID: Final = "CredentialSecretRefsValid"
_PROGRAMMED_TEXT: Final = "Object was successfully configured in Kong."
_INVALID_TEXT: Final = "Object failed to be configured in Kong - see its attached Events for more information."
# Troubles of a part, in spite of which the object itself is in use.
_PARTIAL: Final = frozenset(
    {"consumer.credential", "consumer.plugin-without-consumer", "consumer-group.plugin-without-consumer"}
)
_RESOURCES: Final[dict[str, Resource]] = {
    kind.RESOURCE.kind: kind.RESOURCE
    for kind in (
        Ingress,
        IngressClass,
        IngressClassParameters,
        Service,
        Secret,
        ConfigMap,
        EndpointSlice,
        KongIngress,
        KongUpstreamPolicy,
        KongServiceFacade,
        TcpIngress,
        UdpIngress,
        KongPlugin,
        KongClusterPlugin,
        KongConsumer,
        KongConsumerGroup,
        KongVault,
        KongCustomEntity,
        ReferenceGrant,
        VirtualNode,
    )
}


class StatusInput(Struct, frozen=True):
    """`publish_service` is the gateway's own Service, whose addresses the Ingresses of all kinds show."""

    snapshot: Snapshot
    diagnostics: Diagnostics
    ingress_class: str
    publish_service: NamespacedName | None


class StatusDecider:
    """Decides on one input after the other; objects that did not change in between get the very same decision."""

    def __init__(self) -> None:
        self._conditions: dict[type[WithConditions], KindDecisions[WithConditions]] = {
            kind: KindDecisions() for kind in _WITH_CONDITIONS
        }
        self._addresses: KindDecisions[Ingress] = KindDecisions()
        self._stream_addresses: dict[type[TcpIngress | UdpIngress], KindDecisions[StreamIngress]] = {
            kind: KindDecisions() for kind in (TcpIngress, UdpIngress)
        }
        self._policies = PolicyDecisions()
        self._news: dict[ObjectRef, ObjectChange] = {}
        self._by_ref: _Verdicts = {}
        # Plugins that are other gateways' as it seems; asked about again each time.
        self._left: set[NamespacedName] = set()
        self._ownership: Ownership

    def decide(self, given: StatusInput, *, now: datetime) -> list[ObjectChange]:
        """All that has to be written; nothing for objects that already say it."""
        before, self._by_ref = self._by_ref, given.diagnostics.by_ref()
        judged = _differences(before, self._by_ref)
        classes = ClassFilter(given.snapshot, given.ingress_class)
        our_class = (given.ingress_class, given.snapshot.get(IngressClass, "", given.ingress_class))
        changes: list[ObjectChange] = []
        self._ownership = Ownership(given.snapshot, classes)
        self._left = {name for name in self._left if given.snapshot.get(KongPlugin, *name) is not None}
        for kind in _WITH_CONDITIONS:
            changes += self._decide_conditions(kind, given.snapshot, classes, our_class, judged, now)
        changes += self._policies.decide(given.snapshot, self._ownership, our_class, self._by_ref, judged, now)
        changes += self._decide_news(judged)
        changes += self._decide_addresses(given, classes, our_class)
        return changes

    def _decide_conditions(
        self,
        kind: type[WithConditions],
        snapshot: Snapshot,
        classes: ClassFilter,
        our_class: object,
        judged: Iterable[ObjectRef],
        now: datetime,
    ) -> list[ObjectChange]:
        def decide(item: WithConditions) -> ObjectChange | None:
            if not _is_ours(item, classes):
                return None
            ref = typed_ref(item)
            change = _condition_change(item, ref, self._by_ref.get(ref, ()), now)
            return None if change is None or self._leaves(item) else change

        names = {(ref.namespace, ref.name) for ref in judged if ref.kind == kind.RESOURCE.kind}
        found = (snapshot.get(kind, *name) for name in names.union(self._left if kind is KongPlugin else ()))
        touched = [item for item in found if item is not None]
        return self._conditions[kind].on(snapshot.all(kind), decide, circumstances=our_class, touched=touched)

    def _leaves(self, item: WithConditions) -> bool:
        """To the gateways that it is for."""
        if not isinstance(item, KongPlugin):
            return False
        is_left = item.metadata.key in self._ownership.foreign_plugins
        (self._left.add if is_left else self._left.discard)(item.metadata.key)
        return is_left

    def _decide_news(self, judged: Iterable[ObjectRef]) -> Iterable[ObjectChange]:
        for ref in judged:
            if ref in self._by_ref and ref.kind in _RESOURCES:
                self._news[ref] = _news_change(ref, self._by_ref[ref])
            else:
                self._news.pop(ref, None)
        return self._news.values()

    def _decide_addresses(self, given: StatusInput, classes: ClassFilter, our_class: object) -> list[ObjectChange]:
        service = given.snapshot.get(Service, *given.publish_service) if given.publish_service else None
        if service is None:
            return []
        wanted = tuple(_published(service))

        def decide(ingress: Ingress) -> ObjectChange | None:
            return _address_change(ingress, wanted) if classes.takes_ingress(ingress) else None

        def decide_stream(item: StreamIngress) -> ObjectChange | None:
            return _address_change(item, wanted) if classes.takes(item.metadata) else None

        circumstances = (our_class, wanted)
        found = list(self._addresses.on(given.snapshot.all(Ingress), decide, circumstances=circumstances))
        for kind, decisions in self._stream_addresses.items():
            found += decisions.on(given.snapshot.all(kind), decide_stream, circumstances=circumstances)
        return found


def _is_ours(item: WithConditions, classes: ClassFilter) -> bool:
    if isinstance(item, KongCustomEntity):
        return is_our_entity(item, classes)
    return isinstance(item, KongPlugin) or classes.takes(item.metadata)


def _differences(before: _Verdicts, after: _Verdicts) -> list[ObjectRef]:
    """The objects of which something else is said now, ordered."""
    gone = before.keys() - after.keys()
    return sorted(gone.union(ref for ref, said in after.items() if before.get(ref) != said))


def _condition_change(
    item: WithConditions, ref: ObjectRef, diagnostics: Iterable[Diagnostic], now: datetime
) -> ObjectChange | None:
    wanted = _conditions(item, diagnostics, now)
    known = item.status.conditions if item.status else ()
    merged = (*(old for old in known if old.type not in {new.type for new in wanted}), *wanted)
    if sorted(merged, key=_type_of) == sorted(known, key=_type_of):
        return None
    return _change(item, ref, {"status": {"conditions": [_json(condition) for condition in merged]}})


def _conditions(item: WithConditions, diagnostics: Iterable[Diagnostic], now: datetime) -> list[Condition]:
    errors = {diagnostic.code for diagnostic in diagnostics if diagnostic.severity is Severity.ERROR}
    is_programmed = not errors - _PARTIAL
    text = _PROGRAMMED_TEXT if is_programmed else _INVALID_TEXT
    found = [_condition(item, PROGRAMMED, is_programmed, PROGRAMMED if is_programmed else "Invalid", text, now)]
    if isinstance(item, KongConsumer):
        is_valid = "consumer.credential" not in errors
        reason = "Valid" if is_valid else "Invalid"
        message = "" if is_valid else "One or more credential Secrets cannot be used - see the attached Events."
        found.append(_condition(item, CREDENTIALS_VALID, is_valid, reason, message, now))
    return found


def _condition(item: WithConditions, kind: str, holds: bool, reason: str, message: str, now: datetime) -> Condition:
    """The old one itself where nothing changed, times included."""
    status = "True" if holds else "False"
    old = next((each for each in (item.status.conditions if item.status else ()) if each.type == kind), None)
    since = old.last_transition_time if old and old.status == status else now.strftime("%Y-%m-%dT%H:%M:%SZ")
    return Condition(kind, status, since, reason, message, item.metadata.generation or None)


def _news_change(ref: ObjectRef, diagnostics: tuple[Diagnostic, ...]) -> ObjectChange:
    told = (diagnostic for diagnostic in diagnostics if diagnostic.severity is not Severity.NOTE)
    news = tuple(News(TRANSLATION_FAILED, _one_line(diagnostic)) for diagnostic in told)
    # A sub-resource of its own keeps news apart from the status that waits for the same object.
    return ObjectChange(ref, _RESOURCES[ref.kind], "", subresource="events", news=news)


def _address_change(ingress: Ingress | StreamIngress, wanted: tuple[LoadBalancerIngress, ...]) -> ObjectChange | None:
    if ingress.status.load_balancer.ingress == wanted:
        return None
    entries = [_entry(address) for address in wanted]
    return _change(ingress, typed_ref(ingress), {"status": {"loadBalancer": {"ingress": entries or None}}})


def _published(service: Service) -> Iterator[LoadBalancerIngress]:
    """Of a load balancer every address and name, else the Service's own addresses."""
    if service.spec.type == "LoadBalancer":
        for address in service.status.load_balancer.ingress:
            yield LoadBalancerIngress(address.ip, address.hostname)
        for ip in service.spec.external_ips:
            yield LoadBalancerIngress(ip)
    else:
        for ip in service.spec.cluster_ips or (service.spec.cluster_ip,):
            if ip and ip != "None":
                yield LoadBalancerIngress(ip)


def _entry(address: LoadBalancerIngress) -> dict[str, str]:
    return {name: value for name, value in (("ip", address.ip), ("hostname", address.hostname)) if value}


def _change(item: TypedObject, ref: ObjectRef, patch: JsonObject) -> ObjectChange:
    return ObjectChange(ref, item.RESOURCE, item.metadata.resource_version, patch, "status")


def _one_line(diagnostic: Diagnostic) -> str:
    return "; ".join(part for part in (diagnostic.placed_message, diagnostic.effect, diagnostic.hint) if part)


def _type_of(condition: Condition) -> str:
    return condition.type


def _json(condition: Condition) -> dict[str, object]:
    fields: dict[str, object] = to_builtins(condition)
    return {name: value for name, value in fields.items() if value is not None}
