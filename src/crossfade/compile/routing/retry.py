"""When a request is tried again."""

from typing import Final

from msgspec import Struct

MARK_HEADER: Final = "x-envoy-upstream-healthchecked-cluster"
"""By which sidecars say to the proxies of their callers how far a request got. Applications cannot say it, and clients
do not hear it.

Envoy has a place of its own for this header, and no use outside of health checks. To look for one whose name it does
not know it indexes all headers of an answer first, which took a gateway more than 2 % of a request.
"""
UNDELIVERED: Final = "x-crossfade-undelivered"
"""By a sidecar that could not connect to its application, which has seen nothing of the request."""
UNANSWERED: Final = "x-crossfade-unanswered"
"""By a sidecar whose application ended the connection before it answered: it may have seen the request."""
MARKS: Final = (UNDELIVERED, UNANSWERED)
OVERLOADED_HEADER: Final = "x-envoy-overloaded"
NOT_RETRIED_HEADER: Final = "x-envoy-ratelimited"
"""An Envoy that gets it does not try again, whatever its policy."""
NO_RETRY_OF_OVERLOAD: Final = (NOT_RETRIED_HEADER, OVERLOADED_HEADER)


class RetryPolicy(Struct, frozen=True, gc=False):
    """`retry_on` in Envoy's words; back-off is Envoy's default. What was never delivered is always tried elsewhere.

    Answers with one of `marks` are not passed on while there are tries left.
    """

    retry_on: tuple[str, ...]
    num_retries: int
    status_codes: tuple[int, ...] = ()
    per_try_timeout_s: float | None = None
    avoids_previous_hosts: bool = True
    marks: tuple[str, ...] = (UNDELIVERED,)
