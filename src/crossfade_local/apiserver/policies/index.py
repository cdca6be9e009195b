"""Policies with their bindings, found by the resource of a request: most of many have nothing to do with it."""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.state.storage import Event, Storage
from crossfade_local.values.fields import objects, sequence, text

POLICIES: Final = "admissionregistration.k8s.io/validatingadmissionpolicies"
BINDINGS: Final = "admissionregistration.k8s.io/validatingadmissionpolicybindings"
MUTATING: Final = "admissionregistration.k8s.io/mutatingadmissionpolicies"
MUTATING_BINDINGS: Final = "admissionregistration.k8s.io/mutatingadmissionpolicybindings"
_ANY: Final = "*"

_Place = tuple[str, str]
"""Group and resource, without its subresource; each may be `*`."""


class BoundPolicy(NamedTuple):
    """Both as stored; bindings in the order of their names."""

    policy: JsonObject
    bindings: tuple[JsonObject, ...]


class PolicyIndex:
    """Made anew on the first question after a change."""

    def __init__(self, storage: Storage, policies: str, bindings: str) -> None:
        """Of the policies and bindings that are stored in these two buckets."""
        self._storage: Final = storage
        self._policies: Final = policies
        self._bindings: Final = bindings
        self._bound: list[BoundPolicy] | None = None
        self._by_place: dict[_Place, list[int]] = {}
        storage.on_change(self._changed)

    def _changed(self, bucket: str, event: Event) -> None:  # noqa: ARG002 - the store's signature
        if bucket in (self._policies, self._bindings):
            self._bound = None

    def about(self, resources: Iterable[_Place]) -> list[BoundPolicy]:
        """Those whose rules may name one of the resources, in the order of their names."""
        if self._bound is None:
            self._bound = list(self._read())
            self._by_place = {}
            for number, bound in enumerate(self._bound):
                for place in _places(bound.policy):
                    self._by_place.setdefault(place, []).append(number)
        if not self._bound:
            return []
        wanted = {
            number
            for group, plural in resources
            for place in ((group, plural), (_ANY, plural), (group, _ANY), (_ANY, _ANY))
            for number in self._by_place.get(place, ())
        }
        return [self._bound[number] for number in sorted(wanted)]

    def _read(self) -> Iterator[BoundPolicy]:
        bindings: dict[str, list[JsonObject]] = {}
        for stored in self._storage.scan(self._bindings):
            bindings.setdefault(text(stored.object, "spec", "policyName"), []).append(stored.object)
        for stored in self._storage.scan(self._policies):
            if stored.key[1] in bindings:
                yield BoundPolicy(stored.object, tuple(bindings[stored.key[1]]))


def _places(policy: JsonObject) -> set[_Place]:
    return {
        (group, resource.partition("/")[0])
        for rule in objects(policy, "spec", "matchConstraints", "resourceRules")
        for group in sequence(rule, "apiGroups")
        for resource in sequence(rule, "resources")
    }
