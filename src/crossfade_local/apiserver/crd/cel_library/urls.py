"""URLs as Go's net/url reads a request's: absolute, or an absolute path."""

import re
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import SplitResult, parse_qsl, quote, urlsplit

from crossfade_local.apiserver.crd.cel_library.values import content_of, made, text

_SCHEME: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:")
_HOST: Final = re.compile(r"(\[[0-9a-fA-F:.%]+\]|[^:\[\]]*)(:\d*)?")
_BROKEN_ESCAPE: Final = re.compile(r"%(?![0-9a-fA-F]{2})")
_KEPT: Final = "/:@!$&'()*+,;=~-._%"
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f]")


def _split(value: str) -> SplitResult:
    """Raises ValueError."""
    if not value or _CONTROLS.search(value) or not (_SCHEME.match(value) or value.startswith("/")):
        raise ValueError(f'URL parse error during conversion from string: parse "{value}": invalid URI for request')
    found = urlsplit(value)
    host = found.netloc.rpartition("@")[2]
    if not _HOST.fullmatch(host) or " " in host or _BROKEN_ESCAPE.search(found.path):
        raise ValueError(f'URL parse error during conversion from string: parse "{value}": invalid URI for request')
    return found


def _url(value: Any) -> dict[str, Any]:
    _split(text(value))
    return made("url", value)


def is_url(value: Any) -> bool:
    try:
        _split(text(value))
    except ValueError:
        return False
    return True


def _part(read: Callable[[SplitResult], Any]) -> Callable[[Any], Any]:
    return lambda value: read(_split(content_of("url", value)))


def _host(found: SplitResult) -> str:
    return found.netloc.rpartition("@")[2]


def _hostname(found: SplitResult) -> str:
    return _host_and_port(found)[0].strip("[]")


def _port(found: SplitResult) -> str:
    return _host_and_port(found)[1].removeprefix(":")


def _host_and_port(found: SplitResult) -> tuple[str, str]:
    match = _HOST.fullmatch(_host(found))
    return (match[1], match[2] or "") if match else ("", "")


def _query(found: SplitResult) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for key, value in parse_qsl(found.query, keep_blank_values=True):
        values.setdefault(key, []).append(value)
    return values


FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "url": _url,
    "isURL": is_url,
    "getScheme": _part(lambda found: found.scheme),
    "getHost": _part(_host),
    "getHostname": _part(_hostname),
    "getPort": _part(_port),
    "getEscapedPath": _part(lambda found: quote(found.path, safe=_KEPT)),
    "getQuery": _part(_query),
}
