"""Whose status an object's is where several gateways read the same objects: each writes what is for its own class.

Kinds with a class say so themselves. Plugins have none: they are for the gateways whose objects refer to them, and all
gateways judge alike those that nobody refers to.
"""

from collections.abc import Iterable, Iterator
from functools import cached_property

from crossfade.api.kong.consumer import KongConsumer, KongConsumerGroup
from crossfade.api.kong.service_facade import KongServiceFacade
from crossfade.compile.gateway import annotations as notes
from crossfade.compile.gateway.classes import ClassFilter
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core.ingress import Ingress, IngressBackend
from crossfade_kube.core.service import Service
from crossfade_kube.meta import NamespacedName, ObjectMeta


class Ownership:
    """Of one snapshot and one class; looks at all objects when it is first asked, and not again."""

    def __init__(self, snapshot: Snapshot, classes: ClassFilter) -> None:
        self._snapshot = snapshot
        self._classes = classes

    @cached_property
    def our_backends(self) -> frozenset[NamespacedName]:
        """Services behind Ingresses of our class."""
        return frozenset(_backends(item for item in self._ingresses if self._classes.takes_ingress(item)))

    @cached_property
    def foreign_backends(self) -> frozenset[NamespacedName]:
        """Services behind Ingresses of other classes and of none of ours."""
        others = _backends(item for item in self._ingresses if not self._classes.takes_ingress(item))
        return frozenset(others) - self.our_backends

    @cached_property
    def foreign_plugins(self) -> frozenset[NamespacedName]:
        """Those to which objects of other classes refer, and none of ours."""
        ours, foreign = set[NamespacedName](), set[NamespacedName]()
        for metadata, is_ours in self._referrers():
            (ours if is_ours else foreign).update(_plugins(metadata))
        return frozenset(foreign - ours)

    @property
    def _ingresses(self) -> Iterable[Ingress]:
        return self._snapshot.all(Ingress)

    def _referrers(self) -> Iterator[tuple[ObjectMeta, bool]]:
        for ingress in self._ingresses:
            yield ingress.metadata, self._classes.takes_ingress(ingress)
        for kind in (KongConsumer, KongConsumerGroup, KongServiceFacade):
            for item in self._snapshot.all(kind):
                yield item.metadata, self._classes.takes(item.metadata)
        for service in self._snapshot.all(Service):
            yield service.metadata, service.metadata.key not in self.foreign_backends


def _backends(ingresses: Iterable[Ingress]) -> Iterator[NamespacedName]:
    for ingress in ingresses:
        for backend in _all_backends(ingress):
            if backend is not None and backend.service is not None:
                yield NamespacedName(ingress.metadata.namespace, backend.service.name)


def _all_backends(ingress: Ingress) -> Iterator[IngressBackend | None]:
    yield ingress.spec.default_backend
    for rule in ingress.spec.rules:
        yield from (path.backend for path in (rule.http.paths if rule.http else ()))


def _plugins(metadata: ObjectMeta) -> Iterator[NamespacedName]:
    for text in notes.list_of(notes.modernised(metadata.annotations)[0], notes.PLUGINS):
        namespace, _, name = text.rpartition(":")
        yield NamespacedName(namespace or metadata.namespace, name)
