"""Which gateway a gateway route belongs to: as admission noted, else as admission would decide (appmesh.md §2.2)."""

from collections.abc import Mapping
from functools import partial
from typing import Final

from crossfade.api.appmesh import GatewayRoute, VirtualGateway
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.isolate import isolated
from crossfade.compile.mesh.admit import Members
from crossfade.compile.mesh.membership import Refusal, choose_gateway
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core import Namespace
from crossfade_kube.meta import NamespacedName
from crossfade_kube.registry import typed_ref

_NO_EFFECT: Final = "the route has no effect"


def gateway_of(route: GatewayRoute, members: Members, snapshot: Snapshot) -> VirtualGateway | Refusal:
    reference = route.spec.virtual_gateway_ref
    if reference is not None:
        key = NamespacedName(reference.namespace or route.metadata.namespace, reference.name)
        return members.get(VirtualGateway, key) or Refusal(f"unable to fetch virtualGateway: {key}")
    namespace = snapshot.get(Namespace, "", route.metadata.namespace)
    labels = namespace.metadata.labels if namespace else {}
    return choose_gateway(members.all(VirtualGateway), route, labels, mesh=members.mesh.metadata.name)


def routes_by_gateway(
    members: Members, snapshot: Snapshot, diagnostics: Diagnostics
) -> Mapping[NamespacedName, tuple[GatewayRoute, ...]]:
    """A route without gateway is left out, with a reason."""
    found: dict[NamespacedName, list[GatewayRoute]] = {}
    for route in members.all(GatewayRoute):
        ref = typed_ref(route)
        gateway = isolated(
            partial(gateway_of, route, members, snapshot),
            otherwise=None,
            ref=ref,
            effect=_NO_EFFECT,
            diagnostics=diagnostics,
        )
        if isinstance(gateway, Refusal):
            diagnostics.error(ref, "gateway-route.no-gateway", gateway.reason, effect=_NO_EFFECT)
        if gateway is None or isinstance(gateway, Refusal):
            continue
        found.setdefault(gateway.metadata.key, []).append(route)
    return {key: tuple(routes) for key, routes in found.items()}
