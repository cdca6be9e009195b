"""KongServiceFacade: a Service under another name, so that it can have plugins of its own there (kong.md §1.8)."""

from typing import ClassVar, Final

from msgspec import Struct, field

from crossfade.api.kong.plugin import KongStatus
from crossfade_kube.meta import ObjectMeta, Resource

FACADE_GROUP: Final = "incubator.ingress-controller.konghq.com"


class FacadeBackend(Struct, frozen=True):
    """A Service of the namespace and the number of its port."""

    name: str = ""
    port: int = 0


class KongServiceFacadeSpec(Struct, frozen=True, rename="camel"):
    backend_ref: FacadeBackend = FacadeBackend()


class KongServiceFacade(Struct, frozen=True):
    RESOURCE: ClassVar = Resource(FACADE_GROUP, "v1alpha1", "kongservicefacades", "KongServiceFacade", True)

    metadata: ObjectMeta = ObjectMeta()
    spec: KongServiceFacadeSpec = field(default_factory=KongServiceFacadeSpec)
    status: KongStatus | None = None
