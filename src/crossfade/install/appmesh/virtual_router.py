"""The VirtualRouter kind's definition (appmesh.md §1.6)."""

from typing import Final

from crossfade.api.appmesh import VirtualRouter
from crossfade.api.bounds import COUNT
from crossfade.install.appmesh.definition import definition
from crossfade.install.appmesh.schema import (
    ANY_PORT,
    AWS_NAME,
    DURATION,
    HEADERS,
    MESH_REFERENCE,
    METHOD,
    PATH_MATCH,
    PRIORITY,
    QUERY_PARAMETERS,
    REQUEST_TIMEOUT,
    STRING,
    TCP_TIMEOUT,
    VIRTUAL_NODE_TARGET,
    array,
    choice,
    integer,
    mapping,
    obj,
    port_mapping,
    status,
    text,
    within,
)
from crossfade_kube.meta import JsonObject

_ACTION: Final = obj(
    {
        "weightedTargets": array(
            obj({**VIRTUAL_NODE_TARGET, "weight": integer(0, 100), "port": ANY_PORT}, "weight"), 1, 10
        )
    },
    "weightedTargets",
)
_RETRY_EVENTS: Final[dict[str, JsonObject]] = {
    "httpRetryEvents": array(choice("server-error", "gateway-error", "client-error", "stream-error"), 1, 25),
    "tcpRetryEvents": array(choice("connection-error"), 1, 1),
}
_GRPC_RETRY_EVENTS: Final = array(
    choice("cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable"), 1, 5
)


def _retry_policy(events: dict[str, JsonObject]) -> JsonObject:
    return obj({**events, "maxRetries": within(COUNT), "perRetryTimeout": DURATION}, "maxRetries", "perRetryTimeout")


_HTTP_ROUTE: Final = obj(
    {
        "match": obj(
            {
                "prefix": STRING,
                "path": PATH_MATCH,
                "headers": HEADERS,
                "method": METHOD,
                "scheme": choice("http", "https"),
                "queryParameters": QUERY_PARAMETERS,
                "port": ANY_PORT,
            }
        ),
        "action": _ACTION,
        "retryPolicy": _retry_policy(_RETRY_EVENTS),
        "timeout": REQUEST_TIMEOUT,
    },
    "action",
    "match",
)
_GRPC_ROUTE: Final = obj(
    {
        "match": obj({"serviceName": STRING, "methodName": text(1, 50), "metadata": HEADERS, "port": ANY_PORT}),
        "action": _ACTION,
        "retryPolicy": _retry_policy({"grpcRetryEvents": _GRPC_RETRY_EVENTS, **_RETRY_EVENTS}),
        "timeout": REQUEST_TIMEOUT,
    },
    "action",
    "match",
)
_TCP_ROUTE: Final = obj({"match": obj({"port": ANY_PORT}), "action": _ACTION, "timeout": TCP_TIMEOUT}, "action")
_ROUTE: Final = obj(
    {
        "name": STRING,
        "priority": PRIORITY,
        "httpRoute": _HTTP_ROUTE,
        "http2Route": _HTTP_ROUTE,
        "grpcRoute": _GRPC_ROUTE,
        "tcpRoute": _TCP_ROUTE,
    },
    "name",
)


def virtual_router_definition() -> JsonObject:
    listener = obj({"portMapping": port_mapping("grpc", "http", "http2", "tcp")}, "portMapping")
    spec = obj(
        {
            "awsName": AWS_NAME,
            "listeners": array(listener, 1),
            "routes": array(_ROUTE),
            "meshRef": MESH_REFERENCE,
        }
    )
    arn = "virtualRouterARN"
    return definition(VirtualRouter.RESOURCE, spec=spec, status=status(arn, routeARNs=mapping(STRING)), arn_field=arn)
