"""When a request is tried again."""

from msgspec import Struct


class RetryPolicy(Struct, frozen=True, gc=False):
    """`retry_on` in Envoy's words; back-off is Envoy's default."""

    retry_on: tuple[str, ...]
    num_retries: int
    status_codes: tuple[int, ...] = ()
    per_try_timeout_s: float | None = None
    avoids_previous_hosts: bool = True
