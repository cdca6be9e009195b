"""How large a request's body may be, so that an application is not given more.

A length that is said beforehand is compared and the body streams; a body that says none is held until it ends or is too
large. WebSockets have no length and stay as they are.
"""

import re
from typing import Final

from msgspec import structs

from crossfade.api.bounds import Bounds
from crossfade.compile.mesh.asks import Ask, NotUnderstood, whole
from crossfade.compile.routing.matches import HeaderMatch, RangeMatch
from crossfade.compile.routing.routes import Forward, Respond, Route

_UNITS: Final = {"": 1, "k": 1000, "M": 1000**2, "G": 1000**3, "Ki": 1024, "Mi": 1024**2, "Gi": 1024**3}
_SIZE: Final = re.compile(r"(\d{1,19})(k|M|G|Ki|Mi|Gi|)", re.ASCII)
# What has no length is kept in the sidecar's memory.
_BYTES: Final = Bounds(1, 1 << 30, "bytes")
_LARGEST: Final = (1 << 63) - 1
_TOO_LARGE: Final = Respond(413, "Payload Too Large")


def read_size(text: str) -> int:
    """A quantity of Kubernetes, in bytes; raises NotUnderstood."""
    found = _SIZE.fullmatch(text)
    if found is None:
        raise NotUnderstood(f"{text[:80]!a} is no size like 65536, 64Ki, 10Mi")
    return whole(str(int(found[1]) * _UNITS[found[2]]), _BYTES)


MAX_REQUEST_BYTES: Final = Ask(
    "crossfade.dev/max-request-bytes",
    "a size, with a port before it if it is for one: `10Mi`, `9080: 64Ki`",
    read_size,
    takes_names=True,
)
"""On a VirtualNode."""


def limited(route: Route, forward: Forward, most: int) -> tuple[Route, ...]:
    """In place of a listener's only `route`, whose action is `forward`."""
    too_large, sized = RangeMatch(most + 1, _LARGEST), RangeMatch(0, most + 1)
    return (
        _with_header(route, "too-large", HeaderMatch("content-length", (too_large,)), _TOO_LARGE),
        _with_header(route, "sized", HeaderMatch("content-length", (sized,)), forward),
        # Envoy takes the header off what is no upgrade.
        _with_header(route, "upgrade", HeaderMatch("upgrade"), forward),
        structs.replace(route, action=structs.replace(forward, max_held_bytes=most)),
    )


def _with_header(route: Route, name: str, header: HeaderMatch, action: Forward | Respond) -> Route:
    return structs.replace(route, name=name, match=structs.replace(route.match, headers=(header,)), action=action)
