"""Stream routes and the Services behind them → listeners, one for each address of Kong's `stream_listen` in use."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import filterfalse
from typing import Final, NamedTuple

from crossfade.api.bounds import UINT32_MAX
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.gateway.certificates import NamedCertificate
from crossfade.compile.gateway.listeners import server_tls
from crossfade.compile.gateway.served_names import is_wildcard, wildcard_of
from crossfade.compile.gateway.settings import CompileSettings
from crossfade.compile.gateway.state import KongService, StreamRoute
from crossfade.compile.model import (
    Algorithm,
    Direction,
    FilterChain,
    Listener,
    ServerCertificate,
    SessionNames,
    TcpHandler,
    UdpHandler,
)
from crossfade.compile.routing.routes import Destination
from crossfade.kong_conf.listen import Listen

PlacedStream = tuple[StreamRoute, KongService]
_ANY: Final = ""


class _Chain(NamedTuple):
    """What the connections of one chain have in common; without a certificate TLS is passed through."""

    placed: PlacedStream
    certificate: ServerCertificate | None


class _Names(NamedTuple):
    """Of one chain, as `FilterChain` has them."""

    others: list[str]
    of_one_label: list[str]

    @property
    def title(self) -> str:
        """Tells the chain from all others: a name may stand in one as a wildcard for one label, in one for many."""
        return self.others[0] if self.others else f"{self.of_one_label[0]}/certified"


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
            yield _chain("any", _Chain(by_host[_ANY], None), _Names([], []), settings)
        return
    if settings.default_certificate is None:
        return
    certified = {name: one.certificate for one in certificates for name in one.server_names if not name.endswith("*")}
    # By identity: comparing certificates by content would take longer with each name.
    made: dict[tuple[int, int], tuple[_Chain, _Names]] = {}
    for name, is_one_label in _covered(by_host, certified):
        found = _for_name(name, by_host)
        if found is None:
            continue
        certificate = settings.default_certificate
        if is_one_label or not is_wildcard(name):
            certificate = certified.get(name) or certified.get(wildcard_of(name)) or certificate
        chain = _Chain(found, None if found[0].is_passthrough else certificate)
        _, names = made.setdefault((id(found), id(chain.certificate)), (chain, _Names([], [])))
        (names.of_one_label if is_one_label else names.others).append(name)
    for chain, names in made.values():
        yield _chain(names.title, chain, names, settings)
    if _ANY in by_host:
        yield _chain("any", _Chain(by_host[_ANY], settings.default_certificate), _Names([], []), settings)


def _covered(by_host: Iterable[str], certified: Iterable[str]) -> Iterator[tuple[str, bool]]:
    """Names, and whether a wildcard is for one label: a certificate's is (kong.md §11), a route's for any number."""
    yield from ((name, False) for name in sorted({*by_host, *filterfalse(is_wildcard, certified)} - {_ANY}))
    yield from ((name, True) for name in sorted(filter(is_wildcard, certified)))


def _for_name(name: str, by_host: Mapping[str, PlacedStream]) -> PlacedStream | None:
    """That of the name itself, of the longest `*.suffix` that it fits, or of any name, as Envoy would choose."""
    if name in by_host:
        return by_host[name]
    rest = name.removeprefix("*.")
    while "." in rest:
        rest = rest.partition(".")[2]
        if f"*.{rest}" in by_host:
            return by_host[f"*.{rest}"]
    return by_host.get(_ANY)


def _chain(name: str, chain: _Chain, names: _Names, settings: CompileSettings) -> FilterChain:
    route, service = chain.placed
    return FilterChain(
        name,
        TcpHandler(
            (Destination(service.cluster.name),),
            "tcp",
            idle_timeout_s=service.read_timeout / 1000,
            connect_attempts=min(service.retries + 1, UINT32_MAX),
            hashes_address=_hashes_address(service),
            counted_as=SessionNames(route.name, service.name),
        ),
        server_names=tuple(names.others),
        one_label_names=tuple(names.of_one_label),
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
        counted_as=SessionNames(route.name, service.name),
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
