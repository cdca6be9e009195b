"""Which objects belong to this gateway (kong.md §1.0)."""

from collections.abc import Mapping
from typing import Final

from crossfade.compile.gateway.annotations import CLASS
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core.ingress import Ingress, IngressClass
from crossfade_kube.meta import ObjectMeta

CONTROLLER: Final = "ingress-controllers.konghq.com/kong"
_DEFAULT_CLASS: Final = "ingressclass.kubernetes.io/is-default-class"


class ClassFilter:
    """Answers for one snapshot and one class name."""

    def __init__(self, snapshot: Snapshot, ingress_class: str) -> None:
        self.name = ingress_class
        known = snapshot.get(IngressClass, "", ingress_class)
        self.takes_classless = known is not None and _marks_default(known.metadata.annotations)

    def takes_ingress(self, ingress: Ingress) -> bool:
        """The annotation decides, else `ingressClassName`, else whether our class is the cluster's default."""
        declared = ingress.metadata.annotations.get(CLASS) or ingress.spec.ingress_class_name
        return self.takes_classless if declared is None else declared == self.name

    def takes(self, metadata: ObjectMeta) -> bool:
        """For kinds that only know the annotation; without it they are ignored, as on Kong (R-1)."""
        declared = metadata.annotations.get(CLASS)
        return self.takes_classless if declared is None else declared == self.name


def _marks_default(annotations: Mapping[str, str]) -> bool:
    return annotations.get(_DEFAULT_CLASS, "").lower() == "true"
