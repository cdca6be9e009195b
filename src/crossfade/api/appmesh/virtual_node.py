"""VirtualNode: pods of one workload, what they listen on and which virtual services they may call (appmesh.md §1.4)."""

from typing import Annotated, ClassVar

from msgspec import Struct, field

from crossfade.api.appmesh.values import (
    GROUP,
    VERSION,
    BackendDefaults,
    ClientPolicy,
    ConnectionPool,
    HealthCheckPolicy,
    Interval,
    Limit,
    ListenerTls,
    Logging,
    MeshReference,
    ObjectReference,
    PortMapping,
    RequestTimeout,
    Status,
    TcpTimeout,
    VirtualServiceTarget,
)
from crossfade.api.bounds import PERCENT
from crossfade_kube.meta import LabelSelector, ObjectMeta, Resource


class OutlierDetection(Struct, frozen=True, rename="camel"):
    max_server_errors: Limit
    max_ejection_percent: Annotated[int, PERCENT]
    interval: Interval
    base_ejection_duration: Interval


class ListenerTimeout(Struct, frozen=True):
    """Only the one of the listener's protocol counts."""

    tcp: TcpTimeout | None = None
    http: RequestTimeout | None = None
    http2: RequestTimeout | None = None
    grpc: RequestTimeout | None = None


class Listener(Struct, frozen=True, rename="camel"):
    port_mapping: PortMapping
    health_check: HealthCheckPolicy | None = None
    outlier_detection: OutlierDetection | None = None
    connection_pool: ConnectionPool | None = None
    timeout: ListenerTimeout | None = None
    tls: ListenerTls | None = None


class DnsServiceDiscovery(Struct, frozen=True, rename="camel"):
    """`response_type` is LOADBALANCER (also when absent) or ENDPOINTS."""

    hostname: str
    response_type: str | None = None


class CloudMapAttribute(Struct, frozen=True):
    key: str
    value: str


class CloudMapServiceDiscovery(Struct, frozen=True, rename="camel"):
    """The node's pods are registered with the `attributes`; clients find the instances that have all of them."""

    namespace_name: str
    service_name: str
    attributes: tuple[CloudMapAttribute, ...] = ()


class ServiceDiscovery(Struct, frozen=True, rename="camel"):
    dns: DnsServiceDiscovery | None = None
    aws_cloud_map: CloudMapServiceDiscovery | None = None


class VirtualServiceBackend(VirtualServiceTarget, frozen=True, rename="camel"):
    client_policy: ClientPolicy | None = None


class Backend(Struct, frozen=True, rename="camel"):
    virtual_service: VirtualServiceBackend


class VirtualNodeSpec(Struct, frozen=True, rename="camel"):
    """An absent `pod_selector` selects nothing, an empty one every pod of the namespace."""

    aws_name: str | None = None
    pod_selector: LabelSelector | None = None
    listeners: tuple[Listener, ...] = ()
    service_discovery: ServiceDiscovery | None = None
    backends: tuple[Backend, ...] = ()
    backend_groups: tuple[ObjectReference, ...] = ()
    backend_defaults: BackendDefaults | None = None
    logging: Logging | None = None
    mesh_ref: MeshReference | None = None


class VirtualNodeStatus(Status, frozen=True, rename="camel"):
    arn: str | None = field(default=None, name="virtualNodeARN")


class VirtualNode(Struct, frozen=True):
    RESOURCE: ClassVar = Resource(GROUP, VERSION, "virtualnodes", "VirtualNode", namespaced=True)

    metadata: ObjectMeta
    spec: VirtualNodeSpec = VirtualNodeSpec()
    status: VirtualNodeStatus = VirtualNodeStatus()

    @property
    def aws_name(self) -> str:
        return self.spec.aws_name or f"{self.metadata.name}_{self.metadata.namespace}"

    def selects(self, labels: dict[str, str]) -> bool:
        return self.spec.pod_selector is not None and self.spec.pod_selector.matches(labels)
