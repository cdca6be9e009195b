"""The VirtualNode kind's definition (appmesh.md §1.4)."""

from typing import Final

from crossfade.api.appmesh import VirtualNode
from crossfade.api.bounds import PERCENT
from crossfade.install.appmesh.definition import definition
from crossfade.install.appmesh.schema import (
    ACCESS_LOG,
    AWS_NAME,
    BACKEND_DEFAULTS,
    CLIENT_POLICY,
    CONNECTIONS,
    DURATION,
    HTTP_CONNECTIONS,
    LABEL_SELECTOR,
    LIMIT,
    LISTENER_TLS,
    MESH_REFERENCE,
    REFERENCE,
    REQUEST_TIMEOUT,
    REQUESTS,
    STRING,
    TCP_TIMEOUT,
    VIRTUAL_SERVICE_TARGET,
    array,
    choice,
    health_check,
    obj,
    port_mapping,
    status,
    text,
    within,
)
from crossfade_kube.meta import JsonObject

_PROTOCOLS: Final = ("grpc", "http", "http2", "tcp")

_LISTENER: Final = obj(
    {
        "portMapping": port_mapping(*_PROTOCOLS),
        "healthCheck": health_check(*_PROTOCOLS, required=("healthyThreshold",)),
        "outlierDetection": obj(
            {
                "maxServerErrors": LIMIT,
                "maxEjectionPercent": within(PERCENT),
                "interval": DURATION,
                "baseEjectionDuration": DURATION,
            },
            "baseEjectionDuration",
            "interval",
            "maxEjectionPercent",
            "maxServerErrors",
        ),
        "connectionPool": obj({"tcp": CONNECTIONS, "http": HTTP_CONNECTIONS, "http2": REQUESTS, "grpc": REQUESTS}),
        "timeout": obj(
            {"tcp": TCP_TIMEOUT, "http": REQUEST_TIMEOUT, "http2": REQUEST_TIMEOUT, "grpc": REQUEST_TIMEOUT}
        ),
        "tls": LISTENER_TLS,
    },
    "portMapping",
)
_SERVICE_DISCOVERY: Final = obj(
    {
        "dns": obj({"hostname": STRING, "responseType": choice("LOADBALANCER", "ENDPOINTS")}, "hostname"),
        "awsCloudMap": obj(
            {
                "namespaceName": text(1, 1024),
                "serviceName": text(1, 1024),
                "attributes": array(obj({"key": text(1, 255), "value": text(1, 1024)}, "key", "value")),
            },
            "namespaceName",
            "serviceName",
        ),
    }
)
_BACKEND: Final = obj(
    {"virtualService": obj({**VIRTUAL_SERVICE_TARGET, "clientPolicy": CLIENT_POLICY})}, "virtualService"
)


def virtual_node_definition() -> JsonObject:
    spec = obj(
        {
            "awsName": AWS_NAME,
            "podSelector": LABEL_SELECTOR,
            "listeners": array(_LISTENER, 0),
            "serviceDiscovery": _SERVICE_DISCOVERY,
            "backends": array(_BACKEND),
            "backendGroups": array(REFERENCE),
            "backendDefaults": BACKEND_DEFAULTS,
            "logging": ACCESS_LOG,
            "meshRef": MESH_REFERENCE,
        }
    )
    arn = "virtualNodeARN"
    return definition(VirtualNode.RESOURCE, spec=spec, status=status(arn), arn_field=arn)
