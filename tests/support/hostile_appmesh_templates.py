"""App Mesh objects that use every feature, each in a way that works: the ground that hostile values are planted in."""

from typing import Any, Final

from crossfade.api.appmesh import (
    BackendGroup,
    GatewayRoute,
    Mesh,
    VirtualGateway,
    VirtualNode,
    VirtualRouter,
    VirtualService,
)
from crossfade_kube.registry import TypedObject

Json = dict[str, Any]

_SECONDS: Final = {"unit": "s", "value": 5}
_TIMEOUT: Final = {"perRequest": _SECONDS, "idle": _SECONDS}
_CHECK: Final = {
    "protocol": "http",
    "healthyThreshold": 2,
    "unhealthyThreshold": 2,
    "intervalMillis": 5000,
    "timeoutMillis": 2000,
    "path": "/ready",
}
_OUTLIERS: Final = {
    "maxServerErrors": 5,
    "maxEjectionPercent": 50,
    "interval": _SECONDS,
    "baseEjectionDuration": _SECONDS,
}
_POOL: Final = {"maxConnections": 10, "maxPendingRequests": 10}
_HEADERS: Final = [
    {"name": "x-exact", "match": {"exact": "a"}},
    {"name": "x-prefix", "match": {"prefix": "a"}},
    {"name": "x-suffix", "match": {"suffix": "a"}},
    {"name": "x-regex", "match": {"regex": "a+"}, "invert": True},
    {"name": "x-range", "match": {"range": {"start": 1, "end": 5}}},
    {"name": "x-present"},
]
_QUERY: Final = [{"name": "q", "match": {"exact": "1"}}, {"name": "present"}]
_RETRY: Final = {"maxRetries": 2, "perRetryTimeout": _SECONDS, "httpRetryEvents": ["server-error"]}


def _logging(format_: Json) -> Json:
    return {"accessLog": {"file": {"path": "/dev/stdout", "format": format_}}}


def _port(port: int, protocol: str, **more: Any) -> Json:
    return {"portMapping": {"port": port, "protocol": protocol}, **more}


def _service(name: str) -> Json:
    return {"virtualService": {"virtualServiceRef": {"name": name}}}


def _to(name: str, port: int) -> Json:
    return {"weightedTargets": [{"virtualNodeRef": {"name": name}, "weight": 1, "port": port}]}


_FILES: Final[Json] = {"file": {"certificateChain": "/certs/a.pem", "privateKey": "/certs/a-key.pem"}}
_VALIDATION: Final[Json] = {
    "trust": {"file": {"certificateChain": "/certs/ca.pem"}},
    "subjectAlternativeNames": {"match": {"exact": ["spiffe://example.org/a", "a.example.org"]}},
}
_NODE: Final[Json] = {
    "podSelector": {"matchLabels": {"app": "x"}},
    "listeners": [
        _port(
            9080,
            "http",
            healthCheck=_CHECK,
            outlierDetection=_OUTLIERS,
            connectionPool={"http": _POOL},
            timeout={"http": _TIMEOUT},
            tls={"mode": "STRICT", "certificate": _FILES, "validation": _VALIDATION},
        ),
        _port(
            9081,
            "grpc",
            connectionPool={"grpc": {"maxRequests": 10}},
            timeout={"grpc": _TIMEOUT},
            tls={"mode": "PERMISSIVE", "certificate": {"sds": {"secretName": "agent"}}},
        ),
        _port(9082, "tcp", connectionPool={"tcp": {"maxConnections": 10}}, timeout={"tcp": {"idle": _SECONDS}}),
    ],
    "serviceDiscovery": {"dns": {"hostname": "jazz.prod.svc.cluster.local", "responseType": "ENDPOINTS"}},
    "backends": [_service("jazz"), _service("metal")],
    "backendDefaults": {
        "clientPolicy": {"tls": {"enforce": True, "ports": [9080], "certificate": _FILES, "validation": _VALIDATION}}
    },
    "logging": _logging({"text": "%START_TIME% %REQ(:PATH)% %RESPONSE_CODE%\n"}),
}


def _router(node: str) -> Json:
    patterns = {"path": {"regex": "/a/[0-9]+"}, "headers": _HEADERS, "queryParameters": _QUERY, "method": "GET"}
    grpc = {"serviceName": "dj.Jazz", "methodName": "Play", "metadata": _HEADERS}
    http = {"retryPolicy": _RETRY, "timeout": _TIMEOUT, "action": _to(node, 9080)}
    return {
        "listeners": [_port(9080, "http"), _port(9081, "grpc"), _port(9082, "tcp")],
        "routes": [
            {"name": "pattern", "priority": 1, "httpRoute": {"match": patterns, **http}},
            {"name": "exact", "httpRoute": {"match": {"path": {"exact": "/b"}, "scheme": "http"}, **http}},
            {"name": "prefix", "httpRoute": {"match": {"prefix": "/"}, **http}},
            {"name": "grpc", "grpcRoute": {"match": grpc, "timeout": _TIMEOUT, "action": _to(node, 9081)}},
            {"name": "tcp", "tcpRoute": {"timeout": {"idle": _SECONDS}, "action": _to(node, 9082)}},
        ],
    }


def _without_tcp(router: Json) -> Json:
    return {"listeners": router["listeners"][:2], "routes": router["routes"][:4]}


_GATEWAY: Final[Json] = {
    "podSelector": {"matchLabels": {"app": "gate"}},
    "listeners": [
        _port(8088, "http", connectionPool={"http": _POOL}, healthCheck=_CHECK),
        _port(
            8089,
            "grpc",
            connectionPool={"grpc": {"maxRequests": 10}},
            tls={"mode": "PERMISSIVE", "certificate": _FILES},
        ),
    ],
    "logging": _logging({"json": [{"key": "path", "value": "%REQ(:PATH)%"}, {"key": "at", "value": "%START_TIME%"}]}),
}


def _gateway_routes(service: str) -> tuple[Json, ...]:
    target = {"target": {**_service(service), "port": 9080}}
    prefix_rewrite = {**target, "rewrite": {"prefix": {"value": "/x/"}, "hostname": {}}}
    path_rewrite = {**target, "rewrite": {"path": {"exact": "/x"}}}
    hostname = {"hostname": {"exact": "jazz.example"}}
    grpc = {"serviceName": "dj.Jazz", "hostname": {"suffix": ".example"}, "metadata": _HEADERS}
    rich = {"prefix": "/jazz", "method": "GET", "headers": _HEADERS, "queryParameters": _QUERY, **hostname}
    return (
        {"priority": 1, "httpRoute": {"match": rich, "action": prefix_rewrite}},
        {"httpRoute": {"match": {"path": {"exact": "/a"}}, "action": path_rewrite}},
        {"httpRoute": {"match": {"path": {"regex": "/a/.*"}}, "action": target}},
        {"grpcRoute": {"match": grpc, "action": {"target": {**_service(service), "port": 9081}}}},
    )


TEMPLATES: Final[dict[type[TypedObject], tuple[Json, ...]]] = {
    Mesh: ({"egressFilter": {"type": "ALLOW_ALL"}, "meshServiceDiscovery": {"ipPreference": "IPv4_ONLY"}},),
    VirtualNode: (_NODE, {**_NODE, "listeners": _NODE["listeners"][:2]}),
    VirtualService: (
        {"awsName": "jazz.prod", "provider": {"virtualRouter": {"virtualRouterRef": {"name": "jazz"}}}},
        {"awsName": "metal.prod", "provider": {"virtualNode": {"virtualNodeRef": {"name": "metal"}}}},
    ),
    VirtualRouter: (_router("jazz"), _without_tcp(_router("metal"))),
    VirtualGateway: (_GATEWAY,),
    GatewayRoute: (*_gateway_routes("jazz"), *_gateway_routes("metal")),
    BackendGroup: ({"virtualservices": [{"name": "jazz"}]},),
}
