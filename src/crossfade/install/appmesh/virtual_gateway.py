"""The VirtualGateway kind's definition (appmesh.md §1.7)."""

from typing import Final

from crossfade.api.appmesh import VirtualGateway
from crossfade.install.appmesh.definition import definition
from crossfade.install.appmesh.schema import (
    ACCESS_LOG,
    AWS_NAME,
    BACKEND_DEFAULTS,
    GATEWAY_LISTENER_TLS,
    HTTP_CONNECTIONS,
    LABEL_SELECTOR,
    MESH_REFERENCE,
    REQUESTS,
    array,
    health_check,
    obj,
    port_mapping,
    status,
)
from crossfade_kube.meta import JsonObject

_PROTOCOLS: Final = ("grpc", "http", "http2")


def virtual_gateway_definition() -> JsonObject:
    listener = obj(
        {
            "portMapping": port_mapping(*_PROTOCOLS),
            "healthCheck": health_check(*_PROTOCOLS),
            "connectionPool": obj({"http": HTTP_CONNECTIONS, "http2": REQUESTS, "grpc": REQUESTS}),
            "tls": GATEWAY_LISTENER_TLS,
        },
        "portMapping",
    )
    spec = obj(
        {
            "awsName": AWS_NAME,
            "namespaceSelector": LABEL_SELECTOR,
            "gatewayRouteSelector": LABEL_SELECTOR,
            "podSelector": LABEL_SELECTOR,
            "listeners": array(listener, 0),
            "logging": ACCESS_LOG,
            "backendDefaults": BACKEND_DEFAULTS,
            "meshRef": MESH_REFERENCE,
        }
    )
    arn = "virtualGatewayARN"
    return definition(VirtualGateway.RESOURCE, spec=spec, status=status(arn), arn_field=arn)
