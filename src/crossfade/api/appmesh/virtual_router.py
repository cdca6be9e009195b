"""VirtualRouter: routes and weights between a virtual service and its nodes (appmesh.md §1.6)."""

from typing import Annotated, ClassVar

from msgspec import Struct, field

from crossfade.api.appmesh.values import (
    GROUP,
    VERSION,
    AnyPort,
    HeaderMatch,
    MeshReference,
    PathMatch,
    PortMapping,
    Priority,
    QueryParameter,
    RequestTimeout,
    Status,
    TcpTimeout,
    Timeout,
    VirtualNodeTarget,
)
from crossfade.api.bounds import COUNT, Bounds
from crossfade_kube.meta import ObjectMeta, Resource


class RouterListener(Struct, frozen=True, rename="camel"):
    port_mapping: PortMapping


class WeightedTarget(VirtualNodeTarget, frozen=True, rename="camel"):
    """`port` names the node's listener; it may be left out where the node has one listener."""

    weight: Annotated[int, Bounds(0, 100)] = 0
    port: AnyPort | None = None


class RouteAction(Struct, frozen=True, rename="camel"):
    weighted_targets: tuple[WeightedTarget, ...] = ()


class RetryPolicy(Struct, frozen=True, rename="camel"):
    """`grpc_retry_events` only on grpcRoute."""

    max_retries: Annotated[int, COUNT]
    per_retry_timeout: Timeout | None = None
    http_retry_events: tuple[str, ...] = ()
    tcp_retry_events: tuple[str, ...] = ()
    grpc_retry_events: tuple[str, ...] = ()


class HttpRouteMatch(Struct, frozen=True, rename="camel"):
    """Either `prefix` or `path`."""

    prefix: str | None = None
    path: PathMatch | None = None
    headers: tuple[HeaderMatch, ...] = ()
    method: str | None = None
    scheme: str | None = None
    query_parameters: tuple[QueryParameter, ...] = ()
    port: AnyPort | None = None


class HttpRoute(Struct, frozen=True, rename="camel"):
    """Both httpRoute and http2Route."""

    match: HttpRouteMatch
    action: RouteAction
    retry_policy: RetryPolicy | None = None
    timeout: RequestTimeout | None = None


class GrpcRouteMatch(Struct, frozen=True, rename="camel"):
    service_name: str | None = None
    method_name: str | None = None
    metadata: tuple[HeaderMatch, ...] = ()
    port: AnyPort | None = None


class GrpcRoute(Struct, frozen=True, rename="camel"):
    match: GrpcRouteMatch
    action: RouteAction
    retry_policy: RetryPolicy | None = None
    timeout: RequestTimeout | None = None


class TcpRouteMatch(Struct, frozen=True):
    port: AnyPort | None = None


class TcpRoute(Struct, frozen=True):
    action: RouteAction
    match: TcpRouteMatch | None = None
    timeout: TcpTimeout | None = None


class Route(Struct, frozen=True, rename="camel"):
    """One of the four kinds; nothing but our compiler checks that."""

    name: str
    priority: Priority | None = None
    http_route: HttpRoute | None = None
    http2_route: HttpRoute | None = field(default=None, name="http2Route")
    grpc_route: GrpcRoute | None = None
    tcp_route: TcpRoute | None = None


class VirtualRouterSpec(Struct, frozen=True, rename="camel"):
    aws_name: str | None = None
    listeners: tuple[RouterListener, ...] = ()
    routes: tuple[Route, ...] = ()
    mesh_ref: MeshReference | None = None


class VirtualRouterStatus(Status, frozen=True, rename="camel"):
    arn: str | None = field(default=None, name="virtualRouterARN")
    route_arns: dict[str, str] = field(default_factory=dict, name="routeARNs")


class VirtualRouter(Struct, frozen=True):
    RESOURCE: ClassVar = Resource(GROUP, VERSION, "virtualrouters", "VirtualRouter", namespaced=True)

    metadata: ObjectMeta
    spec: VirtualRouterSpec = VirtualRouterSpec()
    status: VirtualRouterStatus = field(default_factory=VirtualRouterStatus)

    @property
    def aws_name(self) -> str:
        return self.spec.aws_name or f"{self.metadata.name}_{self.metadata.namespace}"
