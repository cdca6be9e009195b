"""A request as people write it on a command line → a question to the policy module."""

from collections.abc import Iterable
from typing import Final
from urllib.parse import SplitResult, urlsplit

from crossfade.policy_module.rehearsal import Question

_PORTS: Final = {"http": 80, "https": 443}
# Nobody else has it: of a client that is not told.
CLIENT_PORT: Final = 40000


class BadRequest(ValueError):  # noqa: N818 - says what is wrong, to people
    """The request cannot be sent as it is written."""


def question_of(
    method: str, url: str, headers: Iterable[str] = (), *, client: str = "127.0.0.1", listen: str = "127.0.0.1:8000"
) -> Question:
    """`headers` are `Name: value`; a Host among them is sent in place of the URL's. Raises BadRequest."""
    if not method.isascii() or not method.isprintable() or not method or " " in method:
        raise BadRequest(f"{method!r} is not a method like GET")
    parts = _split(url)
    named = [_header(text) for text in headers]
    hosts = [value for name, value in named if name == "host"]
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query or "?" in url.partition("#")[0] else "")
    if not target.isascii() or not target.isprintable() or " " in target:
        raise BadRequest(f"{url!r}: escape what is no visible ASCII character, as %C3%BC for ü")
    return Question(
        method=method,
        target=target,
        authority=hosts[0] if hosts else parts.netloc.rpartition("@")[2],
        peer=f"[{client}]:{CLIENT_PORT}" if ":" in client else f"{client}:{CLIENT_PORT}",
        local=listen,
        is_tls=parts.scheme == "https",
        sni=parts.hostname if parts.scheme == "https" else None,
        headers=tuple((name, value) for name, value in named if name != "host"),
    )


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        is_usable = (
            parts.netloc.isprintable()
            and parts.scheme in _PORTS
            and bool(parts.hostname)
            and (parts.port is None or parts.port > 0)
        )
    except ValueError as error:
        raise BadRequest(f"{url!r}: {error}") from None
    if not is_usable:
        raise BadRequest(f"{url!r} is not a URL like http://shop.example/path")
    return parts


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip() or not text.isprintable():
        raise BadRequest(f"{name.strip()!r}: a header is written as 'Name: value'")
    return name.strip().lower(), value.strip()
