"""Route tables: virtual hosts, matches, actions."""

from collections.abc import Iterable, Sequence

from crossfade.compile.routing.matches import (
    HeaderMatch,
    PathMatchKind,
    QueryMatch,
    RangeMatch,
    RouteMatch,
    StringMatch,
    StringMatchKind,
)
from crossfade.compile.routing.patterns import re2_quoted
from crossfade.compile.routing.routes import (
    Destination,
    Forward,
    HostRewriteKind,
    Respond,
    Route,
    RouteTable,
    VirtualHost,
)
from crossfade.envoy import names
from crossfade.envoy.common_parts import HostBytes, host_key
from crossfade.envoy.filters.asked import fill_asked
from crossfade.envoy.proto import (
    BoolValue,
    UInt32Value,
    core_v3,
    duration,
    matcher_v3,
    route_v3,
    type_v3,
)
from crossfade.envoy.retry import retry_policy
from crossfade.envoy.route_matcher import LIST_LIMIT, Leaves, matcher_from_routes
from crossfade.envoy.telemetry.stats_log import TARGET_METADATA

STRING_FIELDS = {StringMatchKind.EXACT: "exact", StringMatchKind.PREFIX: "prefix", StringMatchKind.SUFFIX: "suffix"}


class KnownHosts:
    """Virtual hosts of one proxy's tables as they were encoded last: of a large table most stay as they are."""

    def __init__(self) -> None:
        self._by_table: dict[str, dict[str, tuple[VirtualHost, bytes]]] = {}

    def configuration(self, table: RouteTable, common: HostBytes) -> route_v3.RouteConfiguration:
        """`common` are hosts of other proxies too, by `host_key`."""
        before, shared = self._by_table.get(table.name, {}), _Shared()
        now: dict[str, tuple[VirtualHost, bytes]] = {}
        parts: list[bytes] = []
        for host in table.virtual_hosts:
            known = before.get(host.name)
            if known is None or known[0] != host:
                key = host_key(host)
                if (encoded := common.get(key)) is None:
                    wrapped = route_v3.RouteConfiguration(virtual_hosts=[_virtual_host(host, shared)])
                    encoded = common[key] = wrapped.SerializeToString(deterministic=True)
                known = (host, encoded)
            now[host.name] = known
            parts.append(known[1])
        self._by_table[table.name] = now
        # Messages of one type may be joined: repeated fields add up.
        message = route_v3.RouteConfiguration.FromString(b"".join(parts))
        message.MergeFrom(_without_hosts(table))
        return message

    def keep(self, tables: Iterable[str]) -> None:
        """Forgets all others."""
        self._by_table = {name: self._by_table[name] for name in tables if name in self._by_table}


def route_configuration(table: RouteTable) -> route_v3.RouteConfiguration:
    shared = _Shared()
    message = _without_hosts(table)
    message.virtual_hosts.extend([_virtual_host(host, shared) for host in table.virtual_hosts])
    return message


def _without_hosts(table: RouteTable) -> route_v3.RouteConfiguration:
    message = route_v3.RouteConfiguration(name=table.name, response_headers_to_remove=table.hidden_headers)
    for name, source in table.copied_headers:
        # An absent header gives an empty value, and those are not added.
        header = core_v3.HeaderValue(key=name, value=f"%RESP({source})%")
        message.response_headers_to_add.add(
            header=header, append_action=core_v3.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
        )
    return message


class _Shared:
    """Builds a route of one virtual host once, however often it stands there; the table keeps the routes alive."""

    def __init__(self) -> None:
        self.leaves = Leaves()
        self._built: dict[tuple[str, int], route_v3.Route] = {}

    def message(self, route: Route, service: str) -> route_v3.Route:
        built = self._built.get((service, id(route)))
        if built is None:
            built = self._built[service, id(route)] = route_from_model(route)
            built.name = names.route_name(service, route.name)
        return built


def _virtual_host(host: VirtualHost, shared: _Shared) -> route_v3.VirtualHost:
    """A long list costs every request; beyond `LIST_LIMIT` a tree gives the same answers (see `route_matcher`)."""
    routes = [shared.message(route, host.name) for route in host.routes]
    message = route_v3.VirtualHost(name=host.name, domains=host.domains)
    message.metadata.filter_metadata[TARGET_METADATA].fields["service"].string_value = host.name
    if len(routes) <= LIST_LIMIT:
        message.routes.extend(routes)
    else:
        message.matcher.CopyFrom(matcher_from_routes([route.match for route in host.routes], routes, shared.leaves))
    return message


def route_from_model(route: Route) -> route_v3.Route:
    message = route_v3.Route(name=route.name, match=_match(route.match))
    if isinstance(route.action, Forward):
        _fill_forward(message.route, route.action)
        _fill_headers(message, route.action)
        fill_asked(message, route.action)
    else:
        _fill_respond(message, route.action)
    return message


# --- matches ---------------------------------------------------------------------------------------------------


def _match(match: RouteMatch) -> route_v3.RouteMatch:
    message = route_v3.RouteMatch()
    match match.path_kind:
        case PathMatchKind.PREFIX:
            message.prefix = match.path
        case PathMatchKind.EXACT:
            message.path = match.path
        case PathMatchKind.REGEX:
            message.safe_regex.regex = match.path
    if match.methods:
        message.headers.append(_pseudo_header(":method", match.methods))
    if match.scheme:
        message.headers.append(_pseudo_header(":scheme", (match.scheme,)))
    if match.headers:
        message.headers.extend([_header(header) for header in match.headers])
    if match.query:
        message.query_parameters.extend([_query(query) for query in match.query])
    if match.is_grpc:
        message.grpc.SetInParent()
    return message


def _pseudo_header(name: str, values: Sequence[str]) -> route_v3.HeaderMatcher:
    return _header(HeaderMatch(name, tuple(StringMatch(StringMatchKind.EXACT, value) for value in values)))


def _header(header: HeaderMatch) -> route_v3.HeaderMatcher:
    message = route_v3.HeaderMatcher(name=header.name, invert_match=header.inverted)
    match header.any_of:
        case ():
            message.present_match = True
        case (RangeMatch(start, end),):
            message.range_match.CopyFrom(type_v3.Int64Range(start=start, end=end))
        case (StringMatch() as only,):
            message.string_match.CopyFrom(_string(only))
        case alternatives:
            message.string_match.safe_regex.regex = "|".join(_regex(one) for one in alternatives)
    return message


def _string(match: StringMatch) -> matcher_v3.StringMatcher:
    if match.kind is StringMatchKind.REGEX:
        flags = "(?i)" if match.ignores_case else ""
        return matcher_v3.StringMatcher(safe_regex=matcher_v3.RegexMatcher(regex=flags + match.value))
    message = matcher_v3.StringMatcher(ignore_case=match.ignores_case)
    setattr(message, STRING_FIELDS[match.kind], match.value)
    return message


def _regex(match: StringMatch | RangeMatch) -> str:
    """One alternative of several as RE2; Envoy has no "any of" for header values of mixed kinds."""
    if isinstance(match, RangeMatch):
        raise TypeError("a range cannot stand beside other alternatives of a header match")
    value = match.value if match.kind is StringMatchKind.REGEX else re2_quoted(match.value)
    flags = "i" if match.ignores_case else ""
    head = "(?s:.*)" if match.kind is StringMatchKind.SUFFIX else ""
    tail = "(?s:.*)" if match.kind is StringMatchKind.PREFIX else ""
    return f"{head}(?{flags}:{value}){tail}"


def _query(query: QueryMatch) -> route_v3.QueryParameterMatcher:
    if query.exact is None:
        return route_v3.QueryParameterMatcher(name=query.name, present_match=True)
    return route_v3.QueryParameterMatcher(name=query.name, string_match=matcher_v3.StringMatcher(exact=query.exact))


# --- actions ---------------------------------------------------------------------------------------------------


def _fill_forward(action: route_v3.RouteAction, forward: Forward) -> None:
    _fill_destinations(action, forward.destinations)
    action.timeout.CopyFrom(duration(forward.timeout_s or 0))
    if forward.idle_timeout_s is not None:
        action.idle_timeout.CopyFrom(duration(forward.idle_timeout_s))
    match forward.host.kind:
        case HostRewriteKind.LITERAL:
            action.host_rewrite_literal = forward.host.value
        case HostRewriteKind.ENDPOINT:
            action.auto_host_rewrite.value = True
    if forward.prefix_rewrite is not None:
        action.prefix_rewrite = forward.prefix_rewrite
    if forward.path_rewrite is not None:
        # A path is never empty, and the query is no part of what is matched.
        action.regex_rewrite.pattern.regex = ".+"
        action.regex_rewrite.substitution = forward.path_rewrite.replace("\\", "\\\\")
    if forward.retry is not None:
        action.retry_policy.CopyFrom(retry_policy(forward.retry))
    for mirror in forward.mirrors:
        policy = action.request_mirror_policies.add(cluster=mirror.cluster, disable_shadow_host_suffix_append=True)
        policy.runtime_fraction.default_value.numerator = mirror.percent
    if not forward.has_websocket:
        action.upgrade_configs.add(upgrade_type="websocket", enabled=BoolValue(value=False))


def _fill_headers(message: route_v3.Route, forward: Forward) -> None:
    message.request_headers_to_remove.extend(forward.removed_request_headers)
    message.request_headers_to_add.extend([_set_header(*header) for header in forward.request_headers])
    message.response_headers_to_remove.extend(forward.removed_response_headers)
    message.response_headers_to_add.extend([_set_header(*header) for header in forward.response_headers])


def _set_header(name: str, value: str) -> core_v3.HeaderValueOption:
    return core_v3.HeaderValueOption(
        header=core_v3.HeaderValue(key=name, value=value.replace("%", "%%")),
        append_action=core_v3.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD,
        keep_empty_value=not value,
    )


def _fill_destinations(action: route_v3.RouteAction, destinations: tuple[Destination, ...]) -> None:
    if len(destinations) == 1:
        action.cluster = destinations[0].cluster
        return
    for destination in destinations:
        action.weighted_clusters.clusters.add(name=destination.cluster, weight=UInt32Value(value=destination.weight))


def _fill_respond(message: route_v3.Route, respond: Respond) -> None:
    message.direct_response.status = respond.status
    if respond.body:
        message.direct_response.body.inline_string = respond.body
        content_type = core_v3.HeaderValue(key="content-type", value=respond.content_type)
        message.response_headers_to_add.add(
            header=content_type, append_action=core_v3.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
        )
