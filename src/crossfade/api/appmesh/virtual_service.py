"""VirtualService: the host name that clients call, and who answers for it (appmesh.md §1.5)."""

from typing import ClassVar

from msgspec import Struct, field

from crossfade.api.appmesh.values import GROUP, VERSION, MeshReference, ObjectReference, Status, VirtualNodeTarget
from crossfade_kube.meta import ObjectMeta, Resource


class VirtualRouterTarget(Struct, frozen=True, rename="camel"):
    """One of the two is set."""

    virtual_router_ref: ObjectReference | None = None
    virtual_router_arn: str | None = field(default=None, name="virtualRouterARN")


class Provider(Struct, frozen=True, rename="camel"):
    """One of the two is set."""

    virtual_node: VirtualNodeTarget | None = None
    virtual_router: VirtualRouterTarget | None = None


class VirtualServiceSpec(Struct, frozen=True, rename="camel"):
    """Without a provider the name exists but every request to it gets 404."""

    aws_name: str | None = None
    provider: Provider | None = None
    mesh_ref: MeshReference | None = None


class VirtualServiceStatus(Status, frozen=True, rename="camel"):
    arn: str | None = field(default=None, name="virtualServiceARN")


class VirtualService(Struct, frozen=True):
    RESOURCE: ClassVar = Resource(GROUP, VERSION, "virtualservices", "VirtualService", namespaced=True)

    metadata: ObjectMeta
    spec: VirtualServiceSpec = VirtualServiceSpec()
    status: VirtualServiceStatus = VirtualServiceStatus()

    @property
    def aws_name(self) -> str:
        """The default has a dot, not the underscore of the other kinds, and is not the cluster's FQDN."""
        return self.spec.aws_name or f"{self.metadata.name}.{self.metadata.namespace}"
