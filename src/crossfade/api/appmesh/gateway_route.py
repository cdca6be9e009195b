"""GatewayRoute: what a VirtualGateway sends where (appmesh.md §1.8)."""

from typing import ClassVar

from msgspec import Struct, field

from crossfade.api.appmesh.values import (
    GROUP,
    VERSION,
    AnyPort,
    HeaderMatch,
    MeshReference,
    PathMatch,
    Priority,
    QueryParameter,
    Status,
    VirtualServiceTarget,
)
from crossfade_kube.meta import ObjectMeta, Resource


class VirtualGatewayReference(Struct, frozen=True):
    """Written by admission once, at creation."""

    name: str
    namespace: str = ""
    uid: str = ""


class HostnameMatch(Struct, frozen=True):
    exact: str | None = None
    suffix: str | None = None


class HostnameRewrite(Struct, frozen=True, rename="camel"):
    """ENABLED (also when absent) or DISABLED."""

    default_target_hostname: str | None = None


class PrefixRewrite(Struct, frozen=True, rename="camel"):
    default_prefix: str | None = None
    value: str | None = None


class PathRewrite(Struct, frozen=True):
    exact: str | None = None


class Rewrite(Struct, frozen=True):
    prefix: PrefixRewrite | None = None
    path: PathRewrite | None = None
    hostname: HostnameRewrite | None = None


class Target(Struct, frozen=True, rename="camel"):
    virtual_service: VirtualServiceTarget
    port: AnyPort | None = None


class Action(Struct, frozen=True):
    target: Target
    rewrite: Rewrite | None = None


class HttpMatch(Struct, frozen=True, rename="camel"):
    prefix: str | None = None
    path: PathMatch | None = None
    hostname: HostnameMatch | None = None
    method: str | None = None
    headers: tuple[HeaderMatch, ...] = ()
    query_parameters: tuple[QueryParameter, ...] = ()
    port: AnyPort | None = None


class HttpGatewayRoute(Struct, frozen=True):
    match: HttpMatch
    action: Action


class GrpcMatch(Struct, frozen=True, rename="camel"):
    service_name: str | None = None
    hostname: HostnameMatch | None = None
    metadata: tuple[HeaderMatch, ...] = ()
    port: AnyPort | None = None


class GrpcGatewayRoute(Struct, frozen=True):
    match: GrpcMatch
    action: Action


class GatewayRouteSpec(Struct, frozen=True, rename="camel"):
    aws_name: str | None = None
    priority: Priority | None = None
    http_route: HttpGatewayRoute | None = None
    http2_route: HttpGatewayRoute | None = field(default=None, name="http2Route")
    grpc_route: GrpcGatewayRoute | None = None
    virtual_gateway_ref: VirtualGatewayReference | None = None
    mesh_ref: MeshReference | None = None


class GatewayRouteStatus(Status, frozen=True, rename="camel"):
    arn: str | None = field(default=None, name="gatewayRouteARN")


class GatewayRoute(Struct, frozen=True):
    RESOURCE: ClassVar = Resource(GROUP, VERSION, "gatewayroutes", "GatewayRoute", namespaced=True)

    metadata: ObjectMeta
    spec: GatewayRouteSpec = GatewayRouteSpec()
    status: GatewayRouteStatus = GatewayRouteStatus()

    @property
    def aws_name(self) -> str:
        return self.spec.aws_name or f"{self.metadata.name}_{self.metadata.namespace}"
