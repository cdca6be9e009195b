"""Kong's health checks → probes, and endpoints left out after failures (kong.md §3.7)."""

from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import Struct

from crossfade.api.bounds import Bounds, Misfit, header_name, host_name, printable_header_value
from crossfade.api.kong.upstream import ActiveChecks, HealthyChecks, UnhealthyChecks
from crossfade.compile.gateway.upstream_sources import Sources
from crossfade.compile.model import ClientTls, HealthCheck, OutlierDetection, ProbeSocket, Protocol

COUNT: Final = Bounds(0, 255)
INTERVAL: Final = Bounds(0, 65_535, "s")
TIMEOUT: Final = Bounds(1, 65_535, "s")
STATUS: Final = Bounds(100, 599, is_amount=False)
_ACTIVE: Final = "healthchecks.active"
_PASSIVE: Final = "healthchecks.passive"
_HEALTHY: Final = (200, 302)
_UNHEALTHY: Final = (429, 404, 500, 501, 502, 503, 504, 505)
_FAILED: Final = (429, 500, 503)
_TYPES: Final = ("http", "https", "tcp", "grpc", "grpcs")
_NO_PROBES: Final = "no probes are sent"
# Kong leaves an endpoint out until it is called healthy by hand, for which there is no place here.
_FIRST_EJECTION_S: Final = 30.0
_SWEEP_S: Final = 1.0
_ALL: Final = 100
# Envoy's limit.
_MOST_HEADERS: Final = 1000


class ProbeTarget(Struct, frozen=True):
    """What probes must know of a Service. `authorities` is a file, on the proxy's machine, of those that all trust."""

    protocol: Protocol
    has_tls: bool
    host: str | None
    authorities: str | None


class HealthPlan(Struct, frozen=True):
    check: HealthCheck | None = None
    outliers: OutlierDetection | None = None

    @property
    def is_watched(self) -> bool:
        return self.check is not None or self.outliers is not None


def health_plan(sources: Sources, target: ProbeTarget) -> HealthPlan:
    outliers = _outliers(sources)
    return HealthPlan(_check(sources, target, heals=outliers is not None), outliers)


# --- active ----------------------------------------------------------------------------------------------------


def _check(sources: Sources, target: ProbeTarget, *, heals: bool) -> HealthCheck | None:
    """With `heals` there are endpoints that probes may bring back, even where none takes an endpoint out."""
    active = sources.healthchecks().active
    intervals = _intervals(sources, active) if active is not None else None
    if active is None or intervals is None:
        return None
    kind = active.type or "http"
    unhealthy = active.unhealthy or UnhealthyChecks()
    limits = _limits(sources, unhealthy, f"{_ACTIVE}.unhealthy")
    limit = min((count for count in limits.values() if count), default=None)
    if limit is None and not heals:
        text = "no kind of failure counts"
        sources.warn(f"{_ACTIVE}.unhealthy", text, effect=_NO_PROBES, hint="give a number of failures")
        return None
    socket = _socket(sources, active, kind, target)
    protocol = _protocol(sources, kind, target)
    if socket is None or protocol is None:
        return None
    if active.concurrency is not None:
        text = "every endpoint has a clock of its own"
        sources.warn(f"{_ACTIVE}.concurrency", text, effect="the field has no effect", hint="remove the field")
    host, headers = _headers(sources, active)
    counts_statuses = bool(limits["http_failures"])
    healthy = active.healthy or HealthyChecks()
    return HealthCheck(
        protocol=protocol,
        interval_s=intervals[0],
        unhealthy_interval_s=intervals[1],
        timeout_s=sources.number(f"{_ACTIVE}.timeout", active.timeout, TIMEOUT, 1),
        healthy_threshold=max(1, sources.number(f"{_ACTIVE}.healthy.successes", healthy.successes, COUNT, 0)),
        unhealthy_threshold=limit or COUNT.most,
        path=_path(sources, active),
        failing_statuses=_failing(sources, healthy, unhealthy) if counts_statuses else (),
        host=host or target.host,
        headers=headers,
        socket=socket[0],
        tls=socket[1],
    )


def _intervals(sources: Sources, active: ActiveChecks) -> tuple[float, float] | None:
    """For healthy endpoints and for others. Where one is 0 the other stands for it: who is never asked never heals."""
    given = (
        ("healthy", active.healthy.interval if active.healthy else None),
        ("unhealthy", active.unhealthy.interval if active.unhealthy else None),
    )
    healthy, unhealthy = (
        sources.number(f"{_ACTIVE}.{name}.interval", interval, INTERVAL, 0) for name, interval in given
    )
    return (healthy or unhealthy, unhealthy or healthy) if healthy or unhealthy else None


def _limits(sources: Sources, unhealthy: UnhealthyChecks, place: str) -> dict[str, int]:
    names = ("http_failures", "tcp_failures", "timeouts")
    return {name: sources.number(f"{place}.{name}", getattr(unhealthy, name), COUNT, 0) for name in names}


def _protocol(sources: Sources, kind: str, target: ProbeTarget) -> Protocol | None:
    """Kong sends HTTP/1.0 whatever the type; here gRPC's own protocol of health checks is spoken."""
    is_http2 = target.protocol is Protocol.GRPC
    match kind:
        case "tcp":
            return Protocol.TCP
        case "http" | "https":
            return Protocol.HTTP2 if is_http2 else Protocol.HTTP1
        case "grpc" | "grpcs" if is_http2:
            return Protocol.GRPC
        case "grpc" | "grpcs":
            text, hint = "the Service does not speak gRPC", "annotate it with konghq.com/protocol: grpc"
        case _:
            text, hint = "there is no such type", f"use one of {', '.join(_TYPES)}"
    sources.refuse(f"{_ACTIVE}.type", text, effect=_NO_PROBES, hint=hint)
    return None


def _socket(
    sources: Sources, active: ActiveChecks, kind: str, target: ProbeTarget
) -> tuple[ProbeSocket, ClientTls | None] | None:
    if kind not in ("https", "grpcs"):
        return (ProbeSocket.PLAIN if target.has_tls else ProbeSocket.AS_REQUESTS), None
    name = active.https_sni or (target.host or "").partition(":")[0] or ""
    if isinstance(problem := host_name(name), Misfit):
        if active.https_sni:
            sources.refuse(f"{_ACTIVE}.https_sni", str(problem), effect=_NO_PROBES, hint="give a host name")
            return None
        name = ""
    if active.https_verify_certificate is False:
        return ProbeSocket.TLS, ClientTls(name)
    if target.authorities is None:
        text = "this machine has no file of trusted authorities to verify by"
        hint = "set the field to false"
        sources.refuse(f"{_ACTIVE}.https_verify_certificate", text, effect=_NO_PROBES, hint=hint)
        return None
    return ProbeSocket.TLS, ClientTls(name, ca_file=target.authorities)


def _path(sources: Sources, active: ActiveChecks) -> str:
    path = active.http_path
    if path is None:
        return "/"
    if path.startswith("/") and path.isascii() and path.isprintable() and " " not in path:
        return path
    text = "is not a path that can be asked for"
    sources.refuse(
        f"{_ACTIVE}.http_path", text, effect="/ is asked for", hint="begin it with a slash; escape other text"
    )
    return "/"


def _headers(sources: Sources, active: ActiveChecks) -> tuple[str | None, tuple[tuple[str, str], ...]]:
    """The value of a Host among them, and the others."""
    usable = list(_usable_headers(sources, active.headers or {}))
    if len(usable) > _MOST_HEADERS:
        text = f"there are {len(usable)} headers, and {_MOST_HEADERS} can be sent"
        sources.refuse(f"{_ACTIVE}.headers", text, effect="probes do not carry the others", hint="name fewer")
        usable = usable[:_MOST_HEADERS]
    hosts = [value for name, value in usable if name.lower() == "host"]
    return (hosts[-1] if hosts else None), tuple(one for one in usable if one[0].lower() != "host")


def _usable_headers(sources: Sources, headers: dict[str, tuple[str, ...]]) -> Iterator[tuple[str, str]]:
    for name, values in sorted(headers.items()):
        for value in values:
            # Envoy reads `%` as the beginning of a command, so it is doubled.
            checked = (
                header_name(name),
                printable_header_value(value),
                printable_header_value(value.replace("%", "%%")),
            )
            problem = next((one for one in checked if isinstance(one, Misfit)), None)
            if problem is None:
                yield name, value
                continue
            hint = "correct name or value"
            sources.refuse(f"{_ACTIVE}.headers", str(problem), effect="probes do not carry this header", hint=hint)


def _failing(sources: Sources, healthy: HealthyChecks, unhealthy: UnhealthyChecks) -> tuple[int, ...]:
    """What is in both lists is healthy; what is in neither changes nothing on Kong, and passes here."""
    bad = _statuses(sources, f"{_ACTIVE}.unhealthy.http_statuses", unhealthy.http_statuses, _UNHEALTHY)
    good = _statuses(sources, f"{_ACTIVE}.healthy.http_statuses", healthy.http_statuses, _HEALTHY)
    return tuple(sorted(bad - good))


def _statuses(sources: Sources, name: str, given: Iterable[int] | None, default: tuple[int, ...]) -> set[int]:
    if given is None:
        return set(default)
    problems = {status: problem for status in given if isinstance(problem := STATUS.check(status), Misfit)}
    for problem in problems.values():
        sources.refuse(name, str(problem), effect="this status is ignored", hint="give statuses from 100 to 599")
    return set(given) - problems.keys()


# --- passive ---------------------------------------------------------------------------------------------------


def _outliers(sources: Sources) -> OutlierDetection | None:
    passive = sources.healthchecks().passive
    if passive is None:
        return None
    unhealthy = passive.unhealthy or UnhealthyChecks()
    if passive.healthy is not None:
        text = "an endpoint that is left out gets no requests that could succeed"
        hint = "remove the field: it comes back after a while, or by an active check"
        sources.warn(f"{_PASSIVE}.healthy", text, effect="the field has no effect", hint=hint)
    if passive.type is not None and passive.type not in _TYPES:
        hint = f"use one of {', '.join(_TYPES)}"
        sources.refuse(f"{_PASSIVE}.type", "there is no such type", effect="the field is ignored", hint=hint)
    limits = _limits(sources, unhealthy, f"{_PASSIVE}.unhealthy")
    local = [count for name, count in limits.items() if count and name != "http_failures"]
    if not any(limits.values()):
        return None
    statuses = _statuses(sources, f"{_PASSIVE}.unhealthy.http_statuses", unhealthy.http_statuses, _FAILED)
    return OutlierDetection(
        consecutive_5xx=limits["http_failures"],
        interval_s=_SWEEP_S,
        base_ejection_s=_FIRST_EJECTION_S,
        max_ejection_percent=_ALL,
        consecutive_local_failures=min(local, default=0),
        failing_statuses=tuple(sorted(statuses)),
    )
