"""Who still needs a virtual node or router, so that deleting it would be an outage (appmesh.md §5.3)."""

from collections.abc import Iterable, Iterator
from typing import Final, TypeAlias

from crossfade.admission.review import AdmissionRequest, Denied
from crossfade.api.appmesh import Mesh, VirtualNode, VirtualRouter, VirtualService
from crossfade.api.appmesh.values import ObjectReference
from crossfade.api.appmesh.virtual_router import Route, WeightedTarget
from crossfade.compile.mesh.names import node_path, router_path
from crossfade.store.snapshot import Snapshot
from crossfade_kube.registry import DecodeError, decode

Needed: TypeAlias = VirtualNode | VirtualRouter
# More would only fill the screen.
_MAX_NAMED: Final = 10


def needed_object(request: AdmissionRequest) -> Needed | None:
    """What a deletion would take away; None where nothing can refer to it, or nobody can read it."""
    try:
        if request.kind == "VirtualNode":
            return decode(request.old_object, VirtualNode)
        return decode(request.old_object, VirtualRouter) if request.kind == "VirtualRouter" else None
    except DecodeError:
        return None


def check_unused(wanted: Needed, snapshot: Snapshot) -> None:
    """Raises Denied naming the users among `snapshot`'s VirtualRouters and VirtualServices."""
    if users := sorted(_users(wanted, snapshot)):
        kind, key = wanted.RESOURCE.kind, wanted.metadata.key
        more = f" and {len(users) - _MAX_NAMED} more" if len(users) > _MAX_NAMED else ""
        raise Denied(
            f"{kind} {key} is in use by {', '.join(users[:_MAX_NAMED])}{more}: requests to it would fail. "
            "Remove it there, or delete those first"
        )


def _users(wanted: Needed, snapshot: Snapshot) -> Iterator[str]:
    """Those that are being deleted need nothing any more."""
    if isinstance(wanted, VirtualNode):
        for router in snapshot.all(VirtualRouter):
            if router.metadata.deletion_timestamp is None:
                yield from _routes_to(wanted, router, snapshot)
    for service in snapshot.all(VirtualService):
        if service.metadata.deletion_timestamp is None and _provides(wanted, service, snapshot):
            yield f"VirtualService {service.metadata.key} (spec.provider)"


def _routes_to(node: VirtualNode, router: VirtualRouter, snapshot: Snapshot) -> Iterator[str]:
    namespace = router.metadata.namespace
    for route in router.spec.routes:
        targets = _targets(route)
        if any(_is(node, target.virtual_node_ref, target.virtual_node_arn, namespace, snapshot) for target in targets):
            yield f"VirtualRouter {router.metadata.key} (route {route.name})"


def _targets(route: Route) -> Iterable[WeightedTarget]:
    for body in (route.http_route, route.http2_route, route.grpc_route, route.tcp_route):
        if body is not None:
            yield from body.action.weighted_targets


def _provides(wanted: Needed, service: VirtualService, snapshot: Snapshot) -> bool:
    provider, namespace = service.spec.provider, service.metadata.namespace
    if provider is None:
        return False
    if isinstance(wanted, VirtualNode):
        node = provider.virtual_node
        return node is not None and _is(wanted, node.virtual_node_ref, node.virtual_node_arn, namespace, snapshot)
    router = provider.virtual_router
    return router is not None and _is(wanted, router.virtual_router_ref, router.virtual_router_arn, namespace, snapshot)


def _is(wanted: Needed, ref: ObjectReference | None, arn: str | None, namespace: str, snapshot: Snapshot) -> bool:
    """A reference by name counts before one by ARN, as where references are resolved."""
    if ref is not None:
        return ref.within(namespace) == wanted.metadata.key
    return arn is not None and arn.endswith(f":{_path(wanted, snapshot)}")


def _path(wanted: Needed, snapshot: Snapshot) -> str:
    name = wanted.spec.mesh_ref.name if wanted.spec.mesh_ref else ""
    mesh = snapshot.get(Mesh, "", name)
    in_mesh = router_path if isinstance(wanted, VirtualRouter) else node_path
    return in_mesh(mesh.aws_name if mesh else name, wanted.aws_name)
