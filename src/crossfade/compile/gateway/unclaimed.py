"""Objects that no gateway takes for want of an ingress class: Kong passes over them in silence (kong.md §1.0, R-1).

Beside other controllers only those are told that are surely meant for a gateway of Kong's kind, and of other classes
only those whose class nobody has defined.
"""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Final, TypeAlias

from crossfade.api.kong.consumer import KongConsumer, KongConsumerGroup
from crossfade.api.kong.plugin import KongClusterPlugin
from crossfade.api.kong.service_facade import KongServiceFacade
from crossfade.api.kong.stream_ingress import TcpIngress, UdpIngress
from crossfade.api.kong.vault import KongVault
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.gateway.annotations import CLASS, is_kongs
from crossfade.compile.gateway.classes import ClassFilter
from crossfade.compile.memo import Memo
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core.ingress import Ingress, IngressClass
from crossfade_kube.registry import typed_ref

_ByAnnotation: TypeAlias = (
    KongConsumer | KongConsumerGroup | KongClusterPlugin | KongVault | KongServiceFacade | TcpIngress | UdpIngress
)
Claimable: TypeAlias = Ingress | _ByAnnotation
_BY_ANNOTATION: Final[tuple[type[_ByAnnotation], ...]] = (
    KongConsumer,
    KongConsumerGroup,
    KongClusterPlugin,
    KongVault,
    KongServiceFacade,
    TcpIngress,
    UdpIngress,
)
_ANNOTATION: Final = f"metadata.annotations[{CLASS}]"


def tell_unclaimed(
    snapshot: Snapshot, classes: ClassFilter, memo: Memo, diagnostics: Diagnostics, *, is_alone: bool
) -> None:
    """`is_alone`: no other controller looks at these objects."""

    def tell(item: Claimable, foreign: IngressClass | None, found: Diagnostics) -> None:
        if is_alone or is_for_kong(item):
            _tell(item, classes.name, found, is_elsewhere=foreign is not None, is_alone=is_alone)

    untaken = _untaken(snapshot, classes, memo, diagnostics)
    inputs = ((item, snapshot.get(IngressClass, "", declared_class(item) or "")) for item in untaken)
    memo.each("unclaimed", inputs, (classes.name, is_alone), tell, diagnostics)


def _untaken(snapshot: Snapshot, classes: ClassFilter, memo: Memo, diagnostics: Diagnostics) -> Iterator[Claimable]:
    """Of kinds of which nothing changed none is looked at again."""
    yield from (item for item in snapshot.all(Ingress) if not classes.takes_ingress(item))
    for kind in _BY_ANNOTATION:
        items = snapshot.all(kind)
        inputs = (items, classes.name, classes.takes_classless)
        yield from memo.of(("untaken", kind), inputs, partial(_not_taken, items, classes), diagnostics)


def _not_taken(items: Iterable[_ByAnnotation], classes: ClassFilter, _: Diagnostics) -> list[_ByAnnotation]:
    return [item for item in items if not classes.takes(item.metadata)]


def is_for_kong(item: Claimable) -> bool:
    return not isinstance(item, Ingress) or any(map(is_kongs, item.metadata.annotations))


def declared_class(item: Claimable) -> str | None:
    named = item.metadata.annotations.get(CLASS)
    return named or item.spec.ingress_class_name if isinstance(item, Ingress) else named


def _tell(item: Claimable, ours: str, diagnostics: Diagnostics, *, is_elsewhere: bool, is_alone: bool) -> None:
    ref, declared = typed_ref(item), declared_class(item)
    by_annotation = not isinstance(item, Ingress) or CLASS in item.metadata.annotations
    field = _ANNOTATION if by_annotation else "spec.ingressClassName"
    place = f"the annotation {CLASS}" if by_annotation else "spec.ingressClassName"
    hint = f"set {place} to {ours}, the class of this gateway"
    if declared is None:
        text = "it names no ingress class, so no gateway takes it"
        diagnostics.warning(ref, "class.none", text, effect=_effect(item), hint=hint, field="metadata")
    elif is_alone:
        text = f"it is of class {declared!r}: a gateway of class {ours!r} leaves it alone"
        diagnostics.note(ref, "class.other", text, effect=_effect(item), field=field)
    elif not is_elsewhere:
        text = f"it is of class {declared!r}, and no IngressClass of that name exists"
        diagnostics.warning(ref, "class.unknown", text, effect=_effect(item), hint=hint, field=field)


def _effect(item: Claimable) -> str:
    if isinstance(item, Ingress):
        return "its rules match no request"
    if isinstance(item, TcpIngress | UdpIngress):
        return "nothing reaches the Services that it names"
    if isinstance(item, KongConsumer):
        return "its credentials are not accepted"
    if isinstance(item, KongConsumerGroup):
        return "for consumers that name it, it does not exist"
    if isinstance(item, KongVault):
        return "references to its secrets are not resolved"
    if isinstance(item, KongServiceFacade):
        return "for Ingresses that name it, it does not exist"
    return "it runs on no request" if item.is_global else "for annotations that name it, it does not exist"
