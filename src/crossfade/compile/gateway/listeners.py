"""The gateway's listeners: plain HTTP, and TLS by server name."""

from collections.abc import Iterator
from typing import Final

from crossfade.compile.gateway.certificates import NamedCertificate
from crossfade.compile.gateway.settings import CompileSettings
from crossfade.compile.model import Dialect, Direction, FilterChain, HttpHandler, Listener, ServerCertificate

# All listeners share one table; the listener's own scheme decides what of it they serve.
ROUTES: Final = "gateway"


def listeners(settings: CompileSettings, certificates: list[NamedCertificate]) -> Iterator[Listener]:
    yield _listener("http", settings, settings.http_port, (FilterChain("http", _handler(settings, "http")),))
    if settings.https_port is not None and settings.default_certificate is not None:
        chains = tuple(_tls_chains(settings, settings.default_certificate, certificates))
        yield _listener("https", settings, settings.https_port, chains)


def _tls_chains(
    settings: CompileSettings, default: ServerCertificate, certificates: list[NamedCertificate]
) -> Iterator[FilterChain]:
    for named in certificates:
        # Envoy knows no `first.*` server names.
        names = tuple(name for name in named.server_names if not name.endswith("*"))
        if names:
            name = f"{named.origin.ref.namespace}.{named.origin.ref.name}"
            yield FilterChain(
                name,
                _handler(settings, "https"),
                server_names=names,
                certificate=named.certificate,
                origin=named.origin,
            )
    yield FilterChain("default", _handler(settings, "https"), certificate=default)


def _handler(settings: CompileSettings, stat_prefix: str) -> HttpHandler:
    return HttpHandler(ROUTES, stat_prefix, Dialect.KONG, access_log=settings.access_log)


def _listener(name: str, settings: CompileSettings, port: int, chains: tuple[FilterChain, ...]) -> Listener:
    return Listener(name, settings.address, port, Direction.INBOUND, chains)
