"""An upstream as Kong has it: how it balances and checks its targets (kong.md §3.7)."""

from typing import Any, Final

from crossfade.compile.gateway.state import KongService
from crossfade.compile.model import Algorithm, Cluster, Protocol

Json = dict[str, Any]

_DEFAULT_SLOTS: Final = 10000
_ALGORITHMS: Final = {
    Algorithm.ROUND_ROBIN: "round-robin",
    Algorithm.LEAST_REQUEST: "least-connections",
    Algorithm.BETTER_OF_TWO: "latency",
    Algorithm.RING_HASH: "consistent-hashing",
}


def balancing_fields(service: KongService) -> Json:
    balancing = service.cluster.balancing
    fields: Json = {
        "algorithm": "sticky-sessions" if service.sticky else _ALGORITHMS[balancing.algorithm],
        "slots": balancing.ring_size or _DEFAULT_SLOTS,
        "hash_on": "none",
        "hash_fallback": "none",
        "hash_on_cookie_path": service.hashing.cookie_path if service.hashing else "/",
        "healthchecks": _healthchecks(service.cluster),
    }
    for place, one in zip(
        ("hash_on", "hash_fallback"), service.hashing.inputs if service.hashing else (), strict=False
    ):
        fields[place] = one.kind
        if one.name:
            fields[f"{place}_{one.kind}"] = one.name
    return fields


def _healthchecks(cluster: Cluster) -> Json:
    """Of what Envoy was told; Kong's word for a check that is off is 0."""
    probe, breaker = cluster.health_check, cluster.outlier_detection
    active: Json = {"type": "http", "healthy": {"interval": 0, "successes": 0}, "unhealthy": {"interval": 0}}
    if probe is not None:
        active = {
            "type": "tcp" if probe.protocol is Protocol.TCP else "http",
            "http_path": probe.path,
            "timeout": probe.timeout_s,
            "healthy": {"interval": probe.interval_s, "successes": probe.healthy_threshold},
            "unhealthy": {"interval": probe.unhealthy_interval_s or 0, "http_failures": probe.unhealthy_threshold},
        }
    failures = breaker.consecutive_5xx if breaker is not None else 0
    return {
        "threshold": cluster.balancing.least_healthy_percent or 0,
        "active": active,
        "passive": {"type": "http", "unhealthy": {"http_failures": failures}},
    }
