"""What admission refuses in App Mesh objects, in the words that users know (appmesh.md §2.4).

Schemas check enumerations and bounds before; what is not listed there stays permissive and ends in conditions.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

from crossfade.admission.appmesh_annotations import check_annotations
from crossfade.admission.gateway_route_rules import check_gateway_route
from crossfade.admission.review import AdmissionRequest, Denied
from crossfade.api.appmesh import Mesh, VirtualGateway, VirtualNode, VirtualRouter
from crossfade.api.appmesh.values import ConnectionPool
from crossfade.api.appmesh.virtual_router import HttpRouteMatch
from crossfade_kube.meta import JsonObject, NamespacedName
from crossfade_kube.registry import DecodeError, decode

T = TypeVar("T", str, NamespacedName)

_IMMUTABLE: Final[dict[str, tuple[str, ...]]] = {
    "Mesh": ("awsName",),
    "VirtualNode": ("awsName", "meshRef"),
    "VirtualService": ("awsName", "meshRef"),
    "VirtualRouter": ("awsName", "meshRef"),
    "VirtualGateway": ("awsName", "meshRef"),
    "GatewayRoute": ("awsName", "meshRef", "virtualGatewayRef"),
    "BackendGroup": ("meshRef",),
}


def check_object(request: AdmissionRequest) -> None:
    """A create or update of any kind; raises Denied."""
    if request.operation == "UPDATE":
        _check_unchanged(request)
    check_annotations(request)
    rule = _RULES.get(request.kind)
    if rule is None:
        return
    try:
        rule(request.object)
    except DecodeError as error:
        raise Denied(f"{request.kind} {error.field}: {error.problem}") from error


def _check_unchanged(request: AdmissionRequest) -> None:
    old: dict[str, Any] = request.old_object.get("spec") or {}
    new: dict[str, Any] = request.object.get("spec") or {}
    changed = [f"spec.{field}" for field in _IMMUTABLE.get(request.kind, ()) if old.get(field) != new.get(field)]
    if request.kind == "VirtualNode":
        cloud_map = _cloud_map(old)
        if cloud_map is not None and cloud_map != _cloud_map(new):
            changed.append("spec.serviceDiscovery.awsCloudMap")
    if changed:
        raise Denied(f"{request.kind} update may not change these fields: {','.join(changed)}")


def _cloud_map(spec: dict[str, Any]) -> Any:
    return (spec.get("serviceDiscovery") or {}).get("awsCloudMap")


def _check_mesh(obj: JsonObject) -> None:
    discovery = decode(obj, Mesh).spec.mesh_service_discovery
    if discovery is not None and discovery.ip_preference not in ("IPv4_ONLY", "IPv6_ONLY"):
        raise Denied("Only non-empty values allowed are IPv4_ONLY or IPv6_ONLY")


def _check_virtual_node(obj: JsonObject) -> None:
    node = decode(obj, VirtualNode)
    name, spec = node.metadata.name, node.spec
    if spec.listeners and spec.service_discovery is None:
        raise Denied(
            f"ServiceDiscovery missing for VirtualNode-{name}. "
            "ServiceDiscovery must be specified when a listener is specified."
        )
    services = [backend.virtual_service for backend in spec.backends]
    references = [service.virtual_service_ref for service in services if service.virtual_service_ref]
    if repeated := _first_repeated(reference.within(node.metadata.namespace) for reference in references):
        raise Denied(f"VirtualNode-{name} has duplicate VirtualServiceReferences {repeated.name}")
    if arn := _first_repeated(service.virtual_service_arn for service in services if service.virtual_service_arn):
        raise Denied(f"VirtualNode-{name} has duplicate VirtualServiceReferenceARNs {arn}")
    _check_pools((listener.connection_pool for listener in spec.listeners), "Virtual Node")


def _check_virtual_router(obj: JsonObject) -> None:
    router = decode(obj, VirtualRouter)
    if repeated := _first_repeated(route.name for route in router.spec.routes):
        raise Denied(f"VirtualRouter-{router.metadata.name} has duplicate route entries for {repeated}")
    for route in router.spec.routes:
        for body in (route.http_route, route.http2_route):
            if body is not None:
                _check_http_match(body.match)


def _check_http_match(match: HttpRouteMatch) -> None:
    if match.prefix is None and match.path is None:
        raise Denied("Either Prefix or Path must be specified")
    if match.prefix is not None and match.path is not None:
        raise Denied("Both Prefix and Path cannot be specified, only 1 allowed")
    if match.path is None:
        return
    if match.path.exact is None and match.path.regex is None:
        raise Denied("Either exact or regex for path must be specified")
    if match.path.exact is not None and match.path.regex is not None:
        raise Denied("Both exact and regex for path are not allowed. Only one must be specified")


def _check_virtual_gateway(obj: JsonObject) -> None:
    gateway = decode(obj, VirtualGateway)
    _check_pools((listener.connection_pool for listener in gateway.spec.listeners), "Virtual Gateway")


def _check_pools(pools: Iterable[ConnectionPool | None], kind: str) -> None:
    if any(pool is not None and len(pool.given) > 1 for pool in pools):
        raise Denied(f"Only one type of {kind} Connection Pool is allowed")


def _first_repeated(values: Iterable[T]) -> T | None:
    seen: set[T] = set()
    for value in values:
        if value in seen:
            return value
        seen.add(value)
    return None


_RULES: Final[dict[str, Callable[[JsonObject], None]]] = {
    "Mesh": _check_mesh,
    "VirtualNode": _check_virtual_node,
    "VirtualRouter": _check_virtual_router,
    "VirtualGateway": _check_virtual_gateway,
    "GatewayRoute": check_gateway_route,
}
