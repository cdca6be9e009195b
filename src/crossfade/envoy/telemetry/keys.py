"""What bootstrap and listeners must agree on; only the standard library."""

from typing import Any, Final

REQUESTS_KEY: Final = "crossfade.metrics.requests"
"""Runtime: percent of requests that a mesh's proxies count, 100 unless the bootstrap says 0."""
EXTENSION_KEY: Final = "crossfade.metrics.appmesh"
"""The same of App Mesh's extension; 0 unless the bootstrap says 100."""
NODE_VARIABLE: Final = "CROSSFADE_NODE"
"""In Envoy's environment: the name of the proxy's virtual node or gateway, as its object has it."""
NAMESPACE_VARIABLE: Final = "CROSSFADE_NODE_NAMESPACE"
MESH_VARIABLE: Final = "CROSSFADE_MESH"
AWS_NODE_VARIABLE: Final = "CROSSFADE_AWS_NODE"
"""The same as at AWS: `<name>_<namespace>` unless `awsName` says otherwise."""

SCOPE: Final = "crossfade"
DURATION: Final = "request_duration_milliseconds"
MODULE_SCOPE: Final = "dynamicmodulescustom"
"""Where Envoy has what libraries count. Its page for Prometheus leaves that off, and puts no `envoy_` in its place."""
EXTENSION_SCOPE: Final = "appmesh"
RATE_LIMITS: Final = "local_rate_limit"
"""Envoy's own statistics of limits that a mesh's objects ask for."""
RESPONSE_TIME: Final = "TargetResponseTime"
_DURATIONS: Final = (
    *(1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 75, 100, 150, 200, 300, 500, 750),
    *(1000, 1500, 2000, 3000, 5000, 10000, 30000),
)
_MEASURED: Final = (
    (SCOPE, DURATION),
    (MODULE_SCOPE, f"envoy_{SCOPE}_{DURATION}"),
    (EXTENSION_SCOPE, RESPONSE_TIME),
)


def bucket_settings() -> list[dict[str, Any]]:
    """Of the bootstrap. Labels stand behind the name that is matched, so its end is no help."""
    return [{"match": {"contains": f"{scope}.{name}"}, "buckets": list(_DURATIONS)} for scope, name in _MEASURED]
