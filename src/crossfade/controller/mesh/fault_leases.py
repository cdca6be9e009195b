"""Which faults which proxies have, and until when: what is added to their resources, and when it changes."""

from collections.abc import Iterable, Mapping

from crossfade.compile.model import ProxyModel
from crossfade.compile.routing.routes import Fault, Forward
from crossfade.envoy.faults import is_active, leases, next_change_s
from crossfade.envoy.resource_set import Resource, ResourceSet, ResourceType


class FaultLeases:
    """Has no clock: all is asked with the time, in seconds since 1970."""

    def __init__(self) -> None:
        self._by_proxy: dict[str, Mapping[str, Fault]] = {}
        self._models: dict[str, ProxyModel] = {}
        self._active: dict[str, Fault] = {}

    def hold(self, proxy: str, model: ProxyModel) -> None:
        """From now on the faults of this model are the proxy's."""
        if self._models.get(proxy) is not model:
            self._models[proxy] = model
            self._by_proxy[proxy] = {fault.name: fault for fault in _faults(model)}

    def drop(self, proxy: str) -> None:
        self._models.pop(proxy, None)
        self._by_proxy.pop(proxy, None)

    def added_to(self, proxy: str, resources: ResourceSet, now_s: float) -> ResourceSet:
        return resources.with_all(ResourceType.EXTENSION, self._leases(proxy, now_s))

    def proxies(self) -> list[str]:
        """Those that have faults, whether they last or not."""
        return [proxy for proxy, faults in self._by_proxy.items() if faults]

    def next_change_s(self, now_s: float) -> float | None:
        return next_change_s(self._all().values(), now_s)

    def news(self, now_s: float) -> tuple[list[Fault], list[Fault]]:
        """Faults that have begun and that have ended since it was last asked."""
        active = {name: fault for name, fault in self._all().items() if is_active(fault, now_s)}
        begun = [fault for name, fault in active.items() if name not in self._active]
        ended = [fault for name, fault in self._active.items() if name not in active]
        self._active = active
        return begun, ended

    def _leases(self, proxy: str, now_s: float) -> dict[str, Resource]:
        return leases(self._by_proxy.get(proxy, {}).values(), now_s)

    def _all(self) -> dict[str, Fault]:
        return {name: fault for faults in self._by_proxy.values() for name, fault in faults.items()}


def _faults(model: ProxyModel) -> Iterable[Fault]:
    for table in model.route_tables:
        for host in table.virtual_hosts:
            for route in host.routes:
                if isinstance(route.action, Forward) and route.action.fault is not None:
                    yield route.action.fault
