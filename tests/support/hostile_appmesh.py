"""Hostile but storable App Mesh objects, and a small good mesh for them to live in."""

from functools import cache
from typing import Any, Final

from hypothesis import strategies as st

from crossfade.api.appmesh import (
    BackendGroup,
    GatewayRoute,
    Mesh,
    VirtualGateway,
    VirtualNode,
    VirtualRouter,
    VirtualService,
)
from crossfade.compile.mesh.annotation_table import MESH_ANNOTATIONS
from crossfade.install.appmesh.backend_group import backend_group_definition
from crossfade.install.appmesh.gateway_route import gateway_route_definition
from crossfade.install.appmesh.mesh import mesh_definition
from crossfade.install.appmesh.virtual_gateway import virtual_gateway_definition
from crossfade.install.appmesh.virtual_node import virtual_node_definition
from crossfade.install.appmesh.virtual_router import virtual_router_definition
from crossfade.install.appmesh.virtual_service import virtual_service_definition
from crossfade_kube.core import Namespace
from crossfade_kube.meta import JsonObject
from crossfade_kube.registry import DecodeError, TypedObject, decode
from tests.support import hostile
from tests.support.hostile_appmesh_templates import TEMPLATES

DEFINITIONS: Final[dict[type[TypedObject], JsonObject]] = {
    Mesh: mesh_definition(),
    VirtualNode: virtual_node_definition(),
    VirtualService: virtual_service_definition(),
    VirtualRouter: virtual_router_definition(),
    VirtualGateway: virtual_gateway_definition(),
    GatewayRoute: gateway_route_definition(),
    BackendGroup: backend_group_definition(),
}
ONE_OF: Final = (
    frozenset({"httpRoute", "http2Route", "grpcRoute", "tcpRoute"}),
    frozenset({"httpRoute", "http2Route", "grpcRoute"}),
    frozenset({"exact", "prefix", "suffix", "regex", "range"}),
    frozenset({"exact", "regex"}),
    frozenset({"exact", "suffix"}),
    frozenset({"prefix", "path"}),
    frozenset({"virtualNode", "virtualRouter"}),
    frozenset({"virtualNodeRef", "virtualNodeARN"}),
    frozenset({"virtualServiceRef", "virtualServiceARN"}),
    frozenset({"virtualRouterRef", "virtualRouterARN"}),
    frozenset({"dns", "awsCloudMap"}),
    frozenset({"http", "http2", "grpc", "tcp"}),
    frozenset({"text", "json"}),
)
_NAMES: Final = st.sampled_from(["jazz", "metal", "caller", "ghost"])
_HOSTS: Final = st.sampled_from(
    ["jazz.prod", "jazz.prod.svc.cluster.local", "JAZZ.PROD", "10.0.0.1", "::1", "a..b", "-"]
)
_ANNOTATED: Final = st.sampled_from(
    [
        "",
        "enabled",
        "least-request",
        "dns",
        "jazz",
        "prod/metal 7%",
        "jazz 101%",
        "x-a: %b%",
        "x-a:",
        "host: x",
        ":path",
        "abort 503 50%, from 2026-11-28T18:00:00Z for 15m",
        "r: delay 1ms 1%, from 1970-01-01T00:00:01Z for 1h",
        "1/h burst 4294967295",
        "1: 4294967295/s",
        "1Gi",
        "80: 1",
        "preserve",
        "proper",
        "prefer-own",
        "a.test, *.a.test:1, http://*.a.test:65535, *.amazonaws.com",
        "http://jazz.prod.svc.cluster.local:80",
    ]
)
TEXTS: Final[hostile.Texts] = {
    "name": _NAMES,
    "namespace": st.just("prod"),
    "regex": hostile.regex(),
    "hostname": _HOSTS,
    "exact": _HOSTS | st.just("/jazz"),
    "suffix": st.sampled_from([".prod", "prod"]),
    "awsName": st.sampled_from(["jazz", "jazz.prod", "*.prod", "JAZZ.prod", "metal_prod", "m", "caller_prod"]),
    "prefix": st.sampled_from(["/", "/jazz", "/jazz/", "//", "/a?b#c", "/%2e%2e/"]),
    "path": st.sampled_from(["/", "/ready", "/dev/stdout", "/dev/stderr", "/tmp/x.log"]),
    "text": st.sampled_from(
        ["%START_TIME%\n", "%REQ(:AUTHORITY)%", "%REQ(a?b):3%", "%FOO%", "%REQ(%", "%%", "%", "%START_TIME(%Q)%",
         "%DYNAMIC_METADATA(a:b)%", "%REQ(a)%:3%", "%REQ(a):x%", "%CEL(1+)%", "%RESPONSE_CODE%%BYTES_SENT%"]
    ),
    "value": st.sampled_from(["%START_TIME%", "%FOO%", "%REQ(:PATH)%", "/jazz/", "plain"]),
    "serviceName": st.sampled_from(["dj.Jazz", ""]),
    "virtualNodeARN": st.just("arn:aws:appmesh:us-west-2:000000000000:mesh/m/virtualNode/jazz_prod"),
    "virtualServiceARN": st.just("arn:aws:appmesh:us-west-2:000000000000:mesh/m/virtualService/jazz.prod"),
    "virtualRouterARN": st.just("arn:aws:appmesh:us-west-2:000000000000:mesh/m/virtualRouter/jazz_prod"),
}  # fmt: skip
Hostile = tuple[type[TypedObject], JsonObject]

_STORED_BY_ADMISSION: Final = ("meshRef", "virtualGatewayRef")
_MESH_REF: Final = {"name": "m", "uid": "u-m"}


_RICHEST: Final = (VirtualNode, VirtualRouter, VirtualGateway, GatewayRoute)


def _spec_schema(kind: type[TypedObject]) -> JsonObject:
    (version,) = DEFINITIONS[kind]["spec"]["versions"]
    schema: JsonObject = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    properties = {name: part for name, part in schema["properties"].items() if name not in _STORED_BY_ADMISSION}
    return {**schema, "properties": properties}


def _with_references(kind: type[TypedObject], spec: JsonObject) -> JsonObject:
    """As admission notes them at creation."""
    if kind is Mesh:
        return spec
    gateway = {"virtualGatewayRef": {"namespace": "prod", "name": "gate", "uid": ""}} if kind is GatewayRoute else {}
    return {**spec, "meshRef": _MESH_REF, **gateway}


def manifest(kind: type[TypedObject], name: str, spec: JsonObject, *, created: str) -> JsonObject:
    metadata = {"name": name, "uid": f"u-{name}", "creationTimestamp": created, "generation": 1}
    if kind.RESOURCE.namespaced:
        metadata["namespace"] = "prod"
    head = {"apiVersion": kind.RESOURCE.api_version, "kind": kind.RESOURCE.kind, "metadata": metadata}
    return {**head, "spec": _with_references(kind, spec)}


@cache
def _specs(kind: Any) -> st.SearchStrategy[JsonObject]:
    """Made once: there are hundreds of strategies in it."""
    schema = _spec_schema(kind)
    grown = [hostile.planted(template, schema, TEXTS, ONE_OF) for template in TEMPLATES[kind]]
    wild: st.SearchStrategy[JsonObject] = hostile.value(schema, TEXTS, one_of=ONE_OF)
    return st.one_of(*grown, *grown, *grown, wild)


def _annotations(kind: type[TypedObject]) -> st.SearchStrategy[dict[str, str]]:
    """Those that the kind has, with values that mean something and others."""
    keys = [one.key for one in MESH_ANNOTATIONS if kind.RESOURCE.kind in one.objects]
    if not keys:
        return st.just({})
    texts = st.one_of(_ANNOTATED, st.text(max_size=40), st.lists(_ANNOTATED, max_size=4).map("\n".join))
    return st.dictionaries(st.sampled_from(keys), texts, max_size=3)


def manifests(names: st.SearchStrategy[str]) -> st.SearchStrategy[Hostile]:
    """An object of any kind, younger than the good ones."""

    def made(kind: type[TypedObject]) -> st.SearchStrategy[Hostile]:
        def object_of(name: str, spec: JsonObject, annotations: dict[str, str]) -> Hostile:
            made = manifest(kind, name, spec, created="2026-02-01T00:00:00Z")
            return kind, {**made, "metadata": {**made["metadata"], "annotations": annotations}}

        return st.builds(object_of, names, _specs(kind), _annotations(kind))

    return st.one_of(*[made(kind) for kind in (*DEFINITIONS, *_RICHEST, *_RICHEST)])


def read(kind: type[TypedObject], obj: JsonObject) -> TypedObject | None:
    """None where the control plane could not read it; it is then left out of snapshots."""
    try:
        return decode(obj, kind)
    except DecodeError:
        return None


def _named(kind: type[TypedObject], index: int = 0, **fields: Any) -> JsonObject:
    return {**TEMPLATES[kind][index], **fields}


def _in_dns(name: str) -> JsonObject:
    return {"dns": {"hostname": f"{name}.prod.svc.cluster.local"}}


GOOD: Final[tuple[tuple[type[TypedObject], str, JsonObject], ...]] = (
    (Mesh, "m", {"namespaceSelector": {}, "egressFilter": {"type": "ALLOW_ALL"}}),
    (VirtualNode, "jazz", _named(VirtualNode, serviceDiscovery=_in_dns("jazz"))),
    (VirtualNode, "metal", _named(VirtualNode, 1, serviceDiscovery=_in_dns("metal"))),
    (VirtualNode, "caller", _named(VirtualNode, serviceDiscovery=_in_dns("caller"))),
    (VirtualRouter, "jazz", _named(VirtualRouter)),
    (VirtualRouter, "metal", _named(VirtualRouter, 1)),
    (VirtualService, "jazz", _named(VirtualService)),
    (VirtualService, "metal", _named(VirtualService, 1)),
    (VirtualGateway, "gate", _named(VirtualGateway)),
    *((GatewayRoute, f"jazz-{index}", _named(GatewayRoute, index)) for index in range(4)),
    *((GatewayRoute, f"metal-{index}", _named(GatewayRoute, index + 4)) for index in range(4)),
    (BackendGroup, "all", _named(BackendGroup)),
)


def good_objects() -> dict[tuple[type[TypedObject], str], TypedObject]:
    """By kind and name; the namespace is `prod`."""
    found: dict[tuple[type[TypedObject], str], TypedObject] = {
        (Namespace, "prod"): decode({"metadata": {"name": "prod"}}, Namespace)
    }
    for kind, name, spec in GOOD:
        found[kind, name] = decode(manifest(kind, name, spec, created="2026-01-01T00:00:00Z"), kind)
    return found


def worlds() -> st.SearchStrategy[list[Hostile]]:
    """One to three hostile objects; most take the place of a good one that others depend on."""
    names = st.sampled_from(["jazz", "metal", "caller", "jazz-0", "metal-3", "gate", "m", "all", "new"])
    return st.lists(manifests(names), min_size=1, max_size=3)


def objects_of(world: list[Hostile]) -> list[Any]:
    """The good mesh with the hostile objects in it."""
    found = good_objects()
    for kind, obj in world:
        name = obj["metadata"]["name"]
        read_object = read(kind, obj)
        if read_object is None:
            found.pop((kind, name), None)
        else:
            found[kind, name] = read_object
    return list(found.values())
