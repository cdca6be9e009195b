"""Requests of a mesh counted by the library `counts` in place of Envoy's own access log, for proxies that have it.

What both count is the same to the letter; the library needs a fifth of the instructions. A proxy says of itself that it
has it: its image may be older than the control plane's. So the listener is another for such a proxy, and nothing else
is. Where the library cannot know the labels, Envoy's log goes on (`tells_apart`, `unrouted_log`).
"""

from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from enum import StrEnum
from functools import lru_cache
from typing import Final, NamedTuple

from crossfade.compile.model import Direction, ProxyModel
from crossfade.compile.routing.routes import VirtualHost
from crossfade.envoy import names
from crossfade.envoy.proto import (
    accesslog_v3,
    dynamic_log_v3,
    dynamic_module_network_v3,
    dynamic_modules_v3,
    hcm_v3,
    listener_v3,
    packed,
)
from crossfade.envoy.resource_set import Resource, ResourceSet, ResourceType, decoded, encoded
from crossfade.envoy.telemetry.stats_log import call_log, request_log, unrouted_log

NODE_CLUSTERS: Final = "cds_egress_"
# Of distinct listeners; proxies that are alike share theirs.
_MOST_REMEMBERED: Final = 4_096


class Side(StrEnum):
    """Of a request, in the library's words."""

    CALLER = "caller"
    CALLEE = "callee"
    GATEWAY = "gateway"


class _View(NamedTuple):
    model: ProxyModel
    features: AbstractSet[str]
    tells_apart: bool
    resources: ResourceSet
    shown: ResourceSet


class CountedViews:
    """What proxies are shown by the features that they have; those of one proxy with the same share what they see."""

    def __init__(self) -> None:
        self._views: dict[str, _View] = {}

    def of(self, proxy: str, model: ProxyModel, resources: ResourceSet, features: AbstractSet[str]) -> ResourceSet:
        """`model` is what the resources were made of."""
        if names.COUNTS_MODULE not in features:
            return resources
        known = self._views.get(proxy)
        if known is None or known.model is not model or known.resources is not resources or known.features != features:
            is_known = known is not None and known.model is model
            counts = known.tells_apart if known is not None and is_known else tells_apart(model)
            shown = with_library(resources) if counts else resources
            if names.OPEN_CONNECTIONS in features:
                shown = with_open_connections(shown)
            known = self._views[proxy] = _View(model, features, counts, resources, shown)
        return known.shown

    def drop(self, proxy: str) -> None:
        self._views.pop(proxy, None)


def with_library(resources: ResourceSet) -> ResourceSet:
    return _with(resources, _counted)


def with_open_connections(resources: ResourceSet) -> ResourceSet:
    """Where a listener's connections count at all: when they end, Envoy's log counts them (`stats_log`)."""
    return _with(resources, _with_filter)


def _with(resources: ResourceSet, change: Callable[[str, Resource], Resource]) -> ResourceSet:
    listeners = resources.of(ResourceType.LISTENER)
    changed = {name: found for name, one in listeners.items() if (found := change(name, one)) is not one}
    return resources.beside(ResourceType.LISTENER, {**listeners, **changed}) if changed else resources


def tells_apart(model: ProxyModel) -> bool:
    """Whether the names of clusters and routes say all that the labels do: not where a node has its own `awsName`."""
    hosts = (host for hosts in _hosts(model) for host in hosts)
    if any(names.SERVICE_END in host.name for host in hosts):
        return False
    reached = ((one.name, one.reaches and (one.reaches.name, one.reaches.namespace)) for one in model.clusters)
    return all(node_in(name) == node for name, node in reached)


def _hosts(model: ProxyModel) -> Iterator[tuple[VirtualHost, ...]]:
    yield from (table.virtual_hosts for table in model.route_tables)
    if model.gateway is not None:
        yield from (mesh.hosts for mesh in model.gateway.mesh.values())


def node_in(cluster: str) -> tuple[str, str] | None:
    """Name and namespace in `cds_egress_<mesh>_<name>_<namespace>_<protocol>_<port>`, as the library finds them."""
    parts = cluster.removeprefix(NODE_CLUSTERS).rsplit("_", 4) if cluster.startswith(NODE_CLUSTERS) else []
    match parts:
        case [_, name, namespace, _, port] if port.isascii() and port.isdigit():
            return name, namespace
    return None


@lru_cache(_MOST_REMEMBERED)
def _counted(name: str, resource: Resource) -> Resource:
    """The same object where nothing of it counts requests."""
    listener = decoded(resource)
    assert isinstance(listener, listener_v3.Listener)
    changes = [_change(one) for chain in _chains(listener) for one in chain.filters]
    return _instead(name, listener, resource) if any(changes) else resource


@lru_cache(_MOST_REMEMBERED)
def _with_filter(name: str, resource: Resource) -> Resource:
    """The same object where its connections do not count."""
    listener = decoded(resource)
    assert isinstance(listener, listener_v3.Listener)
    if not any(log.name == names.STATS_ACCESS_LOG for log in listener.access_log):
        return resource
    message = dynamic_module_network_v3.DynamicModuleNetworkFilter(filter_name=names.OPEN_CONNECTIONS)
    message.dynamic_module_config.CopyFrom(_library())
    counting = listener_v3.Filter(name=names.MODULE_NETWORK_FILTER, typed_config=packed(message))
    for chain in _chains(listener):
        chain.filters.insert(0, counting)
    return _instead(name, listener, resource)


def _chains(listener: listener_v3.Listener) -> list[listener_v3.FilterChain]:
    others = [listener.default_filter_chain] if listener.HasField("default_filter_chain") else []
    return [*listener.filter_chains, *others]


def _instead(name: str, listener: listener_v3.Listener, of: Resource) -> Resource:
    """A refusal counts for what the controller itself has published."""
    return encoded(name, listener)._replace(published=of.published or of)


def _library() -> dynamic_modules_v3.DynamicModuleConfig:
    return dynamic_modules_v3.DynamicModuleConfig(name=names.COUNTS_MODULE, do_not_close=True)


def _change(part: listener_v3.Filter) -> bool:
    if part.name != names.HTTP_CONNECTION_MANAGER:
        return False
    manager = hcm_v3.HttpConnectionManager.FromString(part.typed_config.value)
    sides = [_exchange(log) for log in manager.access_log]
    if Side.CALLER in sides:
        manager.access_log.append(unrouted_log())
    if any(sides):
        part.typed_config.CopyFrom(packed(manager))
    return any(sides)


def _exchange(log: accesslog_v3.AccessLog) -> Side | None:
    """At which side the log stands; None where it is another, and stays."""
    side = _sides().get(log.SerializeToString(deterministic=True))
    if side is None:
        return None
    module = dynamic_log_v3.DynamicModuleAccessLog(logger_name=side, dynamic_module_config=_library())
    log.name = names.MODULE_ACCESS_LOG
    log.typed_config.CopyFrom(packed(module))
    return side


@lru_cache(1)
def _sides() -> Mapping[bytes, Side]:
    """Envoy's own logs."""
    logs = {
        Side.CALLER: request_log(Direction.OUTBOUND),
        Side.CALLEE: request_log(Direction.INBOUND),
        Side.GATEWAY: call_log(),
    }
    return {log.SerializeToString(deterministic=True): side for side, log in logs.items()}
