"""KongCustomEntity: an entity of a custom plugin, for Kong's database (kong.md §1.8)."""

from typing import ClassVar

from msgspec import Struct, field

from crossfade.api.kong.plugin import GROUP, KongStatus
from crossfade_kube.meta import ObjectMeta, Resource


class KongCustomEntitySpec(Struct, frozen=True, rename="camel"):
    """`controller_name` is the ingress class of the gateway that it is for."""

    type: str = ""
    controller_name: str = ""


class KongCustomEntity(Struct, frozen=True):
    RESOURCE: ClassVar = Resource(GROUP, "v1alpha1", "kongcustomentities", "KongCustomEntity", True)

    metadata: ObjectMeta = ObjectMeta()
    spec: KongCustomEntitySpec = field(default_factory=KongCustomEntitySpec)
    status: KongStatus | None = None
