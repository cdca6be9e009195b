"""BackendGroup: a named set of virtual services that nodes can list as one backend (appmesh.md §1.9)."""

from typing import ClassVar

from msgspec import Struct, field

from crossfade.api.appmesh.values import GROUP, VERSION, MeshReference, ObjectReference
from crossfade_kube.meta import ObjectMeta, Resource


class BackendGroupSpec(Struct, frozen=True, rename="camel"):
    virtual_services: tuple[ObjectReference, ...] = field(default=(), name="virtualservices")
    mesh_ref: MeshReference | None = None


class BackendGroup(Struct, frozen=True):
    RESOURCE: ClassVar = Resource(GROUP, VERSION, "backendgroups", "BackendGroup", namespaced=True)

    metadata: ObjectMeta
    spec: BackendGroupSpec = BackendGroupSpec()
