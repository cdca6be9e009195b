"""How long an ending pod serves, at least and at most, and when the kubelet kills it."""

from typing import Any, Final

from crossfade.install.template.nodes import Is, Largest, Not, Sum, Value, When, text

# What the proxy does by itself: how long it serves at least, and at most, when it is told to end.
DRAIN_S: Final = 5
_LONGEST_DRAIN_S: Final = 20
# After the time that an ending pod serves at least, and until the kubelet kills it.
_LAST_REQUESTS_S: Final = 15
_MARGIN_S: Final = 10

_LEAST: Final = Value("crossfade.drainSeconds")
_MOST: Final = Largest((_LONGEST_DRAIN_S, Sum((_LEAST, _LAST_REQUESTS_S))))
_ASKED: Final = Value("terminationGracePeriodSeconds")
GRACE_PERIOD: Final = When(_ASKED, _ASKED, Sum((_MOST, _MARGIN_S)))


def drain_variables() -> dict[str, Any]:
    """Nothing where it is what the proxy does by itself."""
    return {
        "CROSSFADE_DRAIN_AT_LEAST_S": When(Not(Is(_LEAST, str(DRAIN_S))), text(_LEAST)),
        "LISTENER_DRAIN_WAIT_TIME_S": When(Not(Is(_MOST, str(_LONGEST_DRAIN_S))), text(_MOST)),
    }
