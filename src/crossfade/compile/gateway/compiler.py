"""The ordered passes from a snapshot to the gateway's model; pure, deterministic, never fails on an object."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import msgspec
from msgspec import UNSET

from crossfade.api.gateway_api.reference_grant import ReferenceGrant
from crossfade.api.kong.class_parameters import IngressClassParameters
from crossfade.api.kong.consumer import KongConsumer, KongConsumerGroup
from crossfade.api.kong.custom_entity import KongCustomEntity
from crossfade.api.kong.ingress import KongIngress
from crossfade.api.kong.plugin import KongClusterPlugin, KongPlugin
from crossfade.api.kong.service_facade import KongServiceFacade
from crossfade.api.kong.stream_ingress import StreamIngress, TcpIngress, UdpIngress
from crossfade.api.kong.upstream_policy import KongUpstreamPolicy
from crossfade.api.kong.vault import KongVault
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.gateway.acme import PLUGIN as ACME
from crossfade.compile.gateway.acme import Acme, Demand, acme_of, with_challenges
from crossfade.compile.gateway.authorities import CA_LABEL, Authority, authorities_of
from crossfade.compile.gateway.certificates import NamedCertificate, certificates_of
from crossfade.compile.gateway.claims import tell_rivals
from crossfade.compile.gateway.class_parameters import class_parameters
from crossfade.compile.gateway.classes import ClassFilter
from crossfade.compile.gateway.client_certificates import asked_names
from crossfade.compile.gateway.consumer_groups import GROUP_UNUSED, ConsumerGroup, consumer_groups_of
from crossfade.compile.gateway.consumers import Consumer, consumers_of, table_credentials
from crossfade.compile.gateway.custom_entities import refuse_custom_entities
from crossfade.compile.gateway.ingresses import kong_routes
from crossfade.compile.gateway.keepalive import kept_alive
from crossfade.compile.gateway.listeners import listeners
from crossfade.compile.gateway.logged import logged_consumer
from crossfade.compile.gateway.name_lookups import looked_up
from crossfade.compile.gateway.plugin_instances import Protos
from crossfade.compile.gateway.plugin_protos import SELECTOR, ProtoConfigMap, names_files, proto_files
from crossfade.compile.gateway.plugins import Attachments, ConsumerPolicy
from crossfade.compile.gateway.route_policies import Instance, route_policy, tell_protocols
from crossfade.compile.gateway.routes import TableRoute, actions_of, facts_for_routes, table_route
from crossfade.compile.gateway.services import ServiceResolver
from crossfade.compile.gateway.settings import CompileSettings
from crossfade.compile.gateway.state import KongRoute, KongService
from crossfade.compile.gateway.stream_listeners import PlacedStream, stream_listeners, tell_needless_balancing
from crossfade.compile.gateway.stream_plugins import counted_sessions, unguarded
from crossfade.compile.gateway.streams import stream_routes, tcp_ingresses, udp_ingresses
from crossfade.compile.gateway.unclaimed import tell_unclaimed
from crossfade.compile.gateway.upstream_tls import OwnTls
from crossfade.compile.gateway.vaults import vaults_of
from crossfade.compile.isolate import isolated
from crossfade.compile.memo import Memo
from crossfade.compile.model import ProxyModel
from crossfade.compile.policies.registry import RECORDERS
from crossfade.compile.routing import tables
from crossfade.compile.routing.origin import Origin
from crossfade.kong_conf.settings import KongSettings
from crossfade.policy_module import library
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core.config_map import ConfigMap
from crossfade_kube.core.endpoint_slice import EndpointSlice
from crossfade_kube.core.ingress import Ingress, IngressClass
from crossfade_kube.core.secret import Secret
from crossfade_kube.core.service import Service
from crossfade_kube.registry import TypedObject

INPUT_KINDS = (
    Ingress,
    IngressClass,
    IngressClassParameters,
    Service,
    EndpointSlice,
    Secret,
    ConfigMap,
    KongPlugin,
    KongClusterPlugin,
    KongConsumer,
    KongConsumerGroup,
    KongIngress,
    KongUpstreamPolicy,
    KongServiceFacade,
    TcpIngress,
    UdpIngress,
    KongVault,
    KongCustomEntity,
    ReferenceGrant,
)

# Roles that were written for older controllers do not name these.
MAY_BE_FORBIDDEN: Final[frozenset[type[TypedObject]]] = frozenset(
    {
        IngressClass,
        IngressClassParameters,
        EndpointSlice,
        ConfigMap,
        KongConsumerGroup,
        KongUpstreamPolicy,
        KongServiceFacade,
        TcpIngress,
        UdpIngress,
        KongVault,
        KongCustomEntity,
        ReferenceGrant,
        ProtoConfigMap,
    }
)

# Looked at only where a snapshot of the others asks for them.
ON_DEMAND: Final[Mapping[type[TypedObject], Callable[[Snapshot], bool]]] = {ProtoConfigMap: names_files}

# Of these a cluster has many that mean nothing here.
INPUT_SELECTORS: Final[Mapping[type[TypedObject], str]] = {ConfigMap: f"{CA_LABEL}=true", ProtoConfigMap: SELECTOR}
# Credentials need no label, so that all Secrets are read but those that hold releases of Helm, each up to 1 MB.
INPUT_FIELDS: Final[Mapping[type[TypedObject], str]] = {Secret: "type!=helm.sh/release.v1"}
_CONSUMER_UNKNOWN: Final = "the consumer is not known, its credentials are not accepted"


class KongEntities(NamedTuple):
    """What stands between the objects and the tables: Kong's own entities, for who asks about them.

    `placed` has every route with its service, also those that the policy module refused; `placed_streams` also those
    that are closed, `stream_objects` also those without any route. `acme` is which certificates are to be asked for.
    """

    placed: tuple[tuple[KongRoute, KongService], ...]
    plugins: Attachments
    placed_streams: tuple[PlacedStream, ...] = ()
    stream_objects: tuple[StreamIngress, ...] = ()
    certificates: tuple[NamedCertificate, ...] = ()
    authorities: tuple[Authority, ...] = ()
    acme: Demand | None = None


class CompiledGateway(NamedTuple):
    model: ProxyModel
    diagnostics: Diagnostics
    entities: KongEntities


def compile_gateway(snapshot: Snapshot, settings: CompileSettings, memo: Memo | None = None) -> CompiledGateway:
    """With the `memo` of the last time, what has not changed is not made again; the result is the same."""
    memo = Memo() if memo is None else memo
    memo.begin()
    diagnostics = Diagnostics()
    classes = ClassFilter(snapshot, settings.ingress_class)
    ingresses = [item for item in snapshot.all(Ingress) if classes.takes_ingress(item)]
    tell_unclaimed(snapshot, classes, memo, diagnostics, is_alone=settings.stands_alone)
    parameters = class_parameters(snapshot, settings.ingress_class, diagnostics)
    detects_regex = settings.compat == "kong-2.1" or parameters.enable_legacy_regex_detection
    routes = kong_routes(ingresses, snapshot, memo, diagnostics, detects_regex=detects_regex)
    tell_rivals(routes, memo, diagnostics)
    streams = stream_routes(snapshot, classes, settings.kong.stream_listen, memo, diagnostics)
    resolver = ServiceResolver(
        snapshot,
        classes,
        memo,
        diagnostics,
        is_service_upstream=parameters.service_upstream,
        own_tls=OwnTls(
            settings.trusted_authorities,
            settings.client_certificate if settings.kong.client_ssl else None,
        ),
    )
    placed = [(route, resolver.resolve(route.backend)) for route in routes]
    placed_streams = [(stream, resolver.resolve(stream.backend)) for stream in streams]
    services = resolver.services
    refuse_custom_entities(snapshot, classes, memo, diagnostics)
    vaults = vaults_of(snapshot, classes, settings, memo, diagnostics)
    groups = consumer_groups_of(snapshot, classes, memo, diagnostics)
    authorities = authorities_of(snapshot, classes, memo, diagnostics)
    serves_without_missing = settings.missing_plugins == "open"
    consumers = consumers_of(
        snapshot, classes, groups, memo, diagnostics, serves_without_missing=serves_without_missing
    )
    plugins = Attachments(
        snapshot,
        classes,
        memo,
        diagnostics,
        referrers=[*routes, *streams, *services.values()],
        consumers=consumers,
        groups=[*groups.values()],
        vaults=vaults,
        authorities=authorities,
        protos=Protos(proto_files(snapshot, memo, diagnostics), settings.namespace),
        serves_without_missing=serves_without_missing,
    )
    with_tls: tuple[Ingress | TcpIngress, ...] = (*ingresses, *tcp_ingresses(snapshot, classes))
    certificates = certificates_of(with_tls, snapshot, vaults, memo, diagnostics)
    acme = acme_of(plugins.global_instance(ACME), routes, certificates, snapshot, settings, memo, diagnostics)
    if acme is not None:
        certificates += acme.certificates
        placed += acme.placed
        services = services | {service.name: service for _, service in acme.placed}
    entities = KongEntities(
        tuple(placed),
        plugins,
        tuple(placed_streams),
        (*tcp_ingresses(snapshot, classes), *udp_ingresses(snapshot, classes)),
        certificates=tuple(certificates),
        authorities=tuple(authorities.values()),
        acme=None if acme is None else acme.demand,
    )
    is_logged = any(plugins.has_any(name) for name in RECORDERS)
    making = _Making(memo, diagnostics, plugins, is_logged=is_logged)
    model = _model(entities, services, acme, making, settings=settings, diagnostics=diagnostics)
    return CompiledGateway(model, diagnostics, entities)


def _model(
    entities: KongEntities,
    services: Mapping[str, KongService],
    acme: Acme | None,
    making: "_Making",
    *,
    settings: CompileSettings,
    diagnostics: Diagnostics,
) -> ProxyModel:
    found = [(route, made) for route, service in entities.placed if (made := making.route(route, service)) is not None]
    served = tuple(unguarded(entities.placed_streams, entities.plugins, diagnostics))
    tell_needless_balancing(served, diagnostics)
    return ProxyModel(
        listeners=(
            *listeners(settings, entities.certificates, asked_names(entities.placed, entities.plugins)),
            *stream_listeners(served, settings, entities.certificates),
        ),
        clusters=tuple(
            looked_up(kept_alive(services[name].cluster, settings.kong), settings.kong)
            for name in sorted(services)
            if services[name].refusal is None
        ),
        gateway=tables.GatewayTables(
            settings=_settings(settings, entities.plugins.everywhere(), counted_sessions(served, entities.plugins)),
            routes=tuple(
                tables.Row(route.origin, made.route) for route, made in sorted(found, key=lambda item: item[0].id)
            ),
            instances=with_challenges(making.instances(), acme),
            consumers=making.consumers(settings.salt),
            consumer_groups=making.consumer_groups(),
            actions=actions_of(made for _, made in found),
        ),
    )


class _Making:
    """The last pass: what the others have found becomes entries of the tables, each one behind a boundary."""

    def __init__(self, memo: Memo, diagnostics: Diagnostics, plugins: Attachments, *, is_logged: bool) -> None:
        self._memo = memo
        self._diagnostics = diagnostics
        self._plugins = plugins
        self._is_logged = is_logged
        self._facts: dict[str, str] = {}

    def route(self, route: KongRoute, service: KongService) -> TableRoute | None:
        attached = self._plugins.at(route, service)

        def build(found: Diagnostics) -> TableRoute | None:
            tell_protocols(attached, route, found)
            policy = route_policy(attached)
            made = table_route(route, service, policy, is_logged=self._is_logged)
            return _checked(made, route.origin, found)

        def make(found: Diagnostics) -> TableRoute | None:
            return isolated(
                lambda: build(found),
                otherwise=None,
                ref=route.origin.ref,
                field=route.origin.path,
                effect="the route matches no request",
                diagnostics=found,
            )

        ranks = (part for item in attached for part in (item.instance, item.rank))
        inputs = (route, self._facts_of(service), self._is_logged, *ranks)
        return self._memo.of(("route", route.id), inputs, make, self._diagnostics)

    def _facts_of(self, service: KongService) -> str:
        """What routes depend on: endpoints come and go without making them anew."""
        known = self._facts.get(service.name)
        if known is None:
            known = self._memo.of(
                ("facts", service.name), (service,), lambda _: facts_for_routes(service), self._diagnostics
            )
            self._facts[service.name] = known
        return known

    def instances(self) -> tuple[tables.Row[tables.Instance], ...]:
        inputs = ((instance,) for instance in self._plugins.instances())
        return self._memo.each("instances", inputs, (), _instance_row, self._diagnostics)

    def consumers(self, salt: bytes) -> tuple[tables.Row[tables.Consumer], ...]:
        """A consumer that would escape a policy it carries is left out, and its credentials with it."""

        def make(
            consumer: Consumer, carried: tuple[Instance, ...], found: Diagnostics
        ) -> tables.Row[tables.Consumer] | None:
            policy = self._plugins.policy_of(consumer, carried, found)
            if policy.refusal is not None:
                return None
            return isolated(
                lambda: _table_consumer(consumer, policy, salt, found, is_logged=self._is_logged),
                otherwise=None,
                ref=consumer.ref,
                effect=_CONSUMER_UNKNOWN,
                diagnostics=found,
            )

        shared = (
            salt,
            self._is_logged,
            self._plugins.used_by_traffic,
            self._plugins.protocols_of_routes,
            frozenset(self._plugins.refused_groups),
        )
        rows = self._memo.each("table consumers", self._plugins.of_consumers(), shared, make, self._diagnostics)
        return tuple(row for row in rows if row is not None)

    def consumer_groups(self) -> tuple[tables.Row[tables.ConsumerGroup], ...]:
        """Without those whose members are not known."""

        def make(
            group: ConsumerGroup, carried: tuple[Instance, ...], found: Diagnostics
        ) -> tables.Row[tables.ConsumerGroup] | None:
            policy = self._plugins.policy_of_group(group, carried, found)
            if policy.refusal is not None:
                return None
            return isolated(
                lambda: _table_group(group, policy, found),
                otherwise=None,
                ref=group.ref,
                effect=GROUP_UNUSED,
                diagnostics=found,
            )

        shared = (
            self._plugins.used_by_traffic,
            self._plugins.protocols_of_routes,
            self._plugins.carried_by_consumers,
        )
        rows = self._memo.each("table groups", self._plugins.of_groups(), shared, make, self._diagnostics)
        return tuple(sorted((row for row in rows if row is not None), key=lambda row: row.value.id))


def _table_group(
    group: ConsumerGroup, policy: ConsumerPolicy, diagnostics: Diagnostics
) -> tables.Row[tables.ConsumerGroup] | None:
    made = tables.ConsumerGroup(group.id, group.name, policy.carries, policy.own)
    problem = library.problem("consumer_group", msgspec.json.encode(made).decode())
    if problem is None:
        return tables.Row(Origin(group.ref), made)
    diagnostics.error(
        group.ref, "consumer-group.invalid", problem, effect=GROUP_UNUSED, hint="correct the group's name"
    )
    return None


def _instance_row(instance: Instance, _: Diagnostics) -> tables.Row[tables.Instance]:
    return tables.Row(Origin(instance.ref), tables.Instance(instance.id, instance.plugin, instance.module_config or {}))


def _table_consumer(
    consumer: Consumer, policy: ConsumerPolicy, salt: bytes, diagnostics: Diagnostics, *, is_logged: bool
) -> tables.Row[tables.Consumer] | None:
    made = tables.Consumer(
        id=consumer.id,
        username=consumer.username or None,
        custom_id=consumer.custom_id or None,
        groups=consumer.groups,
        consumer_groups=consumer.consumer_groups,
        carries=policy.carries,
        own=policy.own,
        credentials=table_credentials(consumer, salt),
        logged=logged_consumer(consumer) if is_logged else UNSET,
    )
    problem = library.problem("consumer", msgspec.json.encode(made).decode())
    if problem is None:
        return tables.Row(Origin(consumer.ref), made)
    diagnostics.error(
        consumer.ref, "consumer.invalid", problem, effect=_CONSUMER_UNKNOWN, hint="correct the consumer and its Secrets"
    )
    return None


def _checked(made: TableRoute, origin: Origin, diagnostics: Diagnostics) -> TableRoute | None:
    """The policy module has the last word on what it is to route by."""
    problem = library.problem("route", msgspec.json.encode(made.route).decode())
    if problem is None:
        return made
    diagnostics.error(
        origin.ref,
        "ingress.invalid-route",
        problem,
        effect="the route matches no request",
        hint="correct the rule",
        field=origin.path,
    )
    return None


def _settings(settings: CompileSettings, everywhere: tuple[str, ...], sessions: dict[str, str]) -> tables.Settings:
    kong = settings.kong
    return tables.Settings(
        compat=settings.compat,
        server_token=settings.token,
        salt=settings.salt.hex(),
        trusted_ips=kong.trusted_ips,
        real_ip_header=kong.real_ip_header,
        real_ip_recursive=kong.real_ip_recursive,
        port_maps={str(port): public for port, public in kong.port_maps},
        headers=kong.headers,
        headers_upstream=kong.headers_upstream,
        identity_headers=settings.identity_headers,
        max_body_bytes=kong.nginx_http_client_max_body_size or None,
        cache_bytes=kong.mem_cache_size,
        error_default_type=kong.error_default_type,
        error_templates=_templates(kong) or None,
        records=settings.records,
        logs_access=kong.proxy_access_log is not None,
        everywhere=everywhere,
        sessions=sessions,
        tells_names=kong.allow_debug_header,
    )


def _templates(kong: KongSettings) -> dict[str, str]:
    given = {
        "html": kong.error_template_html,
        "json": kong.error_template_json,
        "plain": kong.error_template_plain,
        "xml": kong.error_template_xml,
    }
    return {kind: text for kind, text in given.items() if text is not None}
