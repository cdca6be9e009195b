"""The whole of it: what a proxy's model means for Envoy, encoded and versioned by content."""

from collections.abc import Iterator

from google.protobuf.message import Message

from crossfade.compile.model import Dialect, Discovery, HttpHandler, ProxyModel
from crossfade.envoy import names
from crossfade.envoy.cluster import cluster_from_model
from crossfade.envoy.endpoint import load_assignment
from crossfade.envoy.filters.policies import consumers_config
from crossfade.envoy.listener import listener_from_model
from crossfade.envoy.resource_set import Resource, ResourceSet, ResourceType, encoded_all
from crossfade.envoy.route import route_configuration
from crossfade.envoy.settings import EnvoyOptions


def resources_from_model(model: ProxyModel, *, options: EnvoyOptions) -> ResourceSet:
    """Pure and deterministic: equal models give equal bytes."""
    has_consumers = model.consumers is not None
    dialects = _dialects(model)
    messages: dict[ResourceType, Iterator[tuple[str, Message]]] = {
        ResourceType.CLUSTER: ((one.name, cluster_from_model(one)) for one in model.clusters),
        ResourceType.ENDPOINTS: (
            (one.name, load_assignment(one.name, one.endpoints))
            for one in model.clusters
            if one.discovery is Discovery.EDS
        ),
        ResourceType.LISTENER: (
            (one.name, listener_from_model(one, options, has_consumers=has_consumers)) for one in model.listeners
        ),
        ResourceType.EXTENSION: _extensions(model.consumers, options),
        ResourceType.ROUTES: (
            (one.name, route_configuration(one, dialects.get(one.name, Dialect.APP_MESH), options))
            for one in model.route_tables
        ),
    }
    by_type: dict[ResourceType, dict[str, Resource]] = {kind: encoded_all(found) for kind, found in messages.items()}
    return ResourceSet(by_type)


def _dialects(model: ProxyModel) -> dict[str, Dialect]:
    """Route table to the dialect of the handler that uses it."""
    handlers = (chain.handler for listener in model.listeners for chain in listener.chains)
    return {one.route_table: one.dialect for one in handlers if isinstance(one, HttpHandler)}


def _extensions(consumers: bytes | None, options: EnvoyOptions) -> Iterator[tuple[str, Message]]:
    if consumers is not None:
        yield names.CONSUMERS_FILTER, consumers_config(consumers, options)
