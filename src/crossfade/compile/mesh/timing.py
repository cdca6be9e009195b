"""Retries, timeouts and limits with App Mesh's defaults (appmesh.md §3.5-3.7)."""

from typing import Final

from crossfade.api.appmesh.values import ConnectionLimits, RequestTimeout, TcpTimeout
from crossfade.api.appmesh.virtual_node import Listener, OutlierDetection
from crossfade.api.appmesh.virtual_router import RetryPolicy
from crossfade.api.bounds import Misfit, printable_header_value
from crossfade.compile.model import CircuitBreakers, HealthCheck, Protocol
from crossfade.compile.model import OutlierDetection as ModelOutlierDetection
from crossfade.compile.routing.retry import RetryPolicy as ModelRetryPolicy

REQUEST_TIMEOUT_S: Final = 15.0
TCP_IDLE_TIMEOUT_S: Final = 300.0

# Word of the manifest → (retry_on in Envoy's words, status codes to retry).
_RETRY_EVENTS: Final[dict[str, tuple[tuple[str, ...], tuple[int, ...]]]] = {
    "server-error": (
        ("reset", "retriable-status-codes"),
        (500, 501, 502, 503, 504, 505, 506, 507, 508, 510, 511),
    ),
    "gateway-error": (("reset", "retriable-status-codes"), (502, 503, 504)),
    "client-error": (("retriable-status-codes",), (409,)),
    "stream-error": (("refused-stream",), ()),
    "connection-error": (("connect-failure",), ()),
    "cancelled": (("cancelled",), ()),
    "deadline-exceeded": (("deadline-exceeded",), ()),
    "internal": (("internal",), ()),
    "resource-exhausted": (("resource-exhausted",), ()),
    "unavailable": (("unavailable",), ()),
}
# Of what was never delivered, where the author wants no other retries.
_SAFE_RETRIES: Final = 2
DEFAULT_RETRY: Final = ModelRetryPolicy(
    retry_on=("connect-failure", "refused-stream", "reset", "unavailable", "retriable-status-codes"),
    num_retries=2,
    status_codes=(503,),
)


def retry_policy(policy: RetryPolicy | None) -> ModelRetryPolicy:
    """No policy means the default one; `maxRetries: 0` is how an author turns retries of what was delivered off."""
    if policy is None:
        return DEFAULT_RETRY
    events = (*policy.http_retry_events, *policy.tcp_retry_events, *policy.grpc_retry_events)
    known = [_RETRY_EVENTS[event] for event in events if event in _RETRY_EVENTS]
    if policy.max_retries == 0 or not known:
        return ModelRetryPolicy((), _SAFE_RETRIES)
    return ModelRetryPolicy(
        retry_on=tuple(dict.fromkeys(word for words, _ in known for word in words)),
        num_retries=policy.max_retries,
        status_codes=tuple(sorted({code for _, codes in known for code in codes})),
        per_try_timeout_s=(policy.per_retry_timeout.seconds or None) if policy.per_retry_timeout else None,
    )


def request_timeout_s(timeout: RequestTimeout | None) -> float | None:
    """None: unlimited, which an author asks for with 0."""
    if timeout is None or timeout.per_request is None:
        return REQUEST_TIMEOUT_S
    return timeout.per_request.seconds or None


def idle_timeout_s(timeout: RequestTimeout | None) -> float | None:
    """None: as the connection manager has it."""
    return timeout.idle.seconds if timeout is not None and timeout.idle is not None else None


def tcp_idle_timeout_s(timeout: TcpTimeout | None) -> float | None:
    """None: unlimited, which an author asks for with 0."""
    if timeout is None or timeout.idle is None:
        return TCP_IDLE_TIMEOUT_S
    return timeout.idle.seconds or None


def circuit_breakers(limits: ConnectionLimits | None) -> CircuitBreakers:
    given = limits or ConnectionLimits()
    unlimited = CircuitBreakers()
    return CircuitBreakers(
        max_connections=given.max_connections or unlimited.max_connections,
        max_pending_requests=given.max_pending_requests or unlimited.max_pending_requests,
        max_requests=given.max_requests or unlimited.max_requests,
    )


_HTTP2_FAMILY: Final = frozenset({"http2", "grpc"})


def health_check_problem(listener: Listener) -> str:
    """Why the listener cannot be checked that way; empty if it can, or is not to be."""
    check = listener.health_check
    if check is None:
        return ""
    if check.protocol == "grpc" and listener.port_mapping.protocol not in _HTTP2_FAMILY:
        return f"a grpc health check needs http2 or grpc, the listener speaks {listener.port_mapping.protocol}"
    checked = printable_header_value(check.path or "/")
    return f"the path cannot be used: {checked}" if isinstance(checked, Misfit) else ""


def health_check(listener: Listener) -> HealthCheck | None:
    policy = listener.health_check
    if policy is None or health_check_problem(listener):
        return None
    return HealthCheck(
        protocol=Protocol(policy.protocol),
        interval_s=policy.interval_millis / 1000,
        timeout_s=policy.timeout_millis / 1000,
        healthy_threshold=policy.healthy_threshold,
        unhealthy_threshold=policy.unhealthy_threshold,
        path=policy.path or "/",
    )


def outlier_detection(policy: OutlierDetection | None) -> ModelOutlierDetection | None:
    if policy is None:
        return None
    return ModelOutlierDetection(
        consecutive_5xx=policy.max_server_errors,
        interval_s=policy.interval.seconds,
        base_ejection_s=policy.base_ejection_duration.seconds,
        max_ejection_percent=policy.max_ejection_percent,
    )
