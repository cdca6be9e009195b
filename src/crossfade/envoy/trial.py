"""Asks a running proxy for its verdict on a part of a model, without any effect on traffic.

The part travels in a listener that is bound to no port: Envoy checks all of it as it would check the real one.
"""

from typing import Final

from msgspec import structs

from crossfade.compile.model import Dialect, Direction, HttpHandler, Listener, ProxyModel
from crossfade.compile.routing.routes import RouteTable
from crossfade.compile.routing.tables import GatewayTables
from crossfade.compile.withheld import Part
from crossfade.envoy import names
from crossfade.envoy.actions import action_table
from crossfade.envoy.http import connection_manager
from crossfade.envoy.listener import listener_from_model
from crossfade.envoy.proto import listener_v3, packed, route_v3
from crossfade.envoy.resource_set import Resource, encoded
from crossfade.envoy.route import route_configuration
from crossfade.envoy.settings import EnvoyOptions

# Envoy compares addresses of listeners, bound or not; no other listener has this one.
_ADDRESS: Final = ("127.255.255.254", 65_535)


def trial_resource(part: Part, model: ProxyModel, options: EnvoyOptions) -> Resource:
    """A listener `names.TRIAL_LISTENER`; `model` is what the part belongs to."""
    if isinstance(part, Listener) and part.chains:
        message = _unbound(part, options)
    elif isinstance(part, GatewayTables):
        message = _with_table(names.GATEWAY_ROUTES, action_table(part.actions, options, part.mesh), model, options)
    else:
        # Envoy takes no listener without chains.
        table = part if isinstance(part, RouteTable) else RouteTable(part.name, ())
        message = _with_table(table.name, route_configuration(table), model, options)
    message.bind_to_port.value = False
    return encoded(names.TRIAL_LISTENER, message)


def _unbound(listener: Listener, options: EnvoyOptions) -> listener_v3.Listener:
    address, port = _ADDRESS
    moved = structs.replace(listener, name=names.TRIAL_LISTENER, address=address, port=port)
    return listener_from_model(moved, options)


def _with_table(
    name: str, table: route_v3.RouteConfiguration, model: ProxyModel, options: EnvoyOptions
) -> listener_v3.Listener:
    handler = _handler_of(name, model)
    manager = connection_manager(handler, options, has_tls=False, port=_ADDRESS[1])
    manager.route_config.CopyFrom(table)
    # As for a table that comes on its own; inline, Envoy would look for the clusters.
    manager.route_config.validate_clusters.value = False
    address, port = _ADDRESS
    empty = Listener(names.TRIAL_LISTENER, address, port, Direction.INBOUND, ())
    message = listener_from_model(empty, options)
    message.default_filter_chain.filters.add(name=names.HTTP_CONNECTION_MANAGER, typed_config=packed(manager))
    return message


def _handler_of(table: str, model: ProxyModel) -> HttpHandler:
    """Without its access log, which is not what is asked about."""
    handlers = (chain.handler for listener in model.listeners for chain in listener.chains)
    for handler in handlers:
        if isinstance(handler, HttpHandler) and handler.route_table == table:
            return structs.replace(handler, access_log=None)
    return HttpHandler(table, names.TRIAL_LISTENER, Dialect.APP_MESH)
