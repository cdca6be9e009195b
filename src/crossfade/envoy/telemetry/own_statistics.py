"""Which of Envoy's own statistics a proxy keeps; only the standard library.

What is left out is never made: an endpoint change, a scrape and each cluster cost less. Kept is what metrics, alerts,
`crossfade top`, the Admin API and the end of a proxy read; the reference of settings says it to users.
"""

from typing import Any, Final

from crossfade.envoy.telemetry.keys import EXTENSION_SCOPE, MODULE_SCOPE, RATE_LIMITS, SCOPE

# Compared as they are, so these are asked first.
PREFIXES: Final = tuple(
    f"{scope}."
    for scope in (
        "server",
        "cluster_manager",
        "control_plane",
        "tracing",
        SCOPE,
        MODULE_SCOPE,
        EXTENSION_SCOPE,
        RATE_LIMITS,
    )
)
BY_KIND: Final = {
    "cluster": (
        "upstream_rq.*",
        "upstream_cx_.*",
        "membership_.*",
        "outlier_detection[.].*",
        "health_check[.].*",
        "circuit_breakers[.].*",
        "ssl[.].*",
    ),
    "listener": ("ssl[.].*",),
    # Connections are Kong's metric and the Admin API's; a proxy ends when the raw ones have.
    "http": ("downstream_rq.*", "downstream_cx_(total|active)", "fault[.].*"),
    "tcp": ("downstream_cx_(total|active)",),
}
"""Parts of regexes: what stands behind the name of a cluster, a listener, a connection manager, a TCP proxy."""


DEFERRED: Final = {"enable_deferred_creation_stats": True}
"""Statistics of a cluster's traffic are made when it is first used: who reads them takes a missing one as 0.

Whether they exist stands in a hidden gauge, which no matcher leaves out, so that a changed cluster goes on counting.
"""


def kept_statistics() -> dict[str, Any]:
    """A `StatsMatcher` as JSON."""
    patterns = [{"prefix": prefix} for prefix in PREFIXES]
    return {"inclusion_list": {"patterns": [*patterns, {"safe_regex": {"regex": _regex()}}]}}


def _regex() -> str:
    """One for all: each that does not match costs a statistic's creation its time."""
    return "|".join(f"{kind}[.].+[.]({'|'.join(names)})" for kind, names in BY_KIND.items())
