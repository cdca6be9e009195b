"""The ordered passes from a snapshot to the gateway's model; pure, deterministic, never fails on an object."""

import json
from collections.abc import Iterator
from typing import NamedTuple

from crossfade.api.kong.class_parameters import IngressClassParameters
from crossfade.api.kong.consumer import KongConsumer
from crossfade.api.kong.ingress import KongIngress
from crossfade.api.kong.plugin import KongClusterPlugin, KongPlugin
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.gateway.certificates import certificates_of
from crossfade.compile.gateway.class_parameters import class_parameters
from crossfade.compile.gateway.classes import ClassFilter
from crossfade.compile.gateway.consumers import Consumer, consumers_of
from crossfade.compile.gateway.ingresses import kong_routes
from crossfade.compile.gateway.listeners import has_tls, listeners, table_name
from crossfade.compile.gateway.plugins import Attachments
from crossfade.compile.gateway.routes import CONSUMERS, PlacedRoute, Table, virtual_hosts
from crossfade.compile.gateway.services import ServiceResolver
from crossfade.compile.gateway.settings import CompileSettings
from crossfade.compile.model import ProxyModel, RouteTable
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core.endpoint_slice import EndpointSlice
from crossfade_kube.core.ingress import Ingress, IngressClass
from crossfade_kube.core.secret import Secret
from crossfade_kube.core.service import Service

INPUT_KINDS = (
    Ingress,
    IngressClass,
    IngressClassParameters,
    Service,
    EndpointSlice,
    Secret,
    KongPlugin,
    KongClusterPlugin,
    KongConsumer,
    KongIngress,
)


class CompiledGateway(NamedTuple):
    model: ProxyModel
    diagnostics: Diagnostics


def compile_gateway(snapshot: Snapshot, settings: CompileSettings) -> CompiledGateway:
    diagnostics = Diagnostics()
    classes = ClassFilter(snapshot, settings.ingress_class)
    ingresses = [item for item in snapshot.all(Ingress) if classes.takes_ingress(item)]
    parameters = class_parameters(snapshot, settings.ingress_class, diagnostics)
    resolver = ServiceResolver(snapshot, diagnostics, is_service_upstream=parameters.service_upstream)
    detects_regex = settings.compat == "kong-2.1" or parameters.enable_legacy_regex_detection
    routes = kong_routes(ingresses, snapshot, resolver, diagnostics, detects_regex=detects_regex)
    services = resolver.services
    consumers = consumers_of(snapshot, classes, diagnostics)
    plugins = Attachments(snapshot, classes, diagnostics, referrers=[*routes, *services.values()], consumers=consumers)
    placed = [
        PlacedRoute(route, services[route.service], plugins.of_route(route, services[route.service]))
        for route in routes
    ]
    model = ProxyModel(
        listeners=tuple(listeners(settings, certificates_of(ingresses, snapshot, diagnostics))),
        route_tables=tuple(_route_tables(placed, settings)),
        clusters=tuple(services[name].cluster for name in sorted(services) if services[name].refusal is None),
        consumers=_consumer_table(consumers, plugins, settings),
    )
    return CompiledGateway(model, diagnostics)


def _route_tables(placed: list[PlacedRoute], settings: CompileSettings) -> Iterator[RouteTable]:
    for scheme in ("http", "https") if has_tls(settings) else ("http",):
        yield RouteTable(table_name(scheme), virtual_hosts(placed, Table(scheme, settings)))


def _consumer_table(consumers: list[Consumer], plugins: Attachments, settings: CompileSettings) -> bytes:
    """A consumer that would escape a policy it carries is left out, and its keys with it."""
    known = [(consumer, plugins.of_consumer(consumer)) for consumer in consumers]
    entries = [(consumer, policy) for consumer, policy in known if policy.refusal is None]
    keys = [
        {
            "id": credential.id,
            "consumer": index,
            "digest": credential.digest(settings.salt),
            "expires_at": credential.expires_at,
        }
        for index, (consumer, _) in enumerate(entries)
        for credential in consumer.credentials
        if credential.type == "key-auth"
    ]
    table = {
        "name": CONSUMERS,
        "salt": settings.salt.hex(),
        "consumers": [
            {
                "id": consumer.id,
                "username": consumer.username or None,
                "custom_id": consumer.custom_id or None,
                "plugins": list(policy.plugins),
            }
            for consumer, policy in entries
        ],
        "credentials": {"key-auth": keys},
    }
    return json.dumps(table, separators=(",", ":"), ensure_ascii=False).encode()
