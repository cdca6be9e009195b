"""The GatewayRoute kind's definition (appmesh.md §1.8)."""

from typing import Final

from crossfade.api.appmesh import GatewayRoute
from crossfade.install.appmesh.definition import definition
from crossfade.install.appmesh.schema import (
    ANY_PORT,
    AWS_NAME,
    HEADERS,
    MESH_REFERENCE,
    METHOD,
    PATH_MATCH,
    PRIORITY,
    QUERY_PARAMETERS,
    STRING,
    VIRTUAL_SERVICE_TARGET,
    choice,
    described,
    obj,
    status,
    text,
)
from crossfade_kube.meta import JsonObject

_SWITCH: Final = choice("ENABLED", "DISABLED")
_HOSTNAME_MATCH: Final = obj({"exact": text(1, 253), "suffix": text(1, 253)})
_HOSTNAME_REWRITE: Final = obj({"defaultTargetHostname": _SWITCH})
_TARGET: Final = obj({"virtualService": obj(VIRTUAL_SERVICE_TARGET), "port": ANY_PORT}, "virtualService")
_HTTP_REWRITE: Final = obj(
    {
        "prefix": obj({"defaultPrefix": _SWITCH, "value": text(1, 255)}),
        "path": obj({"exact": text(1, 255)}),
        "hostname": _HOSTNAME_REWRITE,
    }
)
_HTTP_ROUTE: Final = obj(
    {
        "match": obj(
            {
                "prefix": STRING,
                "path": PATH_MATCH,
                "hostname": _HOSTNAME_MATCH,
                "method": METHOD,
                "headers": HEADERS,
                "queryParameters": QUERY_PARAMETERS,
                "port": ANY_PORT,
            }
        ),
        "action": obj({"target": _TARGET, "rewrite": _HTTP_REWRITE}, "target"),
    },
    "action",
    "match",
)
_GRPC_ROUTE: Final = obj(
    {
        "match": obj({"serviceName": STRING, "hostname": _HOSTNAME_MATCH, "metadata": HEADERS, "port": ANY_PORT}),
        "action": obj({"target": _TARGET, "rewrite": obj({"hostname": _HOSTNAME_REWRITE})}, "target"),
    },
    "action",
    "match",
)


def gateway_route_definition() -> JsonObject:
    gateway = obj({"namespace": STRING, "name": STRING, "uid": STRING}, "name", "uid")
    spec = obj(
        {
            "awsName": AWS_NAME,
            "priority": PRIORITY,
            "httpRoute": _HTTP_ROUTE,
            "http2Route": _HTTP_ROUTE,
            "grpcRoute": _GRPC_ROUTE,
            "virtualGatewayRef": described(gateway, "The gateway it belongs to; set at creation, read only."),
            "meshRef": MESH_REFERENCE,
        }
    )
    arn = "gatewayRouteARN"
    return definition(GatewayRoute.RESOURCE, spec=spec, status=status(arn), arn_field=arn)
