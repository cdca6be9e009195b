"""TCPIngress and UDPIngress: connections and datagrams by port, TLS by server name too (kong.md §1.8)."""

from typing import ClassVar, TypeAlias

from msgspec import Struct, field

from crossfade.api.kong.plugin import GROUP
from crossfade_kube.core.ingress import IngressStatus, IngressTls
from crossfade_kube.meta import ObjectMeta, Resource


class StreamBackend(Struct, frozen=True, rename="camel"):
    """A Service of the namespace and the number of its port."""

    service_name: str = ""
    service_port: int = 0


class TcpRule(Struct, frozen=True):
    """`port` is one of the gateway's; with a `host` only TLS for that server name."""

    backend: StreamBackend
    port: int = 0
    host: str = ""


class UdpRule(Struct, frozen=True):
    backend: StreamBackend
    port: int = 0


class TcpIngressSpec(Struct, frozen=True):
    rules: tuple[TcpRule, ...] = ()
    tls: tuple[IngressTls, ...] = ()


class UdpIngressSpec(Struct, frozen=True):
    rules: tuple[UdpRule, ...] = ()


class TcpIngress(Struct, frozen=True):
    RESOURCE: ClassVar = Resource(GROUP, "v1beta1", "tcpingresses", "TCPIngress", namespaced=True)

    metadata: ObjectMeta = ObjectMeta()
    spec: TcpIngressSpec = field(default_factory=TcpIngressSpec)
    status: IngressStatus = field(default_factory=IngressStatus)


class UdpIngress(Struct, frozen=True):
    RESOURCE: ClassVar = Resource(GROUP, "v1beta1", "udpingresses", "UDPIngress", namespaced=True)

    metadata: ObjectMeta = ObjectMeta()
    spec: UdpIngressSpec = field(default_factory=UdpIngressSpec)
    status: IngressStatus = field(default_factory=IngressStatus)


StreamIngress: TypeAlias = TcpIngress | UdpIngress
