"""Access logs that count: requests by who asked whom, in Envoy's own statistics.

The message is work in progress at Envoy's: nothing else here knows it. No label has a value that a client chooses, and
a scope holds so many series at most; Envoy counts those that found no room in `server.stats_overflow`.

Names of the proxy itself come from its environment, so that proxies whose listeners are alike share their encoding.
An expression (CEL) costs each request a microsecond; the rules of a tag and metadata cost a fraction of that.
"""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from crossfade.compile.model import Direction
from crossfade.envoy import names
from crossfade.envoy.proto import (
    accesslog_v3,
    packed,
    stat_inputs_v3,
    stats_log_v3,
    transform_stat_v3,
    xds_matcher_v3,
)
from crossfade.envoy.telemetry.keys import (
    AWS_NODE_VARIABLE,
    DURATION,
    EXTENSION_KEY,
    EXTENSION_SCOPE,
    MESH_VARIABLE,
    MODULE_SCOPE,
    NAMESPACE_VARIABLE,
    NODE_VARIABLE,
    REQUESTS_KEY,
    RESPONSE_TIME,
    SCOPE,
)

TARGET_METADATA: Final = "crossfade"
"""Of a cluster: whom it reaches, by `name`, `namespace` and `aws_name`. Of a virtual host: its `service`. Of a route
too, where a gateway has those of its mesh."""
MOST_COUNTERS: Final = 20_000
MOST_HISTOGRAMS: Final = 2_000
_UNKNOWN: Final = "unknown"
_SELF: Final = f"%ENVIRONMENT({NODE_VARIABLE})%"
_SELF_NAMESPACE: Final = f"%ENVIRONMENT({NAMESPACE_VARIABLE})%"
_SERVICE: Final = f"%METADATA(VIRTUAL_HOST:{TARGET_METADATA}:service)%"
# No answer is 0. There are statuses above 599, which are errors to whoever reads them.
_CLASSES: Final = {**{str(first): f"{first}xx" for first in range(1, 6)}, **dict.fromkeys("6789", "5xx")}
_NO_ANSWER: Final = "none"
_HUNDRED: Final = 100
_OWN: Final = {"Mesh": f"%ENVIRONMENT({MESH_VARIABLE})%", "VirtualNode": f"%ENVIRONMENT({AWS_NODE_VARIABLE})%"}
NO_ROUTE: Final = "NR"
Labels = Mapping[str, "str | stats_log_v3.Config.Tag"]
Change = transform_stat_v3.TransformStat


class _Names(NamedTuple):
    """Of statistics: they stand in `scope`, and begin with `prefix` there."""

    scope: str
    prefix: str = ""


_OWN_NAMES: Final = _Names(SCOPE)


def request_logs(direction: Direction) -> list[accesslog_v3.AccessLog]:
    """Of a mesh's proxy: at its caller's side of a request, or at its callee's."""
    return [request_log(direction), _extension(direction)]


def request_log(direction: Direction) -> accesslog_v3.AccessLog:
    """Under our own names. Proxies that have the library `counts` have it count in place of this (`counted`)."""
    if direction is Direction.OUTBOUND:
        target = (_target("name"), _target("namespace"))
        return _requests("source", (_SELF, _SELF_NAMESPACE), lambda: _SERVICE, target)
    return _requests("destination", (_UNKNOWN, _UNKNOWN), lambda: _UNKNOWN, (_SELF, _SELF_NAMESPACE))


def unrouted_log() -> accesslog_v3.AccessLog:
    """Of a caller's requests that no route of their service fits: for proxies whose other requests the library counts.

    The library does not learn which service it was. The series are those that it counts by.
    """
    target = (_target("name"), _target("namespace"))
    log = _requests(
        "source", (_SELF, _SELF_NAMESPACE), lambda: _SERVICE, target, _Names(MODULE_SCOPE, f"envoy_{SCOPE}_")
    )
    log.filter.and_filter.filters.insert(0, accesslog_v3.AccessLogFilter())
    log.filter.and_filter.filters[0].response_flag_filter.flags.append(NO_ROUTE)
    return log


def call_log() -> accesslog_v3.AccessLog:
    """The same of a gateway that is a node of its mesh by itself. What no route of the mesh has taken is left out."""
    target = (_target("name"), _target("namespace"))
    return _requests("source", (_SELF, _SELF_NAMESPACE), _only_in_mesh, target)


def _requests(
    reporter: str,
    source: tuple[str, str],
    service: "Callable[[], str | stats_log_v3.Config.Tag]",
    target: tuple[str, str],
    within: _Names = _OWN_NAMES,
) -> accesslog_v3.AccessLog:
    """Both by name and namespace."""
    message = _scoped(within.scope)
    message.counters.append(
        _counter(
            f"{within.prefix}requests_total",
            {
                "reporter": reporter,
                "source": source[0],
                "source_namespace": source[1],
                "service": service(),
                "target": target[0],
                "target_namespace": target[1],
                "code_class": _code_class(),
                "flags": "%RESPONSE_FLAGS%",
            },
        )
    )
    labels: Labels = {"reporter": reporter, "source": source[0], "service": service(), "target": target[0]}
    message.histograms.append(_milliseconds(f"{within.prefix}{DURATION}", labels, "%DURATION%"))
    return _log(message, REQUESTS_KEY, default=_HUNDRED)


def _only_in_mesh() -> stats_log_v3.Config.Tag:
    tag = stats_log_v3.Config.Tag(value_format=f"%METADATA(ROUTE:{TARGET_METADATA}:service)%")
    dropped = Change()
    dropped.drop_stat.SetInParent()
    tree = tag.rules.matcher_tree
    tree.input.name = "value"
    tree.input.typed_config.CopyFrom(packed(stat_inputs_v3.StatTagValueInput()))
    for nothing in ("", "-"):
        _fill(tree.exact_match_map.map[nothing], dropped)
    return tag


def _target(key: str) -> str:
    return f"%METADATA(CLUSTER:{TARGET_METADATA}:{key})%"


def connection_log() -> accesslog_v3.AccessLog:
    """App Mesh's own names of what a listener has had of connections, when each ends."""
    message = _scoped(EXTENSION_SCOPE)
    message.counters.append(_counter("NewConnectionCount", _OWN))
    message.counters.append(_counter("ProcessedBytes", _OWN, "%BYTES_RECEIVED%"))
    message.counters.append(_counter("ProcessedBytes", _OWN, "%BYTES_SENT%"))
    return accesslog_v3.AccessLog(
        name=names.STATS_ACCESS_LOG, filter=_switch(EXTENSION_KEY, default=0), typed_config=packed(message)
    )


def _extension(direction: Direction) -> accesslog_v3.AccessLog:
    """App Mesh's own names, for CloudWatch's agent (appmesh.md §3.13); off unless the proxy's environment asks."""
    message = _scoped(EXTENSION_SCOPE)
    if direction is Direction.INBOUND:
        grpc: Labels = {**_OWN, "type": _only_with("%REQ(CONTENT-TYPE)%", "application/grpc")}
        message.counters.append(_counter("RequestCount", _OWN))
        message.counters.append(_counter("GrpcRequestCount", grpc))
        return _log(message, EXTENSION_KEY, default=0)
    labels = {**_OWN, "TargetVirtualService": _SERVICE, "TargetVirtualNode": _target("aws_name")}
    message.counters.append(_counter("RequestCountPerTarget", labels))
    message.counters.append(_counter("TargetProcessedBytes", labels, "%BYTES_SENT%"))
    message.counters.append(_counter("TargetProcessedBytes", labels, "%BYTES_RECEIVED%"))
    for first in "2345":
        of_class: Labels = {**labels, "class": _only_with("%RESPONSE_CODE%", first)}
        message.counters.append(_counter(f"HTTPCode_Target_{first}XX_Count", of_class))
    message.histograms.append(_milliseconds(RESPONSE_TIME, labels, "%DURATION%"))
    return _log(message, EXTENSION_KEY, default=0)


def _code_class() -> stats_log_v3.Config.Tag:
    changes = {first: _becomes(text) for first, text in _CLASSES.items()}
    return _changed("%RESPONSE_CODE%", changes, otherwise=_becomes(_NO_ANSWER))


def _only_with(value: str, prefix: str) -> stats_log_v3.Config.Tag:
    """No label: without the prefix nothing is counted."""
    kept, dropped = Change(), Change()
    kept.drop_tag.SetInParent()
    dropped.drop_stat.SetInParent()
    return _changed(value, {prefix: kept}, otherwise=dropped)


def _becomes(text: str) -> Change:
    change = Change()
    change.update_tag.new_tag_value = text
    return change


def _changed(value: str, changes: Mapping[str, Change], *, otherwise: Change) -> stats_log_v3.Config.Tag:
    """By what the value begins with."""
    tag = stats_log_v3.Config.Tag(value_format=value)
    tree = tag.rules.matcher_tree
    tree.input.name = "value"
    tree.input.typed_config.CopyFrom(packed(stat_inputs_v3.StatTagValueInput()))
    for prefix, change in changes.items():
        _fill(tree.prefix_match_map.map[prefix], change)
    _fill(tag.rules.on_no_match, otherwise)
    return tag


def _fill(found: xds_matcher_v3.Matcher.OnMatch, change: Change) -> None:
    found.action.name = "change"
    found.action.typed_config.CopyFrom(packed(change))


def _scoped(prefix: str) -> stats_log_v3.Config:
    message = stats_log_v3.Config()
    message.stats_scope.prefix = prefix
    message.stats_scope.max_counters.value = MOST_COUNTERS
    message.stats_scope.max_histograms.value = MOST_HISTOGRAMS
    return message


def _log(message: stats_log_v3.Config, key: str, *, default: int) -> accesslog_v3.AccessLog:
    log = accesslog_v3.AccessLog(name=names.STATS_ACCESS_LOG, typed_config=packed(message))
    filters = log.filter.and_filter.filters
    filters.append(_switch(key, default=default))
    filters.add().not_health_check_filter.SetInParent()
    return log


def _switch(key: str, *, default: int) -> accesslog_v3.AccessLogFilter:
    """The runtime is asked first: what is off costs that look-up."""
    found = accesslog_v3.AccessLogFilter()
    found.runtime_filter.runtime_key = key
    found.runtime_filter.percent_sampled.numerator = default
    return found


def _counter(name: str, labels: Labels, value: str = "") -> stats_log_v3.Config.Counter:
    counter = stats_log_v3.Config.Counter(stat=_stat(name, labels), value_format=value)
    if not value:
        counter.value_fixed.value = 1
    return counter


def _milliseconds(name: str, labels: Labels, value: str) -> stats_log_v3.Config.Histogram:
    unit = stats_log_v3.Config.Histogram.Milliseconds
    return stats_log_v3.Config.Histogram(stat=_stat(name, labels), unit=unit, value_format=value)


def _stat(name: str, labels: Labels) -> stats_log_v3.Config.Stat:
    return stats_log_v3.Config.Stat(name=name, tags=[_tag(label, value) for label, value in labels.items()])


def _tag(label: str, value: "str | stats_log_v3.Config.Tag") -> stats_log_v3.Config.Tag:
    if isinstance(value, str):
        return stats_log_v3.Config.Tag(name=label, value_format=value)
    value.name = label
    return value
