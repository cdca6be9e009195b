"""What annotations of a virtual service add to all of its HTTP routes."""

from msgspec import structs

from crossfade.api.appmesh import VirtualService
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.mesh.header_edits import HeaderEdits, header_edits
from crossfade.compile.mesh.links import Links
from crossfade.compile.mesh.mirroring import Mirroring, mirroring, wanted_mirror
from crossfade.compile.mesh.model import PortPlan, ServicePlan
from crossfade.compile.routing.routes import Forward, Route


def extended(
    plan: ServicePlan, service: VirtualService, mesh: str, links: Links, diagnostics: Diagnostics
) -> ServicePlan:
    """The same plan where nothing is asked for; `mesh` is the mesh's awsName."""
    edits, wanted = header_edits(service, diagnostics), wanted_mirror(service, links, diagnostics)
    ports = []
    for port in plan.ports:
        # Connections of tcp have no headers, and are not copied.
        is_http = port.protocol != "tcp"
        copied = mirroring(wanted, port.protocol, mesh, links, diagnostics) if wanted and is_http else None
        ports.append(_port(port, edits, copied) if is_http else port)
    return structs.replace(plan, ports=tuple(ports)) if edits != HeaderEdits() or wanted else plan


def _port(plan: PortPlan, edits: HeaderEdits, copied: Mirroring | None) -> PortPlan:
    clusters = plan.clusters if copied is None else (*plan.clusters, copied.cluster)
    routes = tuple(_route(route, edits, copied) for route in plan.routes)
    return structs.replace(plan, routes=routes, clusters=tuple({one.name: one for one in clusters}.values()))


def _route(route: Route, edits: HeaderEdits, copied: Mirroring | None) -> Route:
    if not isinstance(route.action, Forward):
        return route
    action = edits.applied(route.action)
    if copied is not None:
        action = structs.replace(action, mirrors=(*action.mirrors, copied.mirror))
    return structs.replace(route, action=action)
