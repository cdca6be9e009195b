"""Which faults which proxies have, and until when: what is added to their resources, and when it changes."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from crossfade.compile.mesh.names import mesh_of
from crossfade.compile.mesh.readiness import Readiness
from crossfade.compile.model import ProxyModel, ReachedNode
from crossfade.compile.routing.routes import Fault, Forward
from crossfade.controller.mesh.error_shares import ErrorShares, Spread
from crossfade.controller.mesh.fault_guard import FaultGuard, Withdrawal
from crossfade.envoy.faults import is_active, leases, next_change_s
from crossfade.envoy.resource_set import Resource, ResourceSet, ResourceType
from crossfade.xds.load_reports import Load


class FaultNews(NamedTuple):
    """`reason` and `message` are an Event's."""

    fault: Fault
    reason: str
    message: str
    is_problem: bool = False


class FaultLeases:
    """Has no clock: all is asked with the time, in seconds since 1970."""

    def __init__(self) -> None:
        self._by_proxy: dict[str, Mapping[str, Fault]] = {}
        self._models: dict[str, ProxyModel] = {}
        self._active: dict[str, Fault] = {}
        self._guard = FaultGuard()
        self._errors = ErrorShares()

    def hold(self, proxy: str, model: ProxyModel) -> None:
        """From now on the faults of this model are the proxy's."""
        if self._models.get(proxy) is model:
            return
        self._models[proxy] = model
        if found := {fault.name: fault for fault in _faults(model)}:
            self._by_proxy[proxy] = found
        else:
            self._by_proxy.pop(proxy, None)

    def drop(self, proxy: str) -> None:
        self._models.pop(proxy, None)
        self._by_proxy.pop(proxy, None)

    def added_to(self, proxy: str, resources: ResourceSet, now_s: float) -> ResourceSet:
        return resources.with_all(ResourceType.EXTENSION, self._leases(proxy, now_s))

    def proxies(self) -> list[str]:
        """Those that have faults, whether they last or not."""
        return list(self._by_proxy)

    def active_in(self, mesh: str, now_s: float) -> list[Fault]:
        """Each once."""
        return list({fault.name: fault for fault in self._of(mesh) if is_active(fault, now_s)}.values())

    def lent_in(self, now_s: float) -> frozenset[str]:
        """The meshes in which somebody gets a fault."""
        return frozenset(
            mesh_of(proxy)
            for proxy, faults in self._by_proxy.items()
            if any(is_active(fault, now_s) and self._guard.allows(fault) for fault in faults.values())
        )

    def note_load(self, mesh: str, node: ReachedNode, load: Load, now_s: float) -> bool:
        """Whether `watch` is due for it."""
        self._errors.note(mesh, node, load, now_s)
        return load.failed > 0

    def watch(self, mesh: str, pods: Readiness, now_s: float) -> list[FaultNews]:
        """Faults that are not lent any more, because of what has become of `pods` of their mesh, or of requests."""
        faults = self.active_in(mesh, now_s)
        found = self._guard.look(faults, pods, lambda fault: self._errors.worst(mesh, fault.start_s, now_s))
        return [_withdrawn(one) for one in found]

    def next_change_s(self, now_s: float) -> float | None:
        return next_change_s(self._all().values(), now_s)

    def news(self, now_s: float) -> list[FaultNews]:
        """Of faults that have begun and that have ended since it was last asked."""
        known = self._all()
        self._guard.keep_only(known)
        self._errors.keep_only(self.lent_in(now_s))
        active = {name: fault for name, fault in known.items() if is_active(fault, now_s) and self._guard.allows(fault)}
        before, self._active = self._active, active
        begun = [_begun(fault) for name, fault in active.items() if before.get(name) != fault]
        gone = [fault for name, fault in before.items() if name not in active and self._guard.allows(fault)]
        return begun + [FaultNews(fault, "FaultEnds", "no caller gets the fault any more") for fault in gone]

    def _leases(self, proxy: str, now_s: float) -> dict[str, Resource]:
        return leases(filter(self._guard.allows, self._by_proxy.get(proxy, {}).values()), now_s)

    def _of(self, mesh: str) -> Iterator[Fault]:
        for proxy, faults in self._by_proxy.items():
            if mesh_of(proxy) == mesh:
                yield from faults.values()

    def _all(self) -> dict[str, Fault]:
        return {name: fault for faults in self._by_proxy.values() for name, fault in faults.items()}


def _begun(fault: Fault) -> FaultNews:
    end = datetime.fromtimestamp(fault.end_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return FaultNews(fault, "FaultBegins", f"callers get the fault until {end}")


def _withdrawn(one: Withdrawal) -> FaultNews:
    fault, cause = one
    if isinstance(cause, Spread):
        node = f"VirtualNode {cause.node.namespace}/{cause.node.name}"
        most = f"more than the {fault.stop_percent}% that it allows"
        problem = f"{cause.percent}% of the requests to {node} fail under the fault, {most}"
    else:
        problem = f"pod {cause}, which was ready under the fault, is not ready any more"
    return FaultNews(fault, "FaultWithdrawn", f"{problem}: no caller gets the fault until another is written", True)


def _faults(model: ProxyModel) -> Iterable[Fault]:
    for table in model.route_tables:
        for host in table.virtual_hosts:
            for route in host.routes:
                if isinstance(route.action, Forward) and route.action.fault is not None:
                    yield route.action.fault
