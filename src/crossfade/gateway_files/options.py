"""Refuses what cannot work before anything starts, each by the name of its option or setting."""

import errno
import socket
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Final

from crossfade.compile.gateway.settings import CompileSettings
from crossfade.kong_conf.listen import Listen, are_rivals
from crossfade_kube.port_owner import port_owner

LISTEN: Final = "proxy_listen"


class WrongOption(ValueError):  # noqa: N818 - says which, to people
    """Names the option, what is wrong with it, and what it may be."""


def check(settings: CompileSettings, options: Mapping[int, str]) -> None:
    """Raises WrongOption for the first that cannot be used. `options` say which option named a port, if one did."""
    if not settings.token.isascii() or not settings.token.isprintable():
        raise WrongOption("--server-token: only printable ASCII characters can be in a header")
    kong = settings.kong
    listens = {
        LISTEN: kong.proxy_listen,
        "stream_listen": kong.stream_listen,
        "admin_listen": kong.admin_listen or (),
        "status_listen": kong.status_listen or (),
    }
    for setting, found in listens.items():
        for problem in _port_problems(found, {} if setting == "stream_listen" else options, setting):
            raise WrongOption(problem)
    for (setting, one), (other_setting, other) in combinations(_each(listens), 2):
        if setting != other_setting and are_rivals(one, other):
            raise WrongOption(f"{setting} and {other_setting} both name {one}: choose another port for one of them")


def _each(listens: Mapping[str, tuple[Listen, ...]]) -> Iterator[tuple[str, Listen]]:
    return ((setting, listen) for setting, found in listens.items() for listen in found)


def _port_problems(listens: tuple[Listen, ...], options: Mapping[int, str], setting: str) -> Iterator[str]:
    for listen in listens:
        if problem := _why_not_free(listen):
            yield f"{problem}; end it or choose another with {options.get(listen.port, setting)}"


def _why_not_free(listen: Listen) -> str | None:
    """None when the port can be bound; else a sentence that names the port and, where known, the process."""
    family = socket.AF_INET6 if ":" in listen.address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM if listen.udp else socket.SOCK_STREAM) as probe:
        if not listen.udp:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not listen.takes_ipv4_too)
        try:
            probe.bind((listen.address, listen.port))
            if not listen.udp:
                probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return f"port {listen.port} is in use by {port_owner(listen.port) or 'another process'}"
            return f"port {listen.port} cannot be used: {error.strerror}"
    return None
