"""Service: ports, selector, ExternalName and the addresses that a load balancer gave it."""

from typing import ClassVar

from msgspec import Struct, field

from crossfade_kube.meta import ObjectMeta, Resource


class ServicePort(Struct, frozen=True, rename="camel"):
    """`target_port` is a number, a container port's name, or absent (then it equals `port`)."""

    port: int
    name: str = ""
    protocol: str = "TCP"
    target_port: int | str | None = None
    node_port: int = 0
    app_protocol: str | None = None


class ServiceSpec(Struct, frozen=True, rename="camel"):
    """`cluster_ip` is "None" for a headless Service and empty for ExternalName."""

    type: str = "ClusterIP"
    cluster_ip: str = field(default="", name="clusterIP")
    cluster_ips: tuple[str, ...] = field(default=(), name="clusterIPs")
    ip_families: tuple[str, ...] = ()
    external_ips: tuple[str, ...] = field(default=(), name="externalIPs")
    external_name: str = ""
    ports: tuple[ServicePort, ...] = ()
    selector: dict[str, str] = field(default_factory=dict)
    publish_not_ready_addresses: bool = False


class LoadBalancerIngress(Struct, frozen=True):
    ip: str = ""
    hostname: str = ""


class LoadBalancerStatus(Struct, frozen=True):
    ingress: tuple[LoadBalancerIngress, ...] = ()


class ServiceStatus(Struct, frozen=True, rename="camel"):
    load_balancer: LoadBalancerStatus = field(default_factory=LoadBalancerStatus)


class Service(Struct, frozen=True):
    RESOURCE: ClassVar = Resource("", "v1", "services", "Service", namespaced=True)

    metadata: ObjectMeta
    spec: ServiceSpec = field(default_factory=ServiceSpec)
    status: ServiceStatus = field(default_factory=ServiceStatus)
