"""Filters that a sidecar has where its routes ask for them: limits of rate, faults, held bodies, names to find.

Each but the last is disabled on its listener and enabled by the routes that want it.
"""

from math import ceil
from typing import Final

from crossfade.compile.routing.routes import Forward, RateLimit, RouteFilters
from crossfade.envoy import names
from crossfade.envoy.faults import fault_filter
from crossfade.envoy.name_cache import name_cache
from crossfade.envoy.proto import (
    Any,
    UInt32Value,
    buffer_v3,
    core_v3,
    dfp_filter_v3,
    duration,
    hcm_v3,
    local_ratelimit_v3,
    packed,
    route_v3,
    type_v3,
)
from crossfade.envoy.telemetry.keys import RATE_LIMITS

# Envoy fills a bucket no more often.
_SHORTEST_FILL_S: Final = 0.05


def asked_filters(asked: RouteFilters) -> list[hcm_v3.HttpFilter]:
    """What is over a limit is neither delayed nor held."""
    filters: list[hcm_v3.HttpFilter] = []
    if asked.limits_rate:
        config = packed(local_ratelimit_v3.LocalRateLimit(stat_prefix=RATE_LIMITS))
        filters.append(hcm_v3.HttpFilter(name=names.RATE_LIMIT_FILTER, typed_config=config, disabled=True))
    filters += [fault_filter(name) for name in asked.faults]
    if asked.holds_bodies:
        held = buffer_v3.Buffer(max_request_bytes=UInt32Value(value=1))
        filters.append(hcm_v3.HttpFilter(name=names.BUFFER_FILTER, typed_config=packed(held), disabled=True))
    if asked.finds_hosts:
        # Passes by what goes to other clusters.
        by_name = packed(dfp_filter_v3.FilterConfig(dns_cache_config=name_cache()))
        filters.append(hcm_v3.HttpFilter(name=names.BY_NAME_FILTER, typed_config=by_name))
    return filters


def fill_asked(message: route_v3.Route, forward: Forward) -> None:
    configs = message.typed_per_filter_config
    if forward.fault is not None:
        # The fault itself comes apart, and goes apart.
        configs[forward.fault.name].CopyFrom(packed(route_v3.FilterConfig(config=Any())))
    if forward.rate_limit is not None:
        configs[names.RATE_LIMIT_FILTER].CopyFrom(packed(_rate_limit(forward.rate_limit)))
    if forward.max_held_bytes is not None:
        held = buffer_v3.Buffer(max_request_bytes=UInt32Value(value=forward.max_held_bytes))
        configs[names.BUFFER_FILTER].CopyFrom(packed(buffer_v3.BufferPerRoute(buffer=held)))


def _rate_limit(limit: RateLimit) -> local_ratelimit_v3.LocalRateLimit:
    interval_s = limit.period_s / limit.requests
    tokens = max(1, ceil(_SHORTEST_FILL_S / interval_s))
    always = core_v3.RuntimeFractionalPercent(default_value=type_v3.FractionalPercent(numerator=100))
    return local_ratelimit_v3.LocalRateLimit(
        stat_prefix=RATE_LIMITS,
        token_bucket=type_v3.TokenBucket(
            max_tokens=limit.burst,
            tokens_per_fill=UInt32Value(value=tokens),
            fill_interval=duration(tokens * interval_s),
        ),
        filter_enabled=always,
        filter_enforced=always,
        # Callers of gRPC read RESOURCE_EXHAUSTED.
        rate_limited_as_resource_exhausted=True,
        enable_retry_after_header=True,
    )
