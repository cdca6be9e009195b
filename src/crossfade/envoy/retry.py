"""When Envoy tries a request again, and where."""

from typing import Final

from crossfade.compile.routing.retry import RetryPolicy
from crossfade.envoy import names
from crossfade.envoy.proto import UInt32Value, duration, packed, previous_hosts_v3, route_v3

HOST_SELECTION_ATTEMPTS: Final = 5


def retry_policy(retry: RetryPolicy) -> route_v3.RetryPolicy:
    message = route_v3.RetryPolicy(
        retry_on=",".join(retry.retry_on),
        num_retries=UInt32Value(value=retry.num_retries),
        retriable_status_codes=retry.status_codes,
    )
    if retry.per_try_timeout_s is not None:
        message.per_try_timeout.CopyFrom(duration(retry.per_try_timeout_s))
    if retry.avoids_previous_hosts:
        predicate = packed(previous_hosts_v3.PreviousHostsPredicate())
        message.retry_host_predicate.add(name=names.PREVIOUS_HOSTS, typed_config=predicate)
        message.host_selection_retry_max_attempts = HOST_SELECTION_ATTEMPTS
    return message
