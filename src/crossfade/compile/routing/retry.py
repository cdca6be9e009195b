"""When a request is tried again."""

from typing import Final

from msgspec import Struct

UNDELIVERED_HEADER: Final = "x-crossfade-undelivered"
"""On answers of a sidecar that could not connect to its application, which has seen nothing of the request."""
UNANSWERED_HEADER: Final = "x-crossfade-unanswered"
"""On answers of a sidecar whose application ended the connection before it answered: it may have seen the request."""
MARKS: Final = (UNDELIVERED_HEADER, UNANSWERED_HEADER)
"""What sidecars say to the proxies of their callers. Applications cannot say it, and clients do not hear it."""
OVERLOADED_HEADER: Final = "x-envoy-overloaded"
NOT_RETRIED_HEADER: Final = "x-envoy-ratelimited"
"""An Envoy that gets it does not try again, whatever its policy."""
NO_RETRY_OF_OVERLOAD: Final = (NOT_RETRIED_HEADER, OVERLOADED_HEADER)


class RetryPolicy(Struct, frozen=True, gc=False):
    """`retry_on` in Envoy's words; back-off is Envoy's default. What was never delivered is always tried elsewhere.

    `marks` are headers of answers that are not passed on while there are tries left.
    """

    retry_on: tuple[str, ...]
    num_retries: int
    status_codes: tuple[int, ...] = ()
    per_try_timeout_s: float | None = None
    avoids_previous_hosts: bool = True
    marks: tuple[str, ...] = (UNDELIVERED_HEADER,)
