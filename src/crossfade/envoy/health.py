"""Which endpoints of a cluster count as healthy: probes, and failures of requests."""

from collections.abc import Iterable, Iterator
from typing import Final

from crossfade.compile.model import Cluster, HealthCheck, OutlierDetection, ProbeSocket, Protocol
from crossfade.envoy import names
from crossfade.envoy.proto import (
    Struct,
    UInt32Value,
    cluster_v3,
    core_v3,
    duration,
    packed,
    raw_buffer_v3,
    type_v3,
    upstream_http_v3,
)
from crossfade.envoy.tls import client_tls

HTTP2_CODEC: Final = 1
"""`envoy.type.v3.CodecClientType.HTTP2`."""
_STATUSES: Final = range(100, 600)


def fill_health(message: cluster_v3.Cluster, cluster: Cluster) -> None:
    check, detection = cluster.health_check, cluster.outlier_detection
    if check is not None:
        message.health_checks.append(_health_check(check))
        if check.socket is not ProbeSocket.AS_REQUESTS:
            _fill_probe_socket(message, check)
    if detection is not None:
        message.outlier_detection.CopyFrom(_outlier_detection(detection))


def fill_failing_statuses(message: upstream_http_v3.HttpProtocolOptions, detection: OutlierDetection | None) -> None:
    if detection is not None and detection.failing_statuses is not None:
        match = message.outlier_detection.error_matcher.http_response_headers_match.headers.add(name=":status")
        match.string_match.safe_regex.regex = "|".join(map(str, detection.failing_statuses)) or "none"


# --- probes ----------------------------------------------------------------------------------------------------


def _health_check(check: HealthCheck) -> core_v3.HealthCheck:
    message = core_v3.HealthCheck(
        interval=duration(check.interval_s),
        # Else Envoy looks once a minute at clusters that nobody has asked for anything yet.
        no_traffic_interval=duration(check.interval_s),
        timeout=duration(check.timeout_s),
        healthy_threshold=UInt32Value(value=check.healthy_threshold),
        unhealthy_threshold=UInt32Value(value=check.unhealthy_threshold),
    )
    if check.unhealthy_interval_s is not None:
        message.unhealthy_interval.CopyFrom(duration(check.unhealthy_interval_s))
    match check.protocol:
        case Protocol.HTTP1 | Protocol.HTTP2:
            _fill_http(message.http_health_check, check)
        case Protocol.GRPC:
            message.grpc_health_check.SetInParent()
            if check.host is not None:
                message.grpc_health_check.authority = check.host
        case Protocol.TCP:
            message.tcp_health_check.SetInParent()
    return message


def _fill_http(message: core_v3.HealthCheck.HttpHealthCheck, check: HealthCheck) -> None:
    message.path = check.path
    if check.protocol is Protocol.HTTP2:
        message.codec_client_type = HTTP2_CODEC
    if check.host is not None:
        message.host = check.host
    for name, value in check.headers:
        message.request_headers_to_add.add(header=core_v3.HeaderValue(key=name, value=value.replace("%", "%%")))
    if check.failing_statuses is not None:
        message.expected_statuses.extend(_ranges(set(_STATUSES).difference(check.failing_statuses)))
        # What is in neither list would take an endpoint out at once.
        message.retriable_statuses.extend(_ranges(check.failing_statuses))


def _ranges(statuses: Iterable[int]) -> Iterator[type_v3.Int64Range]:
    """Neighbours together; the end is not included."""
    start = end = 0
    for status in sorted(statuses):
        if status == end:
            end += 1
            continue
        if end:
            yield type_v3.Int64Range(start=start, end=end)
        start, end = status, status + 1
    if end:
        yield type_v3.Int64Range(start=start, end=end)


def _fill_probe_socket(message: cluster_v3.Cluster, check: HealthCheck) -> None:
    """Requests go on over the cluster's own: no endpoint carries the label that probes ask for."""
    label = Struct()
    label.fields["probe"].bool_value = True
    if check.tls is not None:
        socket = client_tls(check.tls, check.protocol)
    else:
        socket = core_v3.TransportSocket(name=names.RAW_BUFFER, typed_config=packed(raw_buffer_v3.RawBuffer()))
    message.transport_socket_matches.add(name="probe", match=label, transport_socket=socket)
    message.health_checks[0].transport_socket_match_criteria.CopyFrom(label)


# --- failures of requests --------------------------------------------------------------------------------------


def _outlier_detection(detection: OutlierDetection) -> cluster_v3.OutlierDetection:
    """Only failures in a row: neither App Mesh (appmesh.md §3.7) nor Kong knows the statistical kinds."""
    never = UInt32Value(value=0)
    message = cluster_v3.OutlierDetection(
        interval=duration(detection.interval_s),
        base_ejection_time=duration(detection.base_ejection_s),
        max_ejection_percent=UInt32Value(value=detection.max_ejection_percent),
        enforcing_success_rate=never,
        enforcing_consecutive_gateway_failure=never,
    )
    if detection.consecutive_5xx:
        message.consecutive_5xx.value = detection.consecutive_5xx
    else:
        message.enforcing_consecutive_5xx.CopyFrom(never)
    if detection.consecutive_local_failures is not None:
        message.split_external_local_origin_errors = True
        message.enforcing_local_origin_success_rate.CopyFrom(never)
        if detection.consecutive_local_failures:
            message.consecutive_local_origin_failure.value = detection.consecutive_local_failures
        else:
            message.enforcing_consecutive_local_origin_failure.CopyFrom(never)
    message.always_eject_one_host.value = True
    return message
