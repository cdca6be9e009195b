"""TCPIngresses and UDPIngresses → stream routes: one for each rule that a listener can serve (kong.md §1.8)."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from crossfade.api.bounds import Misfit, host_name
from crossfade.api.kong.stream_ingress import StreamBackend, StreamIngress, TcpIngress, TcpRule, UdpIngress, UdpRule
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.gateway import annotations as notes
from crossfade.compile.gateway.classes import ClassFilter
from crossfade.compile.gateway.state import KongBackend, PluginRef, StreamRoute, Transport
from crossfade.compile.isolate import isolated
from crossfade.compile.memo import Memo
from crossfade.compile.routing.origin import Origin
from crossfade.kong_conf.listen import Listen
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core.ingress import IngressServiceBackend, ServiceBackendPort
from crossfade_kube.registry import typed_ref

PASSTHROUGH: Final = "tls_passthrough"
_PROTOCOLS: Final = "konghq.com/protocols"
_UNUSED: Final = "nothing reaches this rule's Service"
# Unlike 0, which stands for a port that is named.
_NO_PORT: Final = -1


class _Reading(NamedTuple):
    """One object while its routes are made."""

    item: StreamIngress
    listens: tuple[Listen, ...]
    is_passthrough: bool
    diagnostics: Diagnostics


def tcp_ingresses(snapshot: Snapshot, classes: ClassFilter) -> list[TcpIngress]:
    return [item for item in snapshot.all(TcpIngress) if classes.takes(item.metadata)]


def udp_ingresses(snapshot: Snapshot, classes: ClassFilter) -> list[UdpIngress]:
    return [item for item in snapshot.all(UdpIngress) if classes.takes(item.metadata)]


def stream_routes(
    snapshot: Snapshot, classes: ClassFilter, listens: tuple[Listen, ...], memo: Memo, diagnostics: Diagnostics
) -> tuple[StreamRoute, ...]:
    """Oldest first. Of several routes for one port and server name the first has it."""
    inputs = ((item,) for item in (*tcp_ingresses(snapshot, classes), *udp_ingresses(snapshot, classes)))

    def make(item: StreamIngress, found: Diagnostics) -> tuple[StreamRoute, ...]:
        return isolated(
            lambda: tuple(_routes(item, listens, found)),
            otherwise=(),
            ref=typed_ref(item),
            effect="nothing reaches the Services that it names",
            diagnostics=found,
        )

    made = [route for routes in memo.each("streams", inputs, (listens,), make, diagnostics) for route in routes]
    return tuple(_first_of_each(sorted(made, key=lambda route: (route.age, route.index)), diagnostics))


def _first_of_each(routes: list[StreamRoute], diagnostics: Diagnostics) -> Iterator[StreamRoute]:
    first: dict[tuple[Transport, int, str], StreamRoute] = {}
    for route in routes:
        winner = first.setdefault((route.transport, route.port, route.host), route)
        if winner is route:
            yield route
            continue
        what = f"server name {route.host} at port {route.port}" if route.host else f"port {route.port}"
        is_same = winner.origin.ref == route.origin.ref
        diagnostics.warning(
            route.origin.ref,
            "stream.taken",
            f"{what} is claimed by {winner.origin.path} of "
            + (f"the same {route.origin.ref.kind}" if is_same else f"{winner.origin.ref}, which comes first by age"),
            effect=_UNUSED,
            hint="give one of them another port or host, or remove it",
            field=route.origin.path,
        )


def _routes(item: StreamIngress, listens: tuple[Listen, ...], diagnostics: Diagnostics) -> Iterator[StreamRoute]:
    is_passthrough = _passes_tls_through(item, diagnostics)
    if is_passthrough is None:
        return
    reading = _Reading(item, listens, is_passthrough, diagnostics)
    rules: tuple[TcpRule | UdpRule, ...] = item.spec.rules
    for index, rule in enumerate(rules):
        place = Origin(typed_ref(item), f"spec.rules[{index}]")
        host = _usable_host(rule, place, reading) if isinstance(rule, TcpRule) else ""
        if host is not None and _is_listened(rule.port, host, place, reading):
            yield _route(reading, index, rule.port, host, rule.backend)


def _route(reading: _Reading, index: int, port: int, host: str, backend: StreamBackend) -> StreamRoute:
    item = reading.item
    meta, ref = item.metadata, typed_ref(item)
    transport: Transport = "tcp" if isinstance(item, TcpIngress) else "udp"
    noted = notes.modernised(meta.annotations)[0]
    number = ServiceBackendPort(backend.service_port or _NO_PORT)
    place = Origin(ref, f"spec.rules[{index}].backend")
    return StreamRoute(
        transport=transport,
        port=port,
        host=host,
        is_passthrough=reading.is_passthrough,
        backend=KongBackend(
            meta.namespace, IngressServiceBackend(backend.service_name, number), place, transport=transport
        ),
        origin=Origin(ref, f"spec.rules[{index}]"),
        age=meta.age,
        index=index,
        plugins=tuple(PluginRef(plugin, ref) for plugin in notes.list_of(noted, notes.PLUGINS)),
    )


def _passes_tls_through(item: StreamIngress, diagnostics: Diagnostics) -> bool | None:
    """None where it is said that something else is to be spoken, which Kong refuses."""
    reader = notes.Reader(typed_ref(item), item.metadata.annotations, diagnostics)
    reader.tell_unknown()
    given = notes.list_of(reader.noted, _PROTOCOLS) if isinstance(item, TcpIngress) else ()
    if given == (PASSTHROUGH,):
        return True
    if set(given) <= {"tcp", "tls"}:
        return False
    diagnostics.error(
        typed_ref(item),
        "stream.protocols",
        f"annotation {_PROTOCOLS} is {reader.noted[_PROTOCOLS]!r}: here it can be tcp, tls, or {PASSTHROUGH} alone",
        effect="nothing reaches the Services that it names",
        hint="remove the annotation",
        field=f"metadata.annotations[{_PROTOCOLS}]",
    )
    return None


def _usable_host(rule: TcpRule, place: Origin, reading: _Reading) -> str | None:
    host = rule.host.lower()
    problem = None
    if host and isinstance(host_name(host.removeprefix("*.")), Misfit):
        problem = f"{rule.host!r} is no server name that a client could ask for"
    elif not host and reading.is_passthrough:
        problem = f"with {PASSTHROUGH} a rule needs a host"
    if problem is None:
        return host
    reading.diagnostics.error(
        place.ref,
        "stream.invalid-host",
        problem,
        effect=_UNUSED,
        hint="give a host name or *.suffix",
        field=f"{place.path}.host",
    )
    return None


def _is_listened(port: int, host: str, place: Origin, reading: _Reading) -> bool:
    is_udp = isinstance(reading.item, UdpIngress)
    wanted = " udp" if is_udp else " ssl" if host else ""
    fitting = [one for one in reading.listens if one.port == port and one.udp == is_udp]
    if any(one.ssl for one in fitting) if host else fitting:
        return True
    problem = f"Kong's setting stream_listen has no port {port}{wanted}"
    if fitting:
        problem = f"port {port} of Kong's setting stream_listen has no ssl, so no server name is known there"
    reading.diagnostics.error(
        place.ref,
        "stream.no-listener",
        problem,
        effect=_UNUSED,
        hint=f"set stream_listen (KONG_STREAM_LISTEN) so that it has 0.0.0.0:{port}{wanted}, or name another port",
        field=f"{place.path}.port",
    )
    return False
