"""VirtualGateway: App Mesh's own ingress Envoy (appmesh.md §1.7)."""

from typing import ClassVar

from msgspec import Struct, field

from crossfade.api.appmesh.values import (
    GROUP,
    VERSION,
    BackendDefaults,
    ConnectionPool,
    GatewayListenerTls,
    HealthCheckPolicy,
    Logging,
    MeshReference,
    PortMapping,
    Status,
)
from crossfade_kube.meta import LabelSelector, ObjectMeta, Resource


class GatewayListener(Struct, frozen=True, rename="camel"):
    port_mapping: PortMapping
    health_check: HealthCheckPolicy | None = None
    connection_pool: ConnectionPool | None = None
    tls: GatewayListenerTls | None = None


class VirtualGatewaySpec(Struct, frozen=True, rename="camel"):
    """Absent selectors: no namespace, every gateway route, no pod."""

    aws_name: str | None = None
    namespace_selector: LabelSelector | None = None
    gateway_route_selector: LabelSelector | None = None
    pod_selector: LabelSelector | None = None
    listeners: tuple[GatewayListener, ...] = ()
    logging: Logging | None = None
    backend_defaults: BackendDefaults | None = None
    mesh_ref: MeshReference | None = None


class VirtualGatewayStatus(Status, frozen=True, rename="camel"):
    arn: str | None = field(default=None, name="virtualGatewayARN")


class VirtualGateway(Struct, frozen=True):
    RESOURCE: ClassVar = Resource(GROUP, VERSION, "virtualgateways", "VirtualGateway", namespaced=True)

    metadata: ObjectMeta
    spec: VirtualGatewaySpec = VirtualGatewaySpec()
    status: VirtualGatewayStatus = VirtualGatewayStatus()

    @property
    def aws_name(self) -> str:
        return self.spec.aws_name or f"{self.metadata.name}_{self.metadata.namespace}"

    def selects(self, labels: dict[str, str]) -> bool:
        return self.spec.pod_selector is not None and self.spec.pod_selector.matches(labels)
