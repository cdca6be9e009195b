"""A cluster's objects as the compiler sees them: what it never looks at makes no object another one.

Statuses, finalizers and counters of versions are written all the time, not least by this controller: the object that
was compiled already goes on standing for what is the same otherwise.
"""

from typing import Any, Final, NamedTuple

from msgspec import structs

from crossfade.api.appmesh import Mesh
from crossfade.compile.mesh.admit import MEMBER_KINDS
from crossfade.store.kind_view import KindView
from crossfade.store.snapshot import Snapshot
from crossfade_kube.meta import NamespacedName, ObjectMeta

_WITH_STATUS: Final[tuple[type[Any], ...]] = (Mesh, *MEMBER_KINDS)


class _Known(NamedTuple):
    """`items` are the objects as they came, `standing` those that stand for them."""

    items: tuple[Any, ...]
    standing: dict[NamespacedName, Any]
    view: KindView[Any]


_NOTHING: Final = _Known((), {}, KindView({}))


class SteadyObjects:
    """Of one series of snapshots."""

    def __init__(self) -> None:
        self._known: dict[type[Any], _Known] = {}

    def of(self, snapshot: Snapshot) -> Snapshot:
        """The very same views of kinds of which nothing else changed."""
        for kind in _WITH_STATUS:
            known, items = self._known.get(kind, _NOTHING), snapshot.all(kind)
            if known.items is not items:
                self._known[kind] = _next(known, snapshot.by_name(kind), items)
        return snapshot.with_views({kind: known.view for kind, known in self._known.items()})


def _next(known: _Known, names: Any, items: tuple[Any, ...]) -> _Known:
    before = dict(zip(known.standing, known.items, strict=True))
    standing: dict[NamespacedName, Any] = {}
    changes: dict[NamespacedName, Any] = {}
    for name, item in zip(names, items, strict=True):
        stands = known.standing.get(name)
        if stands is None or (before[name] is not item and not _are_alike(stands, item)):
            stands = changes[name] = item
        standing[name] = stands
    changes |= dict.fromkeys(known.standing.keys() - standing.keys())
    return _Known(items, standing, known.view.after(changes))


def _are_alike(one: Any, other: Any) -> bool:
    return bool(one.spec == other.spec and _compiled(one.metadata) == _compiled(other.metadata))


def _compiled(metadata: ObjectMeta) -> ObjectMeta:
    """All of it that means something to the compiler."""
    return structs.replace(metadata, resource_version="", generation=0, finalizers=())
