"""The gateway's listeners: plain ones, and those with TLS, by server name."""

from collections.abc import Iterator
from typing import Final

from crossfade.compile.gateway.certificates import NamedCertificate
from crossfade.compile.gateway.settings import CompileSettings
from crossfade.compile.model import Dialect, Direction, FilterChain, HttpHandler, Listener, ServerCertificate
from crossfade.kong_conf.listen import Listen

# All listeners share one table; the listener's own scheme decides what of it they serve.
ROUTES: Final = "gateway"


def listeners(settings: CompileSettings, certificates: list[NamedCertificate]) -> Iterator[Listener]:
    """The first of a scheme has the scheme's name, further ones a number besides."""
    counts = {"http": 0, "https": 0}
    for listen in settings.kong.proxy_listen:
        scheme = "https" if listen.ssl else "http"
        if listen.ssl and settings.default_certificate is None:
            continue
        counts[scheme] += 1
        name = scheme if counts[scheme] == 1 else f"{scheme}-{counts[scheme]}"
        handler = _handler(settings, scheme, listen)
        chains: tuple[FilterChain, ...] = (FilterChain("http", handler),)
        if settings.default_certificate is not None and listen.ssl:
            chains = tuple(_tls_chains(handler, settings.default_certificate, certificates))
        yield _listener(name, listen, chains)


def _tls_chains(
    handler: HttpHandler, default: ServerCertificate, certificates: list[NamedCertificate]
) -> Iterator[FilterChain]:
    for named in certificates:
        # Envoy knows no `first.*` server names.
        names = tuple(name for name in named.server_names if not name.endswith("*"))
        if names:
            name = f"{named.origin.ref.namespace}.{named.origin.ref.name}"
            yield FilterChain(name, handler, server_names=names, certificate=named.certificate, origin=named.origin)
    yield FilterChain("default", handler, certificate=default)


def _handler(settings: CompileSettings, scheme: str, listen: Listen) -> HttpHandler:
    return HttpHandler(ROUTES, scheme, Dialect.KONG, takes_http2=listen.http2, access_log=settings.access_log)


def _listener(name: str, listen: Listen, chains: tuple[FilterChain, ...]) -> Listener:
    return Listener(
        name,
        listen.address,
        listen.port,
        Direction.INBOUND,
        chains,
        has_proxy_protocol=listen.proxy_protocol,
        backlog=listen.backlog,
        takes_ipv4_too=listen.takes_ipv4_too,
    )
