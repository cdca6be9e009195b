"""IngressClassParameters: what an ingress class says about all of its Ingresses (kong.md §1.2)."""

from typing import ClassVar

from msgspec import Struct, field

from crossfade.api.kong.plugin import GROUP
from crossfade_kube.meta import ObjectMeta, Resource


class IngressClassParametersSpec(Struct, frozen=True, rename="camel"):
    """`service_upstream` is as if every Service had that annotation; the other is Kong 2's heuristic for paths."""

    service_upstream: bool = False
    enable_legacy_regex_detection: bool = False


class IngressClassParameters(Struct, frozen=True):
    RESOURCE: ClassVar = Resource(GROUP, "v1alpha1", "ingressclassparameterses", "IngressClassParameters", True)

    metadata: ObjectMeta = ObjectMeta()
    spec: IngressClassParametersSpec = field(default_factory=IngressClassParametersSpec)
