"""Listeners and their filter chains."""

from collections.abc import Iterable

from crossfade.compile.model import (
    Dialect,
    Direction,
    FilterChain,
    HttpHandler,
    Listener,
    Protocol,
    TcpHandler,
    UdpHandler,
)
from crossfade.compile.routing.routes import Destination
from crossfade.envoy import names
from crossfade.envoy.access_log import access_logs
from crossfade.envoy.endpoint import address
from crossfade.envoy.filters.policies import cached_filter, metrics_filter, session_log
from crossfade.envoy.http import answering_manager, connection_manager, tables_manager
from crossfade.envoy.mesh_tls import downstream
from crossfade.envoy.name_cache import name_cache
from crossfade.envoy.proto import (
    core_v3,
    duration,
    hcm_v3,
    listener_v3,
    original_dst_v3,
    packed,
    proxy_protocol_v3,
    sni_dfp_v3,
    tcp_proxy_v3,
    tls_inspector_v3,
    udp_proxy_v3,
    xds_core_v3,
    xds_matcher_v3,
)
from crossfade.envoy.server_names import matcher_of_names
from crossfade.envoy.settings import CachedAccess, EnvoyOptions
from crossfade.envoy.telemetry.stats_log import connection_log
from crossfade.envoy.tls import server_tls

# Never bound; only no other listener may have the same address.
UNBOUND_PORT = 1
TRAFFIC_DIRECTION = {Direction.INBOUND: 1, Direction.OUTBOUND: 2}
"""`envoy.config.core.v3.TrafficDirection`."""


def listener_from_model(listener: Listener, options: EnvoyOptions) -> listener_v3.Listener:
    """A connection that fits no chain is closed, unless one chain asks for nothing."""
    message = listener_v3.Listener(
        name=listener.name,
        address=address(listener.address, listener.port, is_udp=listener.datagrams is not None),
        traffic_direction=TRAFFIC_DIRECTION[listener.direction],
        listener_filters=_listener_filters(listener, options),
    )
    if listener.backlog is not None:
        message.tcp_backlog_size.value = listener.backlog
    if listener.takes_ipv4_too:
        message.address.socket_address.ipv4_compat = True
    if listener.counts_connections:
        message.access_log.append(connection_log())
    matcher = _matcher(listener)
    if matcher is not None:
        message.filter_chain_matcher.CopyFrom(matcher)
    for chain in listener.chains:
        built = _filter_chain(chain, options, listener, has_match=matcher is None)
        if built.HasField("filter_chain_match") or chain.server_names or chain.one_label_names:
            message.filter_chains.append(built)
        else:
            message.default_filter_chain.CopyFrom(built)
    return message


def _matcher(listener: Listener) -> xds_matcher_v3.Matcher | None:
    """None where chains ask for more than a server name, or for nothing: they say so themselves."""
    if any(chain.destination_port is not None or chain.takes_tls_only for chain in listener.chains):
        return None
    return matcher_of_names(listener.chains)


def _listener_filters(listener: Listener, options: EnvoyOptions) -> list[listener_v3.ListenerFilter]:
    filters = []
    if listener.has_proxy_protocol:
        # Before any other: what it takes away is not for them.
        config = packed(proxy_protocol_v3.ProxyProtocol())
        filters.append(listener_v3.ListenerFilter(name=names.PROXY_PROTOCOL, typed_config=config))
    if listener.restores_original_destination:
        config = packed(original_dst_v3.OriginalDst())
        filters.append(listener_v3.ListenerFilter(name=names.ORIGINAL_DST, typed_config=config))
    if listener.datagrams is not None:
        config = packed(_udp_proxy(listener.datagrams, options))
        filters.append(listener_v3.ListenerFilter(name=names.UDP_PROXY, typed_config=config))
    inspected = [chain for chain in listener.chains if chain.server_names or chain.certificate or chain.takes_tls_only]
    if inspected:
        config = packed(tls_inspector_v3.TlsInspector())
        inspector = listener_v3.ListenerFilter(name=names.TLS_INSPECTOR, typed_config=config)
        _limit_to_ports(inspector, {chain.destination_port for chain in inspected})
        filters.append(inspector)
    return filters


def _limit_to_ports(inspector: listener_v3.ListenerFilter, ports: set[int | None]) -> None:
    """Elsewhere the inspector would wait for bytes that a server-first protocol never sends."""
    if None in ports:
        return
    rules = [_port_rule(port) for port in sorted(port for port in ports if port is not None)]
    if len(rules) == 1:
        inspector.filter_disabled.not_match.CopyFrom(rules[0])
    else:
        inspector.filter_disabled.not_match.or_match.rules.extend(rules)


def _port_rule(port: int) -> listener_v3.ListenerFilterChainMatchPredicate:
    rule = listener_v3.ListenerFilterChainMatchPredicate()
    rule.destination_port_range.start = port
    rule.destination_port_range.end = port + 1
    return rule


def _filter_chain(
    chain: FilterChain, options: EnvoyOptions, listener: Listener, *, has_match: bool
) -> listener_v3.FilterChain:
    message = listener_v3.FilterChain(name=chain.name)
    if chain.destination_port is not None:
        message.filter_chain_match.destination_port.value = chain.destination_port
    if chain.server_names and has_match:
        message.filter_chain_match.server_names.extend(chain.server_names)
    if chain.certificate is not None:
        alpn = _alpn(chain)
        message.transport_socket.CopyFrom(server_tls(chain.certificate, chain.tls, alpn=alpn, asked=chain.asked))
    if chain.takes_tls_only:
        message.filter_chain_match.transport_protocol = "tls"
    if chain.mesh_tls is not None:
        message.transport_socket.CopyFrom(downstream(chain.mesh_tls, _spoken(chain.handler)))
    if isinstance(chain.handler, TcpHandler) and chain.handler.finds_host_on is not None:
        by_name = packed(sni_dfp_v3.FilterConfig(port_value=chain.handler.finds_host_on, dns_cache_config=name_cache()))
        message.filters.add(name=names.BY_SERVER_NAME, typed_config=by_name)
    message.filters.append(_network_filter(chain, options, listener))
    return message


def _spoken(handler: HttpHandler | TcpHandler) -> tuple[Protocol, ...]:
    """The dearest first."""
    if isinstance(handler, TcpHandler):
        return ()
    return (Protocol.HTTP2, handler.protocol) if handler.takes_http2 else (handler.protocol,)


def _alpn(chain: FilterChain) -> tuple[str, ...]:
    handler = chain.handler
    if not isinstance(handler, HttpHandler) or handler.dialect is not Dialect.KONG:
        return ()
    return ("h2", "http/1.1") if handler.takes_http2 else ("http/1.1",)


def _network_filter(chain: FilterChain, options: EnvoyOptions, listener: Listener) -> listener_v3.Filter:
    if isinstance(chain.handler, HttpHandler):
        manager = connection_manager(
            chain.handler,
            options,
            has_tls=chain.certificate is not None,
            tells_certificate=chain.asked is not None,
            port=listener.port,
            direction=listener.direction,
        )
        return listener_v3.Filter(name=names.HTTP_CONNECTION_MANAGER, typed_config=packed(manager))
    return listener_v3.Filter(name=names.TCP_PROXY, typed_config=packed(_tcp_proxy(chain.handler, options)))


def _tcp_proxy(handler: TcpHandler, options: EnvoyOptions) -> tcp_proxy_v3.TcpProxy:
    message = tcp_proxy_v3.TcpProxy(stat_prefix=handler.stat_prefix, access_log=access_logs(handler.access_log))
    if handler.counted_as is not None:
        message.access_log.append(session_log(handler.counted_as, options))
    _fill_destinations(message, handler.destinations)
    # 0 turns Envoy's own hour off.
    message.idle_timeout.CopyFrom(duration(handler.idle_timeout_s or 0))
    if handler.connect_attempts > 1:
        message.max_connect_attempts.value = handler.connect_attempts
    if handler.hashes_address:
        message.hash_policy.add().source_ip.SetInParent()
    return message


def _udp_proxy(handler: UdpHandler, options: EnvoyOptions) -> udp_proxy_v3.UdpProxyConfig:
    route = packed(udp_proxy_v3.Route(cluster=handler.cluster))
    message = udp_proxy_v3.UdpProxyConfig(
        stat_prefix=handler.stat_prefix,
        idle_timeout=duration(handler.idle_timeout_s),
        matcher=xds_matcher_v3.Matcher(
            on_no_match=xds_matcher_v3.Matcher.OnMatch(
                action=xds_core_v3.TypedExtensionConfig(name=names.UDP_ROUTE, typed_config=route)
            )
        ),
    )
    if handler.counted_as is not None:
        message.access_log.append(session_log(handler.counted_as, options))
    if handler.hashes_address:
        message.hash_policies.add().source_ip = True
    return message


def _fill_destinations(message: tcp_proxy_v3.TcpProxy, destinations: tuple[Destination, ...]) -> None:
    """Envoy refuses a weight of 0 here; for HTTP such destinations stay visible."""
    picked = [destination for destination in destinations if destination.weight > 0] or list(destinations)
    if len(picked) == 1:
        message.cluster = picked[0].cluster
        return
    for destination in picked:
        message.weighted_clusters.clusters.add(name=destination.cluster, weight=destination.weight)


def tables_listener(names_of_tables: Iterable[str]) -> listener_v3.Listener:
    """Listens nowhere."""
    manager = listener_v3.Filter(
        name=names.HTTP_CONNECTION_MANAGER, typed_config=packed(tables_manager(names_of_tables))
    )
    message = listener_v3.Listener(
        name=names.TABLES_LISTENER,
        address=address("127.0.0.1", UNBOUND_PORT),
        filter_chains=[listener_v3.FilterChain(filters=[manager])],
    )
    message.bind_to_port.value = False
    return message


def cached_listener(access: CachedAccess, options: EnvoyOptions) -> listener_v3.Listener:
    return _answering(names.CACHED_LISTENER, access.socket, cached_filter(access.token, options))


def metrics_listener(admin_port: int, options: EnvoyOptions) -> listener_v3.Listener:
    return _answering(names.METRICS_LISTENER, names.metrics_socket(admin_port), metrics_filter(admin_port, options))


def _answering(name: str, socket: str, answering: hcm_v3.HttpFilter) -> listener_v3.Listener:
    manager = listener_v3.Filter(
        name=names.HTTP_CONNECTION_MANAGER, typed_config=packed(answering_manager(name, answering))
    )
    return listener_v3.Listener(
        name=name,
        address=core_v3.Address(pipe=core_v3.Pipe(path=f"@{socket}")),
        filter_chains=[listener_v3.FilterChain(filters=[manager])],
    )
