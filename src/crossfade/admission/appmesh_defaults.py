"""What admission writes into App Mesh objects, and which mesh it puts them in (appmesh.md §2.2, §2.3)."""

from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct

from crossfade.admission.review import AdmissionRequest, Denied
from crossfade.api.appmesh import GatewayRoute, Mesh, VirtualGateway
from crossfade.compile.mesh.membership import Refusal, choose_gateway, choose_mesh
from crossfade_kube.meta import JsonObject
from crossfade_kube.registry import decode

# Default of spec.awsName; the virtual service's differs from all others.
_AWS_NAMES: Final[dict[str, str]] = {
    "VirtualNode": "{name}_{namespace}",
    "VirtualRouter": "{name}_{namespace}",
    "VirtualGateway": "{name}_{namespace}",
    "GatewayRoute": "{name}_{namespace}",
    "VirtualService": "{name}.{namespace}",
}


class Surroundings(Struct, frozen=True):
    """What a decision depends on beside the object: its namespace's labels and the candidates to join."""

    namespace_labels: dict[str, str]
    meshes: Sequence[Mesh]
    gateways: Sequence[VirtualGateway] = ()


def default_mesh(mesh: JsonObject, *, ip_family: str, is_create: bool) -> list[JsonObject]:
    """JSON Patch. The controller's own IP family overrides what the user chose, as it always did."""
    spec: dict[str, Any] = dict(mesh.get("spec") or {})
    added: dict[str, Any] = {}
    if is_create and not spec.get("awsName"):
        added["awsName"] = mesh["metadata"]["name"]
    if ip_family == "ipv6":
        added["meshServiceDiscovery"] = {"ipPreference": "IPv6_ONLY"}
    elif spec.get("meshServiceDiscovery") is not None:
        added["meshServiceDiscovery"] = {"ipPreference": "IPv4_ONLY"}
    return _patch(mesh, {key: value for key, value in added.items() if spec.get(key) != value})


def default_member(request: AdmissionRequest, surroundings: Surroundings) -> list[JsonObject]:
    """JSON Patch for a new object of any kind but Mesh; raises Denied."""
    kind, namespace = request.kind, request.namespace
    # The name is empty in the request when the server makes it up later (generateName): then it is in the object.
    name = request.name or request.object["metadata"].get("name", "")
    spec: dict[str, Any] = request.object.get("spec") or {}
    read_only = ("meshRef", "virtualGatewayRef") if kind == "GatewayRoute" else ("meshRef",)
    for field in read_only:
        if spec.get(field) is not None:
            raise Denied(f"{kind} create may not specify read-only field: spec.{field}")
    added: dict[str, Any] = {}
    if not spec.get("awsName") and kind in _AWS_NAMES:
        added["awsName"] = _AWS_NAMES[kind].format(name=name, namespace=namespace)
    mesh = choose_mesh(surroundings.meshes, namespace, surroundings.namespace_labels)
    if isinstance(mesh, Refusal):
        raise Denied(mesh.reason)
    added["meshRef"] = {"name": mesh.metadata.name, "uid": mesh.metadata.uid}
    if kind == "GatewayRoute":
        added["virtualGatewayRef"] = _gateway_reference(request.object, surroundings, mesh.metadata.name)
    return _patch(request.object, added)


def _gateway_reference(route: JsonObject, surroundings: Surroundings, mesh: str) -> JsonObject:
    gateway = choose_gateway(
        surroundings.gateways, decode(route, GatewayRoute), surroundings.namespace_labels, mesh=mesh
    )
    if isinstance(gateway, Refusal):
        raise Denied(gateway.reason)
    meta = gateway.metadata
    return {"namespace": meta.namespace, "name": meta.name, "uid": meta.uid}


def _patch(obj: JsonObject, added: dict[str, Any]) -> list[JsonObject]:
    if not added:
        return []
    if not isinstance(obj.get("spec"), dict):
        return [{"op": "add", "path": "/spec", "value": added}]
    return [{"op": "add", "path": f"/spec/{field}", "value": value} for field, value in added.items()]
