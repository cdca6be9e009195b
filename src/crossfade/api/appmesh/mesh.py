"""Mesh: which namespaces belong together, and what leaves them (appmesh.md §1.3)."""

from typing import ClassVar

from msgspec import Struct, field

from crossfade.api.appmesh.values import GROUP, VERSION, Status
from crossfade_kube.meta import LabelSelector, ObjectMeta, Resource


class EgressFilter(Struct, frozen=True):
    """`type` is ALLOW_ALL or DROP_ALL."""

    type: str


class MeshServiceDiscovery(Struct, frozen=True, rename="camel"):
    ip_preference: str | None = None


class MeshSpec(Struct, frozen=True, rename="camel"):
    """An absent `namespace_selector` selects nothing, an empty one everything."""

    aws_name: str | None = None
    namespace_selector: LabelSelector | None = None
    egress_filter: EgressFilter | None = None
    mesh_owner: str | None = None
    mesh_service_discovery: MeshServiceDiscovery | None = None


class MeshStatus(Status, frozen=True, rename="camel"):
    arn: str | None = field(default=None, name="meshARN")


class Mesh(Struct, frozen=True):
    RESOURCE: ClassVar = Resource(GROUP, VERSION, "meshes", "Mesh", namespaced=False)

    metadata: ObjectMeta
    spec: MeshSpec = MeshSpec()
    status: MeshStatus = MeshStatus()

    @property
    def aws_name(self) -> str:
        return self.spec.aws_name or self.metadata.name

    @property
    def allows_all_egress(self) -> bool:
        """No filter means DROP_ALL."""
        return self.spec.egress_filter is not None and self.spec.egress_filter.type == "ALLOW_ALL"
