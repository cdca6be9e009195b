"""How many requests a proxy lets through, each proxy for itself: `100/s burst 200`."""

import re
from typing import Final

from crossfade.api.bounds import POSITIVE_COUNT
from crossfade.compile.mesh.asks import Ask, NotUnderstood, whole
from crossfade.compile.routing.routes import RateLimit

_PERIODS_S: Final = {"s": 1, "m": 60, "h": 3600}
_FORM: Final = re.compile(r"(?P<rate>\d{1,19})/(?P<period>[smh])(?:\s+burst\s+(?P<burst>\d{1,19}))?", re.ASCII)


def read_rate_limit(text: str) -> RateLimit:
    """Raises NotUnderstood."""
    found = _FORM.fullmatch(text)
    if found is None:
        raise NotUnderstood(f"{text[:80]!a} is no number of requests in a time")
    rate = whole(found["rate"], POSITIVE_COUNT)
    burst = whole(found["burst"], POSITIVE_COUNT) if found["burst"] else rate
    return RateLimit(rate, _PERIODS_S[found["period"]], burst)


RATE_LIMIT: Final = Ask(
    "crossfade.dev/rate-limit",
    "requests in a second, minute or hour, with a port in front if they are for one: `100/s`, `9080: 600/m burst 50`",
    read_rate_limit,
    takes_names=True,
)
"""On a VirtualNode: of what its pods get, each pod by itself."""
ROUTE_RATE_LIMITS: Final = Ask(
    "crossfade.dev/route-rate-limits",
    "lines `route: limit` with requests in a second, minute or hour: `checkout: 100/s burst 200`",
    read_rate_limit,
    takes_names=True,
)
"""On a VirtualRouter, by route: of what each caller sends."""
