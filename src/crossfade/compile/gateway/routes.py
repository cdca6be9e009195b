"""Kong routes → routes of the gateway's tables, ranked in Kong's order of precedence (kong.md §3.3)."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from msgspec import UNSET

from crossfade.api.bounds import MOST_SECONDS
from crossfade.compile.gateway.logged import logged
from crossfade.compile.gateway.route_policies import RoutePolicy
from crossfade.compile.gateway.state import KongPath, KongRoute, KongService
from crossfade.compile.model import Discovery
from crossfade.compile.routing import tables
from crossfade.compile.routing.precedence import rank
from crossfade.compile.routing.retry import RetryPolicy
from crossfade.compile.routing.routes import Destination

ANY: Final = "*"
# What no upstream has begun may always be sent again; the module widens this for idempotent methods.
_RETRY_ON: Final = ("connect-failure", "refused-stream", "reset-before-request")
# Back-off between the tries.
_MARGIN_S: Final = 5.0
_USE_HTTPS: Final = tables.Answer(426, "Please use HTTPS protocol", (("upgrade", "TLS/1.2, HTTP/1.1"),))

_CANCELLED: Final = "1"
_USE_GRPCS: Final = tables.Answer(200, "gRPC request matched gRPCs route", (("grpc-status", _CANCELLED),))


class TableRoute(NamedTuple):
    """A route and how Envoy treats its requests; `route.action` names `action`."""

    route: tables.Route
    action: tables.Action


def table_route(route: KongRoute, service: KongService, policy: RoutePolicy, *, is_logged: bool = False) -> TableRoute:
    name_of_all = None if route.preserve_host else _one_host(service)
    action = _action(service, policy, takes_host_of_endpoint=not route.preserve_host and name_of_all is None)
    found = tables.Route(
        id=route.id,
        match=_match(route),
        service=tables.UpstreamService(
            service.id,
            service.path,
            retry_idempotent=service.retries > 0,
            hashing=service.hashing,
            sticky=service.sticky,
        ),
        strip_path=route.strip_path,
        host=name_of_all,
        tls_name=None if route.preserve_host else _tls_name(service),
        request_buffering=route.request_buffering,
        action=tables.action_name(action),
        backends=(Destination(service.cluster.name),),
        https_only=_https_only(route),
        is_grpc=not {"http", "https"} & set(route.protocols),
        refusal=policy.refusal or service.refusal,
        steps=policy.steps,
        names=tables.Names(route.name, service.name, service.cluster.is_watched),
        logged=logged(route, service) if is_logged else UNSET,
    )
    return TableRoute(found, action)


def _match(route: KongRoute) -> tables.Match:
    """A plain request matches also where the route wants TLS, so that it can be told; TLS suits all (kong.md §11)."""
    return tables.Match(
        paths=tuple(tables.PathMatch(_rank(path, route), path.kind, path.text) for path in route.paths),
        schemes=("http",) if route.is_plain_only else ("http", "https"),
        hosts=route.hosts,
        methods=route.methods,
        headers=tuple(tables.HeaderMatch(name, values) for name, values in route.headers),
        snis=route.snis,
    )


def _rank(path: KongPath, route: KongRoute) -> str:
    """Of equal weights the older Ingress comes first, then the name."""
    return weight(path, route) + rank(route.created, route.name, path.text)


def weight(path: KongPath, route: KongRoute) -> str:
    """Kong's weights; where Kong leaves the order open: longer wildcard, longer path, pathType Exact before Prefix as
    Kubernetes has it (R-8)."""
    kinds = sum(map(bool, (route.methods, route.hosts, route.headers, route.snis))) + 1
    return rank(
        route.is_default_backend,
        -kinds,
        not route.hosts or any(ANY in host for host in route.hosts),
        -len(route.headers),
        not path.is_regex,
        -route.regex_priority if path.is_regex else 0,
        0 if path.is_regex else -len(path.text),
        -max((len(host) for host in route.hosts if ANY in host), default=0),
        not path.is_generated,
        -len(path.text),
        path.is_stem,
    )


def _https_only(route: KongRoute) -> tables.Answer | None:
    """What a request without TLS is told where the route wants it (kong.md §3.9)."""
    protocols = set(route.protocols)
    if protocols & {"http", "grpc"}:
        return None
    if "https" not in protocols:
        return _USE_GRPCS
    code = route.https_redirect_status_code
    return _USE_HTTPS if code == _USE_HTTPS.status else tables.Answer(code, redirect="https")


def _action(service: KongService, policy: RoutePolicy, *, takes_host_of_endpoint: bool) -> tables.Action:
    """A try ends when the Service is silent for the read timeout; the exchange only after as many tries may have."""
    silence_s = service.read_timeout / 1000
    retry = RetryPolicy(_RETRY_ON, service.retries, per_try_timeout_s=silence_s) if service.retries > 0 else None
    return tables.Action(
        retry=retry,
        idle_timeout_s=min(silence_s * (service.retries + 1) + (_MARGIN_S if retry else 0), MOST_SECONDS),
        takes_host_of_endpoint=takes_host_of_endpoint,
        filters=policy.filters,
        response_headers=tuple(header for edit in policy.edits for header in edit.response_headers),
    )


def facts_for_routes(service: KongService) -> str:
    """All that `table_route` reads of a Service, as one value; endpoints that come and go do not change it."""
    return repr(
        (
            service.id,
            service.name,
            service.path,
            service.retries,
            service.read_timeout,
            service.refusal,
            service.hashing,
            service.sticky,
            service.cluster.name,
            service.cluster.is_watched,
            service.cluster.connect_timeout_s,
            service.protocol,
            service.created,
            _one_host(service),
            _tls_name(service),
        )
    )


def _tls_name(service: KongService) -> tables.TlsName | None:
    """Elsewhere it is the Host that is sent, which Envoy takes by itself."""
    if service.server_name is None or service.cluster.tls is None or _one_host(service) is not None:
        return None
    return tables.TlsName(service.server_name, is_verified=service.cluster.tls.verifies)


def _one_host(service: KongService) -> str | None:
    """The name under which all targets are asked; None where each target has its own."""
    names = {endpoint.hostname for endpoint in service.cluster.endpoints}
    return names.pop() if len(names) == 1 and service.cluster.discovery is not Discovery.EDS else None


def actions_of(found: Iterable[TableRoute]) -> dict[str, tables.Action]:
    """Each once, by name."""
    return dict(sorted((item.route.action, item.action) for item in found))
