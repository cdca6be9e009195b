"""ReferenceGrant: which objects of other namespaces may refer to those of its own (Gateway API; kong.md §4.3)."""

from typing import ClassVar

from msgspec import Struct, field

from crossfade_kube.meta import ObjectMeta, Resource


class ReferenceGrantFrom(Struct, frozen=True):
    """`group` is empty for the core kinds."""

    group: str = ""
    kind: str = ""
    namespace: str = ""


class ReferenceGrantTo(Struct, frozen=True):
    """Without a `name` all objects of the kind."""

    group: str = ""
    kind: str = ""
    name: str = ""


class ReferenceGrantSpec(Struct, frozen=True, rename={"from_": "from"}):
    from_: tuple[ReferenceGrantFrom, ...] = ()
    to: tuple[ReferenceGrantTo, ...] = ()


class ReferenceGrant(Struct, frozen=True):
    RESOURCE: ClassVar = Resource("gateway.networking.k8s.io", "v1beta1", "referencegrants", "ReferenceGrant", True)

    metadata: ObjectMeta = ObjectMeta()
    spec: ReferenceGrantSpec = field(default_factory=ReferenceGrantSpec)
