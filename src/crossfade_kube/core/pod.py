"""Pod: identity, labels, addresses, ports and readiness."""

from typing import ClassVar

from msgspec import Struct, field

from crossfade_kube.meta import Condition, ObjectMeta, Resource


class ContainerPort(Struct, frozen=True, rename="camel"):
    container_port: int
    name: str = ""
    protocol: str = "TCP"


class Container(Struct, frozen=True):
    name: str
    image: str = ""
    ports: tuple[ContainerPort, ...] = ()


class PodSpec(Struct, frozen=True, rename="camel"):
    """Init containers are listed because sidecars may be declared as such."""

    containers: tuple[Container, ...] = ()
    init_containers: tuple[Container, ...] = ()
    service_account_name: str = ""
    node_name: str = ""
    host_network: bool = False
    hostname: str = ""
    subdomain: str = ""


class PodIp(Struct, frozen=True):
    ip: str = ""


class PodStatus(Struct, frozen=True, rename="camel"):
    phase: str = "Pending"
    pod_ip: str = field(default="", name="podIP")
    pod_ips: tuple[PodIp, ...] = field(default=(), name="podIPs")
    host_ip: str = field(default="", name="hostIP")
    conditions: tuple[Condition, ...] = ()


class Pod(Struct, frozen=True):
    RESOURCE: ClassVar = Resource("", "v1", "pods", "Pod", namespaced=True)

    metadata: ObjectMeta
    spec: PodSpec = field(default_factory=PodSpec)
    status: PodStatus = field(default_factory=PodStatus)

    @property
    def is_ready(self) -> bool:
        return any(condition.type == "Ready" and condition.status == "True" for condition in self.status.conditions)

    @property
    def is_finished(self) -> bool:
        """Its containers have ended for good: it never serves again."""
        return self.status.phase in ("Succeeded", "Failed")
