from typing import Any

import pytest

from crossfade.admission.appmesh_rules import check_object
from crossfade.admission.review import AdmissionRequest, Denied

Spec = dict[str, Any]
REF = {"virtualServiceRef": {"name": "jazz"}}


def check(kind: str, spec: Spec, old: Spec | None = None) -> str:
    """The denial, or nothing."""
    obj = {"metadata": {"name": "x", "namespace": "prod"}, "spec": spec}
    before = {} if old is None else {**obj, "spec": old}
    operation = "CREATE" if old is None else "UPDATE"
    try:
        check_object(AdmissionRequest("u", kind, operation, "prod", "x", obj, before))
    except Denied as denial:
        return str(denial)
    return ""


def listener(**more: Any) -> Spec:
    return {"portMapping": {"port": 80, "protocol": "http"}, **more}


def route(match: Spec, **more: Any) -> Spec:
    target = {"target": {"virtualService": REF}}
    return {"httpRoute": {"match": match, "action": {**target, **more}}}


def router(match: Spec, kind: str = "httpRoute") -> Spec:
    action: Spec = {"weightedTargets": []}
    return {"routes": [{"name": "r", kind: {"match": match, "action": action}}]}


NODE = [
    ({"listeners": []}, ""),
    ({"podSelector": {}}, ""),
    (
        {"listeners": [listener()]},
        "ServiceDiscovery missing for VirtualNode-x. ServiceDiscovery must be specified when a listener is specified.",
    ),
    (
        {
            "backends": [
                {"virtualService": REF},
                {"virtualService": {"virtualServiceRef": {"name": "jazz", "namespace": "prod"}}},
            ]
        },
        "VirtualNode-x has duplicate VirtualServiceReferences jazz",
    ),
    (
        {
            "backends": [
                {"virtualService": REF},
                {"virtualService": {"virtualServiceRef": {"name": "jazz", "namespace": "b"}}},
            ]
        },
        "",
    ),
    (
        {"backends": [{"virtualService": {"virtualServiceARN": "arn:a"}}] * 2},
        "VirtualNode-x has duplicate VirtualServiceReferenceARNs arn:a",
    ),
    (
        {
            "listeners": [listener(connectionPool={"http": {"maxConnections": 1}, "tcp": {"maxConnections": 1}})],
            "serviceDiscovery": {"dns": {"hostname": "x"}},
        },
        "Only one type of Virtual Node Connection Pool is allowed",
    ),
]


@pytest.mark.parametrize(("spec", "text"), NODE)
def test_virtual_nodes(spec: Spec, text: str) -> None:
    assert check("VirtualNode", spec) == text


ROUTER = [
    (router({"prefix": "/"}), ""),
    (router({}), "Either Prefix or Path must be specified"),
    (router({}, "http2Route"), "Either Prefix or Path must be specified"),
    (
        router({"prefix": "/", "path": {"exact": "/"}}),
        "Both Prefix and Path cannot be specified, only 1 allowed",
    ),
    (router({"path": {}}), "Either exact or regex for path must be specified"),
    (
        router({"path": {"exact": "/", "regex": "/"}}),
        "Both exact and regex for path are not allowed. Only one must be specified",
    ),
    ({"routes": [{"name": "a"}, {"name": "a"}]}, "VirtualRouter-x has duplicate route entries for a"),
]


@pytest.mark.parametrize(("spec", "text"), ROUTER)
def test_virtual_routers(spec: Spec, text: str) -> None:
    assert check("VirtualRouter", spec) == text


def header(match: Spec) -> Spec:
    return {"prefix": "/", "headers": [{"name": "h", "match": match}]}


MISSING = "Missing Match criteria for one or more {} match block, don't specify match block if you dont need it"
GATEWAY_ROUTE = [
    ({}, "Missing GatewayRoute Type in GatewayRoute Spec"),
    (
        {**route({"prefix": "/"}), "http2Route": route({"prefix": "/"})["httpRoute"]},
        "Found multiple types in GatewayRoute Spec. Only 1 (GRPC/HTTP/HTTP2) allowed",
    ),
    (route({"prefix": "/"}), ""),
    (route({"hostname": {"suffix": ".example.com"}}), ""),
    (route({}), "Either prefix or path or hostname must be specified"),
    (
        route({"prefix": "/", "path": {"exact": "/"}}),
        "Both prefix and path cannot be specified. Only 1 allowed",
    ),
    (route({"hostname": {}}), "Either exact or suffix match for hostname must be specified"),
    (
        route({"hostname": {"exact": "a", "suffix": "b"}}),
        "Both exact and suffix match for hostname are not allowed. Only one must be specified",
    ),
    (route(header({"exact": "a", "prefix": "b"})), "Too many Match Filters specified, only 1 allowed per header"),
    (route(header({})), MISSING.format("header")),
    (
        route(header({"range": {"start": 5, "end": 5}})),
        "Invalid Match Range specified, end has to be greater than start",
    ),
    (route({"prefix": "/", "queryParameters": [{"name": "q", "match": {}}]}), MISSING.format("exact query")),
    (route({"prefix": "/"}, rewrite={}), "Either prefix, path or hostname for rewrite must be specified"),
    (
        route({"prefix": "/"}, rewrite={"prefix": {"value": "/a/"}, "path": {"exact": "/"}}),
        "Both prefix and path for rewrites cannot be specified. Only 1 allowed",
    ),
    (
        route({"prefix": "a"}, rewrite={"prefix": {"value": "/a/"}}),
        "Prefix to be matched on must start with '/'",
    ),
    (
        route({"prefix": "/"}, rewrite={"prefix": {"value": "/a/", "defaultPrefix": "ENABLED"}}),
        "Cannot specify both defaultPrefix and prefix for rewrite, only 1 allowed",
    ),
    (route({"prefix": "/"}, rewrite={"prefix": {"value": "/a"}}), "New Rewrite Prefix must start and end with '/'"),
    (
        {"grpcRoute": {"match": {}, "action": {"target": {"virtualService": REF}}}},
        "Either servicename or hostname must be specified",
    ),
    (
        {
            "grpcRoute": {
                "match": {"serviceName": "s", "metadata": [{"name": "m", "match": {"exact": "a", "regex": "b"}}]},
                "action": {"target": {"virtualService": REF}},
            }
        },
        "Too many Match Filters specified, only 1 allowed per metadata",
    ),
]


@pytest.mark.parametrize(("spec", "text"), GATEWAY_ROUTE)
def test_gateway_routes(spec: Spec, text: str) -> None:
    assert check("GatewayRoute", spec) == text


def test_gateways_with_several_pools() -> None:
    spec = {"listeners": [listener(connectionPool={"http": {"maxConnections": 1}, "grpc": {"maxRequests": 1}})]}
    assert check("VirtualGateway", spec) == "Only one type of Virtual Gateway Connection Pool is allowed"


@pytest.mark.parametrize(
    ("preference", "text"),
    [("IPv4_ONLY", ""), ("", "Only non-empty values allowed are IPv4_ONLY or IPv6_ONLY")],
)
def test_meshes(preference: str, text: str) -> None:
    assert check("Mesh", {"meshServiceDiscovery": {"ipPreference": preference}}) == text


CLOUD_MAP = {"awsCloudMap": {"namespaceName": "n", "serviceName": "s"}}
UPDATES = [
    ("Mesh", {"awsName": "a"}, {"awsName": "b"}, "Mesh update may not change these fields: spec.awsName"),
    (
        "VirtualNode",
        {"awsName": "a", "meshRef": {"name": "m"}},
        {"awsName": "b"},
        "VirtualNode update may not change these fields: spec.awsName,spec.meshRef",
    ),
    (
        "VirtualNode",
        {"serviceDiscovery": CLOUD_MAP},
        {"serviceDiscovery": {"dns": {"hostname": "x"}}},
        "VirtualNode update may not change these fields: spec.serviceDiscovery.awsCloudMap",
    ),
    ("VirtualNode", {}, {"serviceDiscovery": CLOUD_MAP}, ""),
    (
        "GatewayRoute",
        {**route({"prefix": "/"}), "virtualGatewayRef": {"name": "a"}},
        {**route({"prefix": "/"}), "virtualGatewayRef": {"name": "b"}},
        "GatewayRoute update may not change these fields: spec.virtualGatewayRef",
    ),
    ("VirtualService", {"provider": {}}, {"provider": {"virtualNode": {}}}, ""),
    ("BackendGroup", {"meshRef": {"name": "a"}}, {}, "BackendGroup update may not change these fields: spec.meshRef"),
]


@pytest.mark.parametrize(("kind", "old", "new", "text"), UPDATES)
def test_updates(kind: str, old: Spec, new: Spec, text: str) -> None:
    assert check(kind, new, old) == text


def test_what_cannot_be_read_is_named() -> None:
    assert check("VirtualRouter", {"routes": [{}]}).startswith("VirtualRouter spec.routes[0]")
