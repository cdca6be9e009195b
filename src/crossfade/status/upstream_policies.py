"""Conditions of KongUpstreamPolicies, one pair for each Service that refers to one (kong.md §1.7)."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from msgspec import to_builtins

from crossfade.api.kong.upstream_policy import AncestorRef, AncestorStatus, KongUpstreamPolicy
from crossfade.compile.diagnostics import Diagnostic, Severity
from crossfade.compile.gateway.annotations import UPSTREAM_POLICY
from crossfade.status.change import ObjectChange
from crossfade.status.ownership import Ownership
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core.ingress import Ingress
from crossfade_kube.core.service import Service
from crossfade_kube.meta import Condition, NamespacedName, ObjectRef
from crossfade_kube.registry import typed_ref

CONTROLLER: Final = "konghq.com/kic-gateway-controller"
ACCEPTED: Final = "Accepted"
PROGRAMMED: Final = "Programmed"
_PENDING: Final = "Pending"
# Gateway API's limit.
_MOST_ANCESTORS: Final = 16
Verdicts = Mapping[ObjectRef, tuple[Diagnostic, ...]]


class PolicyDecisions:
    """One input after the other; where nothing changed that counts, the very same decisions come again."""

    def __init__(self) -> None:
        self._seen: tuple[object, ...] = ()
        self._changes: list[ObjectChange] = []

    def decide(
        self,
        snapshot: Snapshot,
        ownership: Ownership,
        our_class: object,
        verdicts: Verdicts,
        judged: Sequence[ObjectRef],
        now: datetime,
    ) -> list[ObjectChange]:
        """`judged` are the objects of which something else is said than in the input before."""
        policies = snapshot.all(KongUpstreamPolicy)
        if not policies:
            self._seen, self._changes = (), []
            return []
        seen = (policies, snapshot.all(Service), snapshot.all(Ingress))
        is_known = len(self._seen) == len(seen) + 1 and all(
            one is other for one, other in zip(seen, self._seen, strict=False)
        )
        touched = any(ref.kind in ("Service", "KongUpstreamPolicy") for ref in judged)
        if not is_known or self._seen[-1] != our_class or touched:
            self._seen = (*seen, our_class)
            self._changes = list(_changes(snapshot, ownership, verdicts, now))
        return self._changes


def _changes(snapshot: Snapshot, ownership: Ownership, verdicts: Verdicts, now: datetime) -> Iterator[ObjectChange]:
    """Policies that nothing of our class uses are left alone, and so are Services of other gateways only."""
    users = _users(snapshot)
    for policy in snapshot.all(KongUpstreamPolicy):
        services = users.get(policy.metadata.key, ())
        if any(service.metadata.key in ownership.our_backends for service in services):
            change = _change(policy, sorted(services, key=_age), ownership, verdicts, now)
            if change is not None:
                yield change


def _users(snapshot: Snapshot) -> dict[NamespacedName, list[Service]]:
    found: dict[NamespacedName, list[Service]] = {}
    for service in snapshot.all(Service):
        name = service.metadata.annotations.get(UPSTREAM_POLICY)
        if name:
            found.setdefault(NamespacedName(service.metadata.namespace, name), []).append(service)
    return found


def _age(service: Service) -> tuple[str, str]:
    """The oldest stay where there are too many."""
    return service.metadata.creation_timestamp, service.metadata.name


def _change(
    policy: KongUpstreamPolicy,
    services: list[Service],
    ownership: Ownership,
    verdicts: Verdicts,
    now: datetime,
) -> ObjectChange | None:
    ref = typed_ref(policy)
    known = policy.status.ancestors if policy.status else ()
    foreign = tuple(one for one in known if one.controller_name != CONTROLLER)
    is_usable, used = not _has_errors(verdicts, ref), ownership.our_backends
    # In the order of the Services whoever wrote what, so that gateways do not sort against each other.
    own: list[AncestorStatus] = []
    for service in services:
        if service.metadata.key in ownership.foreign_backends:
            own += [one for one in known if one.ancestor_ref == _reference(service) and one not in foreign]
        else:
            is_programmed = is_usable and _is_programmed(service, used, verdicts)
            own.append(_ancestor(service, known, now, is_programmed=is_programmed))
    wanted = (*foreign, *own)[:_MOST_ANCESTORS]
    if wanted == known:
        return None
    patch = {"status": {"ancestors": [_given(to_builtins(one)) for one in wanted]}}
    return ObjectChange(ref, policy.RESOURCE, policy.metadata.resource_version, patch, "status")


def _given(value: Any) -> Any:
    """Without what is not there."""
    if isinstance(value, dict):
        return {name: _given(part) for name, part in value.items() if part is not None}
    return [_given(part) for part in value] if isinstance(value, list | tuple) else value


def _is_programmed(service: Service, used: frozenset[NamespacedName], verdicts: Verdicts) -> bool:
    return service.metadata.key in used and not _has_errors(verdicts, typed_ref(service))


def _has_errors(verdicts: Verdicts, ref: ObjectRef) -> bool:
    return any(said.severity is Severity.ERROR for said in verdicts.get(ref, ()))


def _reference(service: Service) -> AncestorRef:
    return AncestorRef("core", "Service", service.metadata.namespace, service.metadata.name)


def _ancestor(
    service: Service, known: tuple[AncestorStatus, ...], now: datetime, *, is_programmed: bool
) -> AncestorStatus:
    ref = _reference(service)
    old = next((one for one in known if one.ancestor_ref == ref and one.controller_name == CONTROLLER), None)
    before = {condition.type: condition for condition in old.conditions} if old else {}
    programmed = (PROGRAMMED, "True", PROGRAMMED) if is_programmed else (PROGRAMMED, "False", _PENDING)
    wanted = ((ACCEPTED, "True", ACCEPTED), programmed)
    return AncestorStatus(ref, CONTROLLER, tuple(_condition(*one, before.get(one[0]), now) for one in wanted))


def _condition(kind: str, status: str, reason: str, old: Condition | None, now: datetime) -> Condition:
    since = old.last_transition_time if old and old.status == status else now.strftime("%Y-%m-%dT%H:%M:%SZ")
    return Condition(kind, status, since, reason)
