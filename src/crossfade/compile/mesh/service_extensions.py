"""What annotations of a virtual service add to all of its HTTP routes."""

from msgspec import structs

from crossfade.api.appmesh import VirtualService
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.mesh.asks import asked, tell
from crossfade.compile.mesh.faults import FAULT, named, read_fault
from crossfade.compile.mesh.header_edits import HeaderEdits, header_edits
from crossfade.compile.mesh.links import Links
from crossfade.compile.mesh.mirroring import Mirroring, mirroring, wanted_mirror
from crossfade.compile.mesh.model import PortPlan, ServicePlan
from crossfade.compile.routing.routes import Fault, Forward, Route


def extended(
    plan: ServicePlan, service: VirtualService, mesh: str, links: Links, diagnostics: Diagnostics
) -> ServicePlan:
    """The same plan where nothing is asked for; `mesh` is the mesh's awsName."""
    edits, wanted = header_edits(service, diagnostics), wanted_mirror(service, links, diagnostics)
    faults = [named(fault, service) for fault in asked(service, FAULT, read_fault, diagnostics).values()]
    fault = faults[0] if faults else None
    if fault is not None and plan.ports and all(port.protocol == "tcp" for port in plan.ports):
        tell(service, FAULT, "the service has no port of HTTP, HTTP/2 or gRPC", diagnostics)
    ports = []
    for port in plan.ports:
        # Connections of tcp have no headers, and are not copied.
        is_http = port.protocol != "tcp"
        copied = mirroring(wanted, port.protocol, mesh, links, diagnostics) if wanted and is_http else None
        ports.append(_port(port, edits, copied, fault) if is_http else port)
    return structs.replace(plan, ports=tuple(ports)) if edits != HeaderEdits() or wanted or fault else plan


def _port(plan: PortPlan, edits: HeaderEdits, copied: Mirroring | None, fault: Fault | None) -> PortPlan:
    clusters = plan.clusters if copied is None else (*plan.clusters, copied.cluster)
    routes = tuple(_route(route, edits, copied, fault) for route in plan.routes)
    return structs.replace(plan, routes=routes, clusters=tuple({one.name: one for one in clusters}.values()))


def _route(route: Route, edits: HeaderEdits, copied: Mirroring | None, fault: Fault | None) -> Route:
    if not isinstance(route.action, Forward):
        return route
    action = edits.applied(route.action)
    if copied is not None:
        action = structs.replace(action, mirrors=(*action.mirrors, copied.mirror))
    if action.fault is None:
        # A route's own fault is the one that was meant for it.
        action = structs.replace(action, fault=fault)
    return structs.replace(route, action=action)
