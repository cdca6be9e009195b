"""Stream routes and the Services behind them → listeners, one for each address of Kong's `stream_listen` in use."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple, TypeVar

from crossfade.api.bounds import UINT32_MAX
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.gateway.certificates import NamedCertificate
from crossfade.compile.gateway.listeners import server_tls
from crossfade.compile.gateway.settings import CompileSettings
from crossfade.compile.gateway.state import KongService, StreamRoute
from crossfade.compile.model import (
    Algorithm,
    Direction,
    FilterChain,
    Listener,
    ServerCertificate,
    TcpHandler,
    UdpHandler,
)
from crossfade.compile.routing.routes import Destination
from crossfade.kong_conf.listen import Listen

T = TypeVar("T")
PlacedStream = tuple[StreamRoute, KongService]
_ANY: Final = ""


class _Chain(NamedTuple):
    """What the connections of one chain have in common; without a certificate TLS is passed through."""

    placed: PlacedStream
    certificate: ServerCertificate | None


def stream_listeners(
    placed: Iterable[PlacedStream],
    settings: CompileSettings,
    certificates: Sequence[NamedCertificate],
) -> Iterator[Listener]:
    """The first of a port has its name, further ones a number besides. A port that no rule wants stays closed."""
    by_port: dict[tuple[bool, int], dict[str, PlacedStream]] = {}
    for route, service in placed:
        if service.refusal is None:
            by_port.setdefault((route.transport == "udp", route.port), {})[route.host] = (route, service)
    counts: dict[tuple[bool, int], int] = {}
    for listen in settings.kong.stream_listen:
        key = (listen.udp, listen.port)
        counts[key] = counts.get(key, 0) + 1
        name = f"{'udp' if listen.udp else 'tcp'}-{listen.port}{f'-{counts[key]}' if counts[key] > 1 else ''}"
        by_host = by_port.get(key, {})
        if listen.udp:
            if _ANY in by_host:
                yield _listener(name, listen, datagrams=_udp_handler(*by_host[_ANY]))
        elif chains := tuple(_chains(listen, by_host, settings, certificates)):
            yield _listener(name, listen, chains)


def tell_needless_balancing(placed: Iterable[PlacedStream], diagnostics: Diagnostics) -> None:
    """Of what can be hashed a stream has its client's address only."""
    for route, service in placed:
        if service.sticky is not None or (_hashes(service) and not _hashes_address(service)):
            diagnostics.warning(
                route.origin.ref,
                "stream.balancing",
                f"Service {route.backend.service.name} is balanced by what only requests of HTTP have",
                effect="connections go to any of its endpoints",
                hint="hash by ip, or choose another algorithm",
                field=f"{route.origin.path}.backend",
            )


def _chains(
    listen: Listen,
    by_host: dict[str, PlacedStream],
    settings: CompileSettings,
    certificates: Sequence[NamedCertificate],
) -> Iterator[FilterChain]:
    if not listen.ssl:
        if _ANY in by_host:
            yield _chain("any", _Chain(by_host[_ANY], None), (), settings)
        return
    if settings.default_certificate is None:
        return
    by_name = {name: one.certificate for one in certificates for name in one.server_names if not name.endswith("*")}
    # By identity: comparing certificates by content would take longer with each name.
    made: dict[tuple[int, int], tuple[_Chain, list[str]]] = {}
    for name in sorted({*(host for host in by_host if host), *by_name}):
        found = _for_name(name, by_host)
        if found is None:
            continue
        certificate = None if found[0].is_passthrough else _for_name(name, by_name) or settings.default_certificate
        key = (id(found[0]), id(certificate))
        made.setdefault(key, (_Chain(found, certificate), []))[1].append(name)
    for chain, server_names in made.values():
        yield _chain(server_names[0], chain, tuple(server_names), settings)
    if _ANY in by_host:
        yield _chain("any", _Chain(by_host[_ANY], settings.default_certificate), (), settings)


def _for_name(name: str, by_name: dict[str, T]) -> T | None:
    """The value of the name itself, of the longest `*.suffix` that it fits, or of any name, as Envoy would choose."""
    if name in by_name:
        return by_name[name]
    rest = name.removeprefix("*.") if name.startswith("*.") else name
    while "." in rest:
        rest = rest.partition(".")[2]
        if f"*.{rest}" in by_name:
            return by_name[f"*.{rest}"]
    return by_name.get(_ANY)


def _chain(name: str, chain: _Chain, server_names: tuple[str, ...], settings: CompileSettings) -> FilterChain:
    route, service = chain.placed
    return FilterChain(
        name,
        TcpHandler(
            (Destination(service.cluster.name),),
            "tcp",
            idle_timeout_s=service.read_timeout / 1000,
            connect_attempts=min(service.retries + 1, UINT32_MAX),
            hashes_address=_hashes_address(service),
        ),
        server_names=server_names,
        certificate=chain.certificate,
        origin=route.origin,
        tls=server_tls(settings.kong),
    )


def _udp_handler(route: StreamRoute, service: KongService) -> UdpHandler:
    return UdpHandler(
        service.cluster.name,
        "udp",
        route.origin,
        idle_timeout_s=service.read_timeout / 1000,
        hashes_address=_hashes_address(service),
    )


def _hashes(service: KongService) -> bool:
    return service.cluster.balancing.algorithm is Algorithm.RING_HASH


def _hashes_address(service: KongService) -> bool:
    inputs = service.hashing.inputs if service.hashing is not None else ()
    return _hashes(service) and any(one.kind == "ip" for one in inputs)


def _listener(
    name: str, listen: Listen, chains: tuple[FilterChain, ...] = (), *, datagrams: UdpHandler | None = None
) -> Listener:
    return Listener(
        name,
        listen.address,
        listen.port,
        Direction.INBOUND,
        chains,
        has_proxy_protocol=listen.proxy_protocol,
        backlog=listen.backlog,
        takes_ipv4_too=listen.takes_ipv4_too,
        datagrams=datagrams,
    )
