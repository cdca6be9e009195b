"""Which mesh a namespace's objects join, and which gateway a gateway route joins (appmesh.md §2.2).

Admission decides this once, at creation; the compiler decides it in the same words for objects that never passed
admission.
"""

from collections.abc import Iterable

from msgspec import Struct

from crossfade.api.appmesh import GatewayRoute, Mesh, VirtualGateway


class Refusal(Struct, frozen=True):
    """Why a reference or a membership cannot be kept, as the person who wrote it reads it."""

    reason: str


def choose_mesh(meshes: Iterable[Mesh], namespace: str, labels: dict[str, str]) -> Mesh | Refusal:
    """The one mesh whose selector matches the labels of the namespace."""
    found = sorted(
        (mesh for mesh in meshes if mesh.spec.namespace_selector and mesh.spec.namespace_selector.matches(labels)),
        key=lambda mesh: mesh.metadata.name,
    )
    if not found:
        return Refusal(f"failed to find matching mesh for namespace: {namespace}, expecting 1 but found 0")
    if len(found) > 1:
        names = ",".join(mesh.metadata.name for mesh in found)
        return Refusal(
            f"found multiple matching meshes for namespace: {namespace}, expecting 1 but found {len(found)}: {names}"
        )
    if found[0].metadata.deletion_timestamp:
        return Refusal(f"unable to create new content in mesh {found[0].metadata.name} because it is being terminated")
    return found[0]


def choose_gateway(
    gateways: Iterable[VirtualGateway], route: GatewayRoute, labels: dict[str, str], *, mesh: str
) -> VirtualGateway | Refusal:
    """The one gateway that selects the namespace (its `labels`) and the route; it must be in `mesh`.

    Where several do, the one of `mesh` is meant: two meshes whose namespaces bear the same label disturb each other no
    more, as they did in App Mesh.
    """
    found = sorted(
        (gateway for gateway in gateways if _accepts(gateway, route, labels)),
        key=lambda gateway: gateway.metadata.key,
    )
    own = [gateway for gateway in found if _is_in(gateway, mesh)]
    name = route.metadata.name
    if not found:
        return Refusal(f"failed to find matching virtualGateway for gatewayRoute: {name}, expecting 1 but found 0")
    if len(found) > 1 and len(own) != 1:
        names = ",".join(gateway.metadata.name for gateway in found)
        return Refusal(
            f"found multiple matching virtualGateways for gatewayRoute: {name}, "
            f"expecting 1 but found {len(found)}: {names}"
        )
    if not own:
        return Refusal("virtualGateway referenced does not belong to the mesh referenced in GatewayRoute Create")
    return own[0]


def _is_in(gateway: VirtualGateway, mesh: str) -> bool:
    """One that admission has not seen has no mesh yet."""
    reference = gateway.spec.mesh_ref
    return reference is None or reference.name == mesh


def _accepts(gateway: VirtualGateway, route: GatewayRoute, labels: dict[str, str]) -> bool:
    namespaces, routes = gateway.spec.namespace_selector, gateway.spec.gateway_route_selector
    return (
        namespaces is not None
        and namespaces.matches(labels)
        and (routes is None or routes.matches(route.metadata.labels))
    )
