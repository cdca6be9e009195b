"""The whole of it: what a proxy's model means for Envoy, encoded and versioned by content."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple, TypeVar

from google.protobuf.message import Message

from crossfade.compile.model import Discovery, ProxyModel, ServerCertificate
from crossfade.compile.routing.tables import Action, GatewayTables, MeshRoutes
from crossfade.envoy import names
from crossfade.envoy.actions import action_table
from crossfade.envoy.cluster import cluster_from_model
from crossfade.envoy.common_parts import CommonParts
from crossfade.envoy.endpoint import load_assignment
from crossfade.envoy.filters.policies import table_config
from crossfade.envoy.listener import cached_listener, listener_from_model, metrics_listener, tables_listener
from crossfade.envoy.mesh_tls import secret_message, secrets_of
from crossfade.envoy.resource_set import NOTHING, Resource, ResourceSet, ResourceType, encoded
from crossfade.envoy.route import KnownHosts
from crossfade.envoy.settings import EnvoyOptions
from crossfade.envoy.shards import SHARDS, TableText, TableTexts
from crossfade.envoy.tls import secret_from_certificate

# Requests that were routed before a change may still name an action that it has made needless.
MOST_RETIRED: Final = 64
T = TypeVar("T")


class Failed(NamedTuple):
    """A resource that could not be encoded."""

    kind: ResourceType
    name: str
    exception: Exception


class Encoded:
    """What was encoded last for one proxy, so that only what has changed is encoded again."""

    def __init__(self) -> None:
        self._before: dict[tuple[ResourceType, str], tuple[object, Resource]] = {}
        self._now: dict[tuple[ResourceType, str], tuple[object, Resource]] = {}
        self._actions: dict[str, Action] = {}
        self._mesh: dict[str, MeshRoutes] = {}
        self.table_texts = TableTexts()
        self.hosts = KnownHosts()
        self.failed: list[Failed] = []
        """In the last encoding."""

    def begin(self) -> None:
        self._before, self._now = self._now, {}
        self.failed = []

    def of(
        self, kind: ResourceType, name: str, part: T, build: Callable[[T], Message], common: CommonParts
    ) -> Resource:
        """Of `part`, the model's value that the resource is built from."""
        known = self._before.get((kind, name))
        if known is None or (known[0] is not part and known[0] != part):
            known = (part, common.resource(part, lambda: encoded(name, build(part))))
        self._now[kind, name] = known
        return known[1]

    def of_before(self, kind: ResourceType, name: str) -> Resource | None:
        """The last good version, kept for the next time too."""
        known = self._before.get((kind, name))
        if known is None:
            return None
        self._now[kind, name] = known
        return known[1]

    def with_retired(self, actions: Mapping[str, Action]) -> dict[str, Action]:
        """The actions and those that were wanted until lately: a table and its users change one after the other."""
        self._actions = _with_retired(self._actions, actions)
        return self._actions

    def with_retired_mesh(self, mesh: Mapping[str, MeshRoutes]) -> dict[str, MeshRoutes]:
        """As `with_retired`."""
        self._mesh = _with_retired(self._mesh, mesh)
        return self._mesh


def _with_retired(before: Mapping[str, T], now: Mapping[str, T]) -> dict[str, T]:
    retired = {name: one for name, one in before.items() if name not in now}
    return {**dict(list(retired.items())[-MOST_RETIRED:]), **now}


def resources_from_model(
    model: ProxyModel,
    *,
    options: EnvoyOptions,
    before: Encoded | None = None,
    common: CommonParts | None = None,
    others: Mapping[str, Resource] = NOTHING,
) -> ResourceSet:
    """Deterministic: equal models give equal bytes. With `before`, of the same proxy, only changes are encoded.

    And then a resource that cannot be encoded is in `before.failed` and costs nothing but itself. `common` is of all
    proxies with the same options, `others` are endpoints that the model says nothing of.
    """
    memory = Encoded() if before is None else before
    memory.begin()
    common = common or CommonParts()
    by_type: dict[ResourceType, dict[str, Resource]] = {kind: {} for kind in ResourceType}
    for kind, name, part, build in _parts(model, options, memory, common):
        try:
            by_type[kind][name] = memory.of(kind, name, part, build, common)
        except Exception as exc:
            if before is None:
                raise
            before.failed.append(Failed(kind, name, exc))
            if (last := before.of_before(kind, name)) is not None:
                by_type[kind][name] = last
            elif kind is ResourceType.ENDPOINTS:
                # Envoy would wait for them.
                by_type[ResourceType.CLUSTER].pop(name, None)
    by_type[ResourceType.ENDPOINTS] |= others
    return ResourceSet(by_type)


_Part = tuple[ResourceType, str, Any, Callable[[Any], Message]]


def _parts(model: ProxyModel, options: EnvoyOptions, memory: Encoded, common: CommonParts) -> Iterator[_Part]:
    for cluster in model.clusters:
        yield ResourceType.CLUSTER, cluster.name, cluster, cluster_from_model
        if cluster.discovery is Discovery.EDS and not cluster.shares_endpoints:
            name = cluster.endpoints_name
            yield ResourceType.ENDPOINTS, name, (name, cluster.endpoints, cluster.are_probed), _endpoints
    for certificate in _named_certificates(model):
        yield ResourceType.SECRET, certificate.name, certificate, secret_from_certificate
    for name, secret in secrets_of(model).items():
        yield ResourceType.SECRET, name, secret, secret_message
    for listener in model.listeners:
        yield ResourceType.LISTENER, listener.name, listener, lambda one: listener_from_model(one, options)
    for table in model.route_tables:
        yield ResourceType.ROUTES, table.name, table, lambda one: memory.hosts.configuration(one, common.hosts)
    memory.hosts.keep(table.name for table in model.route_tables)
    if model.gateway is not None:
        yield from _gateway_parts(model.gateway, options, memory)


def _gateway_parts(gateway: GatewayTables, options: EnvoyOptions, memory: Encoded) -> Iterator[_Part]:
    tables = [names.ROOT_TABLE, *map(names.shard_name, range(SHARDS))]
    yield ResourceType.LISTENER, names.TABLES_LISTENER, tables, tables_listener
    if options.cached is not None:
        yield ResourceType.LISTENER, names.CACHED_LISTENER, options.cached, lambda one: cached_listener(one, options)
    if options.metrics_of is not None:
        port = options.metrics_of
        yield ResourceType.LISTENER, names.METRICS_LISTENER, port, lambda one: metrics_listener(one, options)
    both = dict(memory.with_retired(gateway.actions)), dict(memory.with_retired_mesh(gateway.mesh))
    yield ResourceType.ROUTES, names.GATEWAY_ROUTES, both, lambda part: action_table(part[0], options, part[1])

    def config(text: TableText) -> Message:
        return table_config(text.name, text.kind, text.content.decode(), options)

    for text in memory.table_texts.of(gateway):
        yield ResourceType.EXTENSION, text.name, text, config


def _named_certificates(model: ProxyModel) -> Iterator[ServerCertificate]:
    """Each once: several listeners show the same."""
    chains = (chain for listener in model.listeners for chain in listener.chains)
    found = {one.name: one for chain in chains if (one := chain.certificate) is not None and one.name}
    return iter(found.values())


def _endpoints(part: tuple[str, Any, bool]) -> Message:
    name, endpoints, are_probed = part
    return load_assignment(name, endpoints, are_probed=are_probed)
