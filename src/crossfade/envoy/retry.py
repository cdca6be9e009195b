"""When Envoy tries a request again, and where."""

from functools import lru_cache
from typing import Final

from crossfade.compile.routing.retry import MARK_HEADER, RetryPolicy
from crossfade.envoy import names
from crossfade.envoy.proto import UInt32Value, duration, matcher_v3, packed, previous_hosts_v3, route_v3

HOST_SELECTION_ATTEMPTS: Final = 5
UNDELIVERED: Final = ("connect-failure", "refused-stream", "reset-before-request", "retriable-headers")
"""No application has seen anything of such a request."""


@lru_cache(maxsize=256)
def retry_policy(retry: RetryPolicy) -> route_v3.RetryPolicy:
    """Shared between routes that have the same: to be copied, not changed."""
    message = route_v3.RetryPolicy(
        retry_on=",".join(dict.fromkeys((*retry.retry_on, *UNDELIVERED))),
        num_retries=UInt32Value(value=retry.num_retries),
        retriable_status_codes=retry.status_codes,
        retriable_headers=[
            route_v3.HeaderMatcher(name=MARK_HEADER, string_match=matcher_v3.StringMatcher(exact=mark))
            for mark in retry.marks
        ],
    )
    if retry.per_try_timeout_s is not None:
        message.per_try_timeout.CopyFrom(duration(retry.per_try_timeout_s))
    if retry.avoids_previous_hosts:
        predicate = packed(previous_hosts_v3.PreviousHostsPredicate())
        message.retry_host_predicate.add(name=names.PREVIOUS_HOSTS, typed_config=predicate)
        message.host_selection_retry_max_attempts = HOST_SELECTION_ATTEMPTS
    return message
