"""The gateway's listeners: plain ones, and those with TLS, by server name."""

from collections.abc import Iterator, Sequence
from typing import Final

from crossfade.compile.gateway.certificates import NamedCertificate
from crossfade.compile.gateway.client_certificates import NOBODY_ASKED, AskedNames
from crossfade.compile.gateway.served_names import served_names
from crossfade.compile.gateway.settings import CompileSettings
from crossfade.compile.model import (
    AccessLog,
    Dialect,
    Direction,
    FilterChain,
    HttpHandler,
    Listener,
    ServerTls,
)
from crossfade.kong_conf.listen import Listen
from crossfade.kong_conf.settings import KongSettings
from crossfade.kong_conf.tls import CUSTOM, SUITES

# All listeners share one table; the listener's own scheme decides what of it they serve.
ROUTES: Final = "gateway"
_USUAL: Final = KongSettings()
# What the policy module leaves for the access log.
_NOTE: Final = "%DYNAMIC_METADATA(crossfade:{})%"
_COMBINED: Final = (
    f"{_NOTE.format('client_address')} - - [%START_TIME(%d/%b/%Y:%H:%M:%S %z)%] "
    f'"%REQ(:METHOD)% {_NOTE.format("path")} %PROTOCOL%" %RESPONSE_CODE% %BYTES_SENT% '
    '"%REQ(REFERER)%" "%REQ(USER-AGENT)%"'
)
_REQUEST_ID: Final = f' kong_request_id: "{_NOTE.format("request_id")}"'


def listeners(
    settings: CompileSettings, certificates: Sequence[NamedCertificate], asked: AskedNames = NOBODY_ASKED
) -> Iterator[Listener]:
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
            tls = server_tls(settings.kong)
            shown = served_names(settings.default_certificate, certificates, asked)
            chains = tuple(
                FilterChain(
                    one.name,
                    handler,
                    server_names=one.server_names,
                    one_label_names=one.one_label_names,
                    certificate=one.certificate,
                    origin=one.origin,
                    tls=tls,
                    asked=one.asked,
                )
                for one in shown
            )
        yield _listener(name, listen, chains)


def server_tls(kong: KongSettings) -> ServerTls:
    """Kong's own defaults are Envoy's, and stay unsaid."""
    suite = SUITES[kong.ssl_cipher_suite]
    is_custom = kong.ssl_cipher_suite == CUSTOM
    protocols = (kong.ssl_protocols if is_custom else ()) or suite.protocols
    return ServerTls(
        oldest=protocols[0],
        newest=protocols[-1],
        ciphers=(kong.ssl_ciphers if is_custom else ()) or suite.ciphers,
        has_tickets=kong.ssl_session_tickets,
        session_timeout_s=None if kong.ssl_session_timeout == _USUAL.ssl_session_timeout else kong.ssl_session_timeout,
    )


def access_log(kong: KongSettings) -> AccessLog | None:
    """nginx' `combined`, without the query, which may hold keys; Kong adds the request's id."""
    log = kong.proxy_access_log
    if log is None:
        return None
    return AccessLog(log.path, text=f"{_COMBINED}{_REQUEST_ID if log.has_request_id else ''}\n")


def _handler(settings: CompileSettings, scheme: str, listen: Listen) -> HttpHandler:
    return HttpHandler(ROUTES, scheme, Dialect.KONG, takes_http2=listen.http2, access_log=access_log(settings.kong))


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
