"""Refuses options that cannot work before anything starts, each by its name."""

import errno
import ipaddress
import re
import socket
from collections.abc import Iterator
from typing import Final

from msgspec.structs import replace

from crossfade.compile.gateway.settings import CompileSettings
from crossfade_kube.port_owner import port_owner

# Of Kong's `headers` and `headers_upstream` those that this gateway can send.
HEADERS: Final = ("server_tokens", "latency_tokens", "X-Kong-Request-Id")
HEADERS_UPSTREAM: Final = ("X-Kong-Request-Id",)
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


class WrongOption(ValueError):  # noqa: N818 - says which, to people
    """Names the option, what is wrong with it, and what it may be."""


def checked(settings: CompileSettings) -> CompileSettings:
    """As they are to be used. Raises WrongOption for the first that cannot be."""
    settings = replace(settings, trusted_ips=tuple(map(_network, settings.trusted_ips)))
    for problem in _problems(settings):
        raise WrongOption(problem)
    return settings


def _network(text: str) -> str:
    """As Kong: an address stands for itself alone."""
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        raise WrongOption(f"--trusted-ips: {text!r} is neither an address nor a network like 10.0.0.0/8") from None


def _problems(settings: CompileSettings) -> Iterator[str]:
    yield from _address_problems(settings.address)
    for option, names, known in (
        ("--headers", settings.headers, HEADERS),
        ("--headers-upstream", settings.headers_upstream, HEADERS_UPSTREAM),
    ):
        for name in names or ():
            if name.lower() not in [each.lower() for each in known]:
                yield f"{option}: {name!r} is not known; use off or some of {', '.join(known)}"
    if settings.real_ip_header is not None and not _HEADER.fullmatch(settings.real_ip_header):
        yield f"--real-ip-header: {settings.real_ip_header!r} is not the name of a header like X-Forwarded-For"
    if not settings.token.isascii() or not settings.token.isprintable():
        yield "--server-token: only printable ASCII characters can be in a header"
    if settings.http_port == settings.https_port:
        yield f"--http-port and --https-port are both {settings.http_port}: each listener needs a port of its own"
    for option, port in (("--http-port", settings.http_port), ("--https-port", settings.https_port)):
        if port and (problem := _why_not_free(settings.address, port)):
            yield f"{problem}; end it or choose another with {option}"


def _address_problems(address: str) -> Iterator[str]:
    try:
        ipaddress.ip_address(address)
    except ValueError:
        yield f"--address: {address!r} is not an IP address like 127.0.0.1 or 0.0.0.0"


def _why_not_free(address: str, port: int) -> str | None:
    """None when the port can be bound; else a sentence that names the port and, where known, the process."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
            probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return f"port {port} is in use by {port_owner(port) or 'another process'}"
            return f"port {port} cannot be used: {error.strerror}"
    return None
