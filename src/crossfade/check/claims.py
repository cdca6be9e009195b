"""Objects that no gateway of the given class takes, which Kong passes over in silence (kong.md §1.0, R-1)."""

from collections.abc import Iterable, Iterator
from typing import Final

from crossfade.api.kong.consumer import KongConsumer
from crossfade.api.kong.plugin import KongClusterPlugin
from crossfade.compile.diagnostics import Diagnostic, Severity
from crossfade.compile.gateway.annotations import CLASS
from crossfade.compile.gateway.classes import ClassFilter
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core.ingress import Ingress
from crossfade_kube.meta import ObjectRef
from crossfade_kube.registry import typed_ref

_EFFECT: Final = {
    "Ingress": "its rules match no request",
    "KongConsumer": "its credentials are not accepted",
    "KongClusterPlugin": "it runs on no request",
}
_ANNOTATION: Final = f"metadata.annotations[{CLASS}]"


def unclaimed(snapshot: Snapshot, ingress_class: str) -> Iterator[Diagnostic]:
    classes = ClassFilter(snapshot, ingress_class)
    for ingress in snapshot.all(Ingress):
        if not classes.takes_ingress(ingress):
            declared = ingress.metadata.annotations.get(CLASS) or ingress.spec.ingress_class_name
            field = _ANNOTATION if ingress.metadata.annotations.get(CLASS) else "spec.ingressClassName"
            yield _unclaimed(typed_ref(ingress), declared, ingress_class, field)
    annotated: Iterable[KongConsumer | KongClusterPlugin] = (
        *snapshot.all(KongConsumer),
        *snapshot.all(KongClusterPlugin),
    )
    for item in annotated:
        if not classes.takes(item.metadata):
            yield _unclaimed(typed_ref(item), item.metadata.annotations.get(CLASS), ingress_class, _ANNOTATION)


def _unclaimed(ref: ObjectRef, declared: str | None, ingress_class: str, field: str) -> Diagnostic:
    if declared is not None:
        text = f"it is of class {declared!r}: a gateway of class {ingress_class!r} leaves it alone"
        return Diagnostic(ref, "class.other", text, field=field, severity=Severity.NOTE)
    return Diagnostic(
        ref,
        "class.none",
        "it names no ingress class, so the gateway passes it over in silence unless its class is the cluster's default",
        effect=_EFFECT[ref.kind],
        hint=f"set {'spec.ingressClassName' if ref.kind == 'Ingress' else f'the annotation {CLASS}'}: {ingress_class}",
        field="metadata",
        severity=Severity.WARNING,
    )
