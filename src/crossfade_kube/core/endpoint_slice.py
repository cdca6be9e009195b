"""EndpointSlice: where a Service's traffic can go."""

from typing import ClassVar

from msgspec import Struct, field

from crossfade_kube.meta import ObjectMeta, Resource

SERVICE_NAME_LABEL = "kubernetes.io/service-name"


class EndpointConditions(Struct, frozen=True):
    """An absent `ready` or `serving` counts as true, an absent `terminating` as false."""

    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class TargetRef(Struct, frozen=True):
    kind: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""


class Endpoint(Struct, frozen=True, rename="camel"):
    addresses: tuple[str, ...]
    conditions: EndpointConditions = field(default_factory=EndpointConditions)
    hostname: str = ""
    node_name: str = ""
    zone: str = ""
    target_ref: TargetRef | None = None

    @property
    def is_ready(self) -> bool:
        return self.conditions.ready is not False

    @property
    def is_serving(self) -> bool:
        serving = self.conditions.serving
        return self.is_ready if serving is None else serving

    @property
    def is_terminating(self) -> bool:
        return self.conditions.terminating is True


class EndpointPort(Struct, frozen=True, rename="camel"):
    """`port` is absent only in slices written by hand, where it means all ports."""

    name: str = ""
    port: int | None = None
    protocol: str = "TCP"
    app_protocol: str | None = None


class EndpointSlice(Struct, frozen=True, rename="camel"):
    RESOURCE: ClassVar = Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", namespaced=True)

    metadata: ObjectMeta
    address_type: str
    endpoints: tuple[Endpoint, ...] = ()
    ports: tuple[EndpointPort, ...] = ()

    @property
    def service_name(self) -> str:
        """Name of the Service in the same namespace; empty for a slice of none."""
        return self.metadata.labels.get(SERVICE_NAME_LABEL, "")
