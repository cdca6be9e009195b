"""Servers of nginx that a chart gives Kong beside its own, as far as they are status pages. Standard library only.

Kong's chart probed a server block of its own before Kong had a status listener: port 9542, /status and /metrics.
"""

import re
from collections.abc import Iterator
from typing import Final

from crossfade.kong_conf.listen import Listen, are_rivals, status_listens

VARIABLE: Final = "KONG_NGINX_HTTP_INCLUDE"
LARGEST_BYTES: Final = 64 << 10
_COMMENT: Final = re.compile(r"(^|\s)#[^\n]*")
_SERVER: Final = re.compile(r"\bserver\s*\{")
_LISTEN: Final = re.compile(r"\blisten\s+([^\s;]+)[^;]*;")
_LOCATION: Final = re.compile(r"\blocation\s+(?:=\s+)?(\S+)\s*\{")
_BRACE: Final = re.compile(r"[{}]")
_PAGES: Final = frozenset({"/status", "/metrics"})
_INTERNAL: Final = frozenset({"/nginx_status"})


def status_servers(text: str) -> tuple[Listen, ...]:
    """Where /status and /metrics are asked for. Raises ValueError where a block serves, or listens, otherwise."""
    found: list[Listen] = []
    for block in _servers(_COMMENT.sub(r"\1", text)):
        served = set(_LOCATION.findall(block)) - _INTERNAL
        if not served or not served <= _PAGES:
            raise ValueError("it has servers that are more than /status and /metrics")
        for where in _LISTEN.findall(block):
            listen = status_listens(where if ":" in where else f"0.0.0.0:{where}")[0]
            if not any(are_rivals(listen, other) for other in found):
                found.append(listen)
    return tuple(found)


def _servers(text: str) -> Iterator[str]:
    """The inside of each block."""
    at = 0
    while match := _SERVER.search(text, at):
        at, depth = match.end(), 1
        for brace in _BRACE.finditer(text, at):
            depth += 1 if brace[0] == "{" else -1
            at = brace.start()
            if depth == 0:
                break
        yield text[match.end() : at]
