"""Kong routes → one ordered list of routes for each virtual host, in Kong's order of precedence (kong.md §3.3).

Envoy picks the virtual host by Host first, Kong weighs the host among other attributes. So each virtual host holds
every route that a request with such a Host can match, also those for wildcards and for any host.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from crossfade.compile.gateway.ingress_options import CASELESS_REGEX
from crossfade.compile.gateway.plugins import RoutePolicy
from crossfade.compile.gateway.settings import CompileSettings
from crossfade.compile.gateway.state import KongPath, KongRoute, KongService, PathKind
from crossfade.compile.model import (
    Destination,
    Discovery,
    Forward,
    HeaderMatch,
    HostRewrite,
    HostRewriteKind,
    Origin,
    PathMatchKind,
    Respond,
    RetryPolicy,
    Route,
    RouteMatch,
    StringMatch,
    StringMatchKind,
    VirtualHost,
)
from crossfade_kube.meta import JsonObject, ObjectRef

ANY_HOST: Final = "*"
NO_ROUTE: Final = {"status": 404, "message": "no Route matched with those values"}
CONSUMERS: Final = "default"
_PATH_KINDS: Final = {
    PathKind.PLAIN: PathMatchKind.PREFIX,
    PathKind.EXACT: PathMatchKind.EXACT,
    PathKind.REGEX: PathMatchKind.REGEX_PREFIX,
}
# What no upstream has begun may always be sent again; the module widens this for idempotent methods.
_RETRY_ON: Final = ("connect-failure", "refused-stream", "reset-before-request")
# Back-off between the tries.
_MARGIN_S: Final = 5.0
_SCHEMES: Final = {"http": "http", "grpc": "http", "https": "https", "grpcs": "https"}
_USE_HTTPS: Final = {"status": 426, "message": "Please use HTTPS protocol"}
_NOT_GRPC: Final = {"status": 415, "message": "Non-gRPC request matched gRPC route"}


_NO_ROUTE_DETAILS: Final[JsonObject] = {
    "id": "",
    "service_id": None,
    "path_prefix": None,
    "path_regex": None,
    "strip_path": False,
    "service_path": "/",
}


class PlacedRoute(Struct, frozen=True):
    """A Kong route with what it forwards to and what runs on it."""

    route: KongRoute
    service: KongService
    policy: RoutePolicy


class Table(Struct, frozen=True):
    """What all requests of a route table have in common: the scheme is that of the listener, whatever a client says."""

    scheme: str
    settings: CompileSettings


def virtual_hosts(placed: Iterable[PlacedRoute], table: Table) -> tuple[VirtualHost, ...]:
    """Ordered by domain, the one for any host last; each ends with the route that says "no Route matched"."""
    candidates = _Candidates(sorted(((path, item) for item in placed for path in item.route.paths), key=_precedence))
    ending = _no_route(table.settings)
    return tuple(
        VirtualHost(domain, (domain,), (*candidates.routes_for(domain, table), ending))
        for domain in (*sorted(candidates.hosts - {ANY_HOST}), ANY_HOST)
    )


class _Candidates:
    """Routes in their order of precedence, found by the hosts that they can match; each is built once."""

    def __init__(self, ordered: list[tuple[KongPath, PlacedRoute]]) -> None:
        self.hosts: set[str] = set()
        self._ordered = ordered
        self._everywhere: list[int] = []
        self._by_host: dict[str, list[int]] = {}
        self._built: dict[tuple[int, tuple[str, ...]], tuple[Route, ...]] = {}
        for place, (_, item) in enumerate(ordered):
            self.hosts |= set(item.route.hosts)
            if not item.route.hosts or any(ANY_HOST in host for host in item.route.hosts):
                self._everywhere.append(place)
            for host in item.route.hosts:
                self._by_host.setdefault(host, []).append(place)

    def routes_for(self, domain: str, table: Table) -> Iterator[Route]:
        for place in sorted({*self._everywhere, *self._by_host.get(domain, ())}):
            path, item = self._ordered[place]
            hosts = tuple(host for host in item.route.hosts if _overlaps(host, domain))
            if hosts or not item.route.hosts:
                key = (place, hosts)
                if key not in self._built:
                    self._built[key] = tuple(_model_routes(path, item, hosts, table))
                yield from self._built[key]


def _precedence(candidate: tuple[KongPath, PlacedRoute]) -> tuple[object, ...]:
    """Kong's weights; where Kong leaves the order open: longer wildcard, exact path, older Ingress, then names."""
    path, item = candidate
    route = item.route
    kinds = sum(map(bool, (route.methods, route.hosts, route.headers))) + 1
    return (
        route.is_default_backend,
        -kinds,
        not route.hosts or any(ANY_HOST in host for host in route.hosts),
        -len(route.headers),
        not path.is_regex,
        -route.regex_priority if path.is_regex else 0,
        0 if path.is_regex else -len(path.text),
        -max((len(host) for host in route.hosts if ANY_HOST in host), default=0),
        not path.is_generated,
        -len(path.text),
        route.created,
        route.name,
        path.text,
    )


def _overlaps(host: str, domain: str) -> bool:
    """Whether a request that Envoy gives to the virtual host `domain` can match the Kong host."""
    if host == domain:
        return True
    if domain == ANY_HOST or ANY_HOST not in host:
        return False
    if host.startswith("*."):
        return domain.endswith(host[1:])
    if domain.startswith("*."):
        return True
    return domain.startswith(host[:-1])


def _model_routes(path: KongPath, item: PlacedRoute, hosts: tuple[str, ...], table: Table) -> Iterator[Route]:
    """The route itself, or what it answers to requests of a protocol that it does not take."""
    protocols = {_SCHEMES[name]: name for name in item.route.protocols}
    is_grpc = not {"http", "https"} & set(protocols.values())
    headers = (*_host_match(hosts), *map(_header_match, item.route.headers))
    match = RouteMatch(path.text, _PATH_KINDS[path.kind], item.route.methods, headers, is_grpc=is_grpc)

    def answering(answer: JsonObject, *, to_grpc: bool) -> Route:
        return _route(item, path, replace(match, is_grpc=to_grpc), table.settings, answer=answer)

    if table.scheme not in protocols:
        if table.scheme == "http":
            yield answering(_https_answer(item.route.https_redirect_status_code), to_grpc=False)
        return
    refusal = item.policy.refusal or item.service.refusal
    if refusal is None:
        yield _route(item, path, match, table.settings)
    else:
        yield answering({"status": 503, "message": refusal}, to_grpc=is_grpc)
    if is_grpc:
        yield answering(_NOT_GRPC, to_grpc=False)


def _https_answer(code: int) -> JsonObject:
    if code == 426:
        return {**_USE_HTTPS, "headers": [["Upgrade", "TLS/1.2, HTTP/1.1"]]}
    return {"status": code, "message": "", "redirect": "https"}


def _route(
    item: PlacedRoute,
    path: KongPath,
    match: RouteMatch,
    settings: CompileSettings,
    *,
    answer: JsonObject | None = None,
) -> Route:
    route, service = item.route, item.service
    details = {
        "id": route.id,
        "service_id": service.id,
        "path_prefix": None if path.kind is PathKind.REGEX else path.text,
        "path_regex": path.text if path.kind is PathKind.REGEX else None,
        "strip_path": route.strip_path,
        "service_path": service.path,
    }
    options = {"request_buffering": route.request_buffering, "retry_idempotent": service.retries > 0}
    return Route(
        name=route.name,
        match=match,
        action=_forward(route, service) if answer is None else Respond(int(answer["status"]), str(answer["message"])),
        origin=route.origin,
        policy=_module_json(
            settings, details, options=options, answer=answer, plugins=() if answer else item.policy.plugins
        ),
    )


def _forward(route: KongRoute, service: KongService) -> Forward:
    """A try ends when the Service is silent for the read timeout; the exchange only after as many tries may have."""
    silence_s = service.read_timeout / 1000
    retry = RetryPolicy(_RETRY_ON, service.retries, per_try_timeout_s=silence_s) if service.retries > 0 else None
    return Forward(
        destinations=(Destination(service.cluster.name),),
        timeout_s=None,
        idle_timeout_s=silence_s * (service.retries + 1) + (_MARGIN_S if retry else 0),
        retry=retry,
        host=HostRewrite() if route.preserve_host else _host_rewrite(service),
    )


def _host_rewrite(service: KongService) -> HostRewrite:
    """One name for all targets is written as it stands; else each target brings its own."""
    names = {endpoint.hostname for endpoint in service.cluster.endpoints}
    if len(names) == 1 and service.cluster.discovery is not Discovery.EDS:
        return HostRewrite(HostRewriteKind.LITERAL, names.pop())
    return HostRewrite(HostRewriteKind.ENDPOINT)


def _no_route(settings: CompileSettings) -> Route:
    return Route(
        name="no-route",
        match=RouteMatch("/"),
        action=Respond(404, str(NO_ROUTE["message"])),
        origin=Origin(ObjectRef("", "", "", "")),
        policy=_module_json(settings, _NO_ROUTE_DETAILS, answer=NO_ROUTE),
    )


def _module_json(
    settings: CompileSettings,
    route: JsonObject,
    *,
    options: JsonObject | None = None,
    answer: JsonObject | None = None,
    plugins: Iterable[JsonObject] = (),
) -> bytes:
    config = {
        "compat": settings.compat,
        "server_token": settings.token,
        "table": CONSUMERS,
        "trusted_ips": list(settings.trusted_ips),
        **_optional(settings),
        **(options or {}),
        "route": route,
        "answer": answer,
        "plugins": list(plugins),
        "clock": None,
    }
    return json.dumps(config, separators=(",", ":"), ensure_ascii=False).encode()


def _optional(settings: CompileSettings) -> JsonObject:
    """What the module has defaults for."""
    given = {
        "real_ip_header": settings.real_ip_header,
        "port_maps": {str(port): public for port, public in settings.port_maps} or None,
        "headers": settings.headers,
        "headers_upstream": settings.headers_upstream,
    }
    return {name: value for name, value in given.items() if value is not None}


def _host_match(hosts: tuple[str, ...]) -> tuple[HeaderMatch, ...]:
    """Kong compares Host letter by letter and ignores the port; Envoy's choice of virtual host ignores case."""
    if not hosts:
        return ()
    patterns = (".+".join(map(_quoted, host.split(ANY_HOST))) for host in hosts)
    return (HeaderMatch(":authority", (StringMatch(StringMatchKind.REGEX, rf"(?:{'|'.join(patterns)})(?::\d+)?"),)),)


def _header_match(header: tuple[str, tuple[str, ...]]) -> HeaderMatch:
    """One of several lines may fit, in any case; Envoy sees them joined by commas."""
    name, values = header
    patterns = "|".join(map(_value_pattern, values))
    return HeaderMatch(name, (StringMatch(StringMatchKind.REGEX, rf"(?i)(?:.*, ?)?(?:{patterns})(?: ?,.*)?"),))


def _value_pattern(value: str) -> str:
    if not value.startswith(CASELESS_REGEX):
        return _quoted(value)
    regex = value.removeprefix(CASELESS_REGEX)
    before = "" if regex.startswith("^") else "[^,]*"
    after = "" if regex.endswith("$") and not regex.endswith(r"\$") else "[^,]*"
    inner = regex.removeprefix("^") if not before else regex
    return f"{before}(?:{inner if after else inner[:-1]}){after}"


def _quoted(text: str) -> str:
    """For RE2, which refuses some of the escapes that `re.escape` writes."""
    return "".join(char if char.isalnum() or char == "_" or ord(char) > 127 else f"\\{char}" for char in text)
