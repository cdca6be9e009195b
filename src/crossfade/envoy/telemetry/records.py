"""The access log that tells the control plane of single requests, as many as it gives the proxy tokens for.

It goes to where the proxy's configuration comes from, beside the requests: what the control plane does not take in time
is dropped. Nothing is sent of a request but what stands here: no body, no query, and no header but the ids.

A bucket is a resource of ADS of its own. A proxy that has none yet tells of nothing, and a change of one touches no
listener. Answers from 400 on have a bucket to themselves, as they are rare and what people ask for.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from crossfade.compile.model import Direction
from crossfade.envoy import names
from crossfade.envoy.proto import accesslog_v3, duration, log_rate_v3, otlp_log_v3, packed, type_v3
from crossfade.envoy.resource_set import Resource, encoded
from crossfade.envoy.sources import ads
from crossfade.envoy.telemetry.keys import NAMESPACE_VARIABLE, NODE_VARIABLE
from crossfade.envoy.telemetry.stats_log import TARGET_METADATA

ANY_BUCKET: Final = "crossfade-records"
ERRORS_BUCKET: Final = "crossfade-records-errors"
FIRST_ERROR: Final = 400
_LONGEST_TEXT: Final = 256
_FLUSH_S: Final = 0.25
_BUFFER_BYTES: Final = 16 * 1024
_GIVEN_UP_AFTER_S: Final = 5.0
_OF_ALL: Final = {
    "method": "%REQ(:METHOD)%",
    "scheme": "%REQ(:SCHEME)%",
    "host": f"%REQ(:AUTHORITY):{_LONGEST_TEXT}%",
    "path": "%PATH(NQ:PATH)%",
    "code": "%RESPONSE_CODE%",
    "flags": "%RESPONSE_FLAGS%",
    "details": "%RESPONSE_CODE_DETAILS%",
    "failure": "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
    "duration": "%DURATION%",
    "tries": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
    "client": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
    "endpoint": "%UPSTREAM_HOST%",
    "cluster": "%UPSTREAM_CLUSTER_RAW%",
    "request_id": f"%REQ(X-REQUEST-ID):{_LONGEST_TEXT}%",
    "kong_id": f"%REQ(X-KONG-REQUEST-ID):{_LONGEST_TEXT}%",
    "trace": f"%REQ(TRACEPARENT):{_LONGEST_TEXT}%",
}
_OF_GATEWAY: Final = {"note": "%DYNAMIC_METADATA({}:{})%".format(*names.RECORD_NOTE)}
_OF_MESH: Final = {
    "node": f"%ENVIRONMENT({NODE_VARIABLE})%",
    "namespace": f"%ENVIRONMENT({NAMESPACE_VARIABLE})%",
    "local": "%DOWNSTREAM_LOCAL_ADDRESS%",
    "route": "%ROUTE_NAME%",
    "peer": "%DOWNSTREAM_PEER_URI_SAN%",
}
_OF_CALLER: Final = {
    "target": f"%METADATA(CLUSTER:{TARGET_METADATA}:name)%",
    "target_namespace": f"%METADATA(CLUSTER:{TARGET_METADATA}:namespace)%",
}


class Rate(NamedTuple):
    """Records a second on average, and so many at once after a quiet time."""

    per_s: float
    at_once: int


def gateway_records() -> accesslog_v3.AccessLog:
    """Of requests that the policy module has noted something of."""
    log = _log({**_OF_ALL, **_OF_GATEWAY, "side": "gateway"})
    matcher = log.filter.and_filter.filters.add().metadata_filter
    namespace, key = names.RECORD_NOTE
    matcher.matcher.filter = namespace
    matcher.matcher.path.add().key = key
    matcher.matcher.value.present_match = True
    matcher.match_if_key_not_found.value = False
    _limit(log)
    return log


def mesh_records(direction: Direction) -> accesslog_v3.AccessLog:
    if direction is Direction.OUTBOUND:
        log = _log({**_OF_ALL, **_OF_MESH, **_OF_CALLER, "side": "source"})
    else:
        log = _log({**_OF_ALL, **_OF_MESH, "side": "destination"})
    log.filter.and_filter.filters.add().not_health_check_filter.SetInParent()
    _limit(log)
    return log


def buckets(rate: Rate) -> Mapping[str, Resource]:
    """Resources of a proxy that may send so much of either."""
    bucket = type_v3.TokenBucket(max_tokens=rate.at_once)
    whole = max(1, round(rate.per_s))
    bucket.tokens_per_fill.value = whole
    bucket.fill_interval.CopyFrom(duration(whole / rate.per_s))
    return {name: encoded(name, bucket) for name in (ANY_BUCKET, ERRORS_BUCKET)}


def _log(attributes: Mapping[str, str]) -> accesslog_v3.AccessLog:
    message = otlp_log_v3.OpenTelemetryAccessLogConfig(
        log_name="crossfade",
        disable_builtin_labels=True,
        stat_prefix="crossfade",
        buffer_flush_interval=duration(_FLUSH_S),
    )
    message.buffer_size_bytes.value = _BUFFER_BYTES
    message.grpc_service.envoy_grpc.cluster_name = names.ADS_CLUSTER
    message.grpc_service.timeout.CopyFrom(duration(_GIVEN_UP_AFTER_S))
    for key, text in attributes.items():
        message.attributes.values.add(key=key).value.string_value = text
    return accesslog_v3.AccessLog(name=names.RECORDS_ACCESS_LOG, typed_config=packed(message))


def _limit(log: accesslog_v3.AccessLog) -> None:
    """An error that finds its own bucket empty may have a token of the other."""
    either = log.filter.and_filter.filters.add().or_filter
    errors = either.filters.add().and_filter
    comparison = errors.filters.add().status_code_filter.comparison
    comparison.op = accesslog_v3.ComparisonFilter.GE
    comparison.value.default_value = FIRST_ERROR
    comparison.value.runtime_key = "crossfade.unset.records"
    _limited_by(ERRORS_BUCKET, errors.filters.add())
    _limited_by(ANY_BUCKET, either.filters.add())


def _limited_by(bucket: str, to_fill: accesslog_v3.AccessLogFilter) -> None:
    limit = log_rate_v3.ProcessRateLimitFilter()
    limit.dynamic_config.resource_name = bucket
    limit.dynamic_config.config_source.CopyFrom(ads())
    to_fill.extension_filter.name = names.RATE_LIMITED_LOG
    to_fill.extension_filter.typed_config.CopyFrom(packed(limit))
