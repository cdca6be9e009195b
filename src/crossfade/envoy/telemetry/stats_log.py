"""Access logs that count: requests by who asked whom, in Envoy's own statistics.

The message is work in progress at Envoy's: nothing else here knows it. No label has a value that a client chooses, and
a scope holds so many series at most; Envoy counts those that found no room in `server.stats_overflow`.

Names of the proxy itself come from its environment, so that proxies whose listeners are alike share their encoding.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from crossfade.compile.model import Direction
from crossfade.envoy import names
from crossfade.envoy.proto import accesslog_v3, packed, stats_log_v3
from crossfade.envoy.telemetry.keys import (
    AWS_NODE_VARIABLE,
    DURATION,
    EXTENSION_KEY,
    EXTENSION_SCOPE,
    MESH_VARIABLE,
    NAMESPACE_VARIABLE,
    NODE_VARIABLE,
    REQUESTS_KEY,
    RESPONSE_TIME,
    SCOPE,
)

TARGET_METADATA: Final = "crossfade"
"""Of a cluster: whom it reaches, by `name`, `namespace` and `aws_name`."""
MOST_COUNTERS: Final = 20_000
MOST_HISTOGRAMS: Final = 2_000
_UNKNOWN: Final = "unknown"
_SELF: Final = f"%ENVIRONMENT({NODE_VARIABLE})%"
_SELF_NAMESPACE: Final = f"%ENVIRONMENT({NAMESPACE_VARIABLE})%"
_SERVICE: Final = "%CEL(xds.virtual_host_name)%"
_CLASS: Final = (
    "%CEL(response.code >= 500 ? '5xx' : response.code >= 400 ? '4xx' : response.code >= 300 ? '3xx' "
    ": response.code >= 200 ? '2xx' : response.code >= 100 ? '1xx' : 'none')%"
)
_HUNDRED: Final = 100
Labels = Mapping[str, str]


def request_logs(direction: Direction) -> list[accesslog_v3.AccessLog]:
    """Of a mesh's proxy: at its caller's side of a request, or at its callee's."""
    if direction is Direction.OUTBOUND:
        source, target = (_SELF, _SELF_NAMESPACE), (_target("name"), _target("namespace"))
        reporter, service = "source", _SERVICE
    else:
        source, target = (_UNKNOWN, _UNKNOWN), (_SELF, _SELF_NAMESPACE)
        reporter, service = "destination", _UNKNOWN
    labels = {"reporter": reporter, "source": source[0], "service": service, "target": target[0]}
    message = _scoped(SCOPE)
    message.counters.append(
        _counter(
            "requests_total",
            {
                "reporter": reporter,
                "source": source[0],
                "source_namespace": source[1],
                "service": service,
                "target": target[0],
                "target_namespace": target[1],
                "code_class": _CLASS,
                "flags": "%RESPONSE_FLAGS%",
            },
        )
    )
    message.histograms.append(_milliseconds(DURATION, labels, "%DURATION%"))
    return [_log(message, REQUESTS_KEY, default=_HUNDRED), *_extension(direction)]


def _target(key: str) -> str:
    return f"%METADATA(CLUSTER:{TARGET_METADATA}:{key})%"


def _extension(direction: Direction) -> Iterable[accesslog_v3.AccessLog]:
    """App Mesh's own names, for CloudWatch's agent (appmesh.md §3.13); off unless the proxy's environment asks."""
    own = {"Mesh": f"%ENVIRONMENT({MESH_VARIABLE})%", "VirtualNode": f"%ENVIRONMENT({AWS_NODE_VARIABLE})%"}
    message = _scoped(EXTENSION_SCOPE)
    if direction is Direction.INBOUND:
        message.counters.append(_counter("RequestCount", own))
        yield _log(message, EXTENSION_KEY, default=0)
        grpc = _scoped(EXTENSION_SCOPE)
        grpc.counters.append(_counter("GrpcRequestCount", own))
        only = accesslog_v3.AccessLogFilter()
        header = only.header_filter.header
        header.name, header.string_match.prefix = "content-type", "application/grpc"
        yield _log(grpc, EXTENSION_KEY, only, default=0)
        return
    labels = {**own, "TargetVirtualService": _SERVICE, "TargetVirtualNode": _target("aws_name")}
    message.counters.append(_counter("RequestCountPerTarget", labels))
    message.counters.append(_counter("TargetProcessedBytes", labels, "%BYTES_SENT%"))
    message.counters.append(_counter("TargetProcessedBytes", labels, "%BYTES_RECEIVED%"))
    message.histograms.append(_milliseconds(RESPONSE_TIME, labels, "%DURATION%"))
    yield _log(message, EXTENSION_KEY, default=0)
    for first in (200, 300, 400, 500):
        of_class = _scoped(EXTENSION_SCOPE)
        of_class.counters.append(_counter(f"HTTPCode_Target_{first // 100}XX_Count", labels))
        yield _log(of_class, EXTENSION_KEY, *_between(first, first + 99), default=0)


def _between(first: int, last: int) -> Iterable[accesslog_v3.AccessLogFilter]:
    for operator, status in ((accesslog_v3.ComparisonFilter.GE, first), (accesslog_v3.ComparisonFilter.LE, last)):
        found = accesslog_v3.AccessLogFilter()
        comparison = found.status_code_filter.comparison
        comparison.op = operator
        comparison.value.default_value = status
        comparison.value.runtime_key = f"crossfade.unset.{status}"
        yield found


def _scoped(prefix: str) -> stats_log_v3.Config:
    message = stats_log_v3.Config()
    message.stats_scope.prefix = prefix
    message.stats_scope.max_counters.value = MOST_COUNTERS
    message.stats_scope.max_histograms.value = MOST_HISTOGRAMS
    return message


def _log(
    message: stats_log_v3.Config, key: str, *more: accesslog_v3.AccessLogFilter, default: int
) -> accesslog_v3.AccessLog:
    """The runtime is asked first: what is off costs that look-up."""
    log = accesslog_v3.AccessLog(name=names.STATS_ACCESS_LOG, typed_config=packed(message))
    filters = log.filter.and_filter.filters
    switch = filters.add().runtime_filter
    switch.runtime_key, switch.percent_sampled.numerator = key, default
    filters.add().not_health_check_filter.SetInParent()
    filters.extend(more)
    return log


def _counter(name: str, labels: Labels, value: str = "") -> stats_log_v3.Config.Counter:
    counter = stats_log_v3.Config.Counter(stat=_stat(name, labels), value_format=value)
    if not value:
        counter.value_fixed.value = 1
    return counter


def _milliseconds(name: str, labels: Labels, value: str) -> stats_log_v3.Config.Histogram:
    unit = stats_log_v3.Config.Histogram.Milliseconds
    return stats_log_v3.Config.Histogram(stat=_stat(name, labels), unit=unit, value_format=value)


def _stat(name: str, labels: Labels) -> stats_log_v3.Config.Stat:
    tags = [stats_log_v3.Config.Tag(name=label, value_format=value) for label, value in labels.items()]
    return stats_log_v3.Config.Stat(name=name, tags=tags)
