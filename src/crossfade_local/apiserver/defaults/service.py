"""Defaults of Services, and what falls away when a Service changes its type."""

from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.values.fields import mapping, objects, sequence, text

_AFFINITY_SECONDS: Final = 10800
_INTERNAL: Final = ("ClusterIP", "NodePort", "LoadBalancer")
_EXTERNAL: Final = ("NodePort", "LoadBalancer")


def default_service(service: JsonObject) -> None:
    """Changes the Service. Addresses and node ports are allocated elsewhere."""
    spec = service.setdefault("spec", {})
    spec["sessionAffinity"] = text(spec, "sessionAffinity") or "None"
    spec["type"] = kind = text(spec, "type") or "ClusterIP"
    _default_affinity(spec)
    for port in objects(spec, "ports"):
        port["protocol"] = text(port, "protocol") or "TCP"
        if port.get("targetPort") in (None, "") or (port.get("targetPort") == 0 and port.get("port")):
            port["targetPort"] = port.get("port", 0)
    if kind in _INTERNAL and spec.get("internalTrafficPolicy") is None:
        spec["internalTrafficPolicy"] = "Cluster"
    external = kind in _EXTERNAL or (kind == "ClusterIP" and sequence(spec, "externalIPs"))
    if external and not spec.get("externalTrafficPolicy"):
        spec["externalTrafficPolicy"] = "Cluster"
    if kind == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts") is None:
        spec["allocateLoadBalancerNodePorts"] = True


def _default_affinity(spec: JsonObject) -> None:
    if spec["sessionAffinity"] == "None":
        spec.pop("sessionAffinityConfig", None)
    elif (
        spec["sessionAffinity"] == "ClientIP"
        and mapping(spec, "sessionAffinityConfig", "clientIP").get("timeoutSeconds") is None
    ):
        spec["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": _AFFINITY_SECONDS}}


def default_addresses(spec: JsonObject) -> None:
    """What Kubernetes fills in together with what it allocates."""
    if text(spec, "type") not in _INTERNAL:
        return
    address = text(spec, "clusterIP")
    if address and not spec.get("clusterIPs"):
        spec["clusterIPs"] = [address]
    elif spec.get("clusterIPs") and not address:
        spec["clusterIP"] = spec["clusterIPs"][0]
    # A headless Service without a selector may be given endpoints of any family.
    free = spec.get("clusterIP") == "None" and not spec.get("selector")
    if spec.get("ipFamilyPolicy") is None:
        spec["ipFamilyPolicy"] = "RequireDualStack" if free else "SingleStack"
    if not spec.get("ipFamilies"):
        spec["ipFamilies"] = ["IPv4", "IPv6"] if free else ["IPv4"]


def drop_type_dependent_fields(new: JsonObject, old: JsonObject) -> JsonObject:
    """The new Service without the fields which its new type doesn't have, unless they were changed in this write."""
    spec, before = dict(mapping(new, "spec")), mapping(old, "spec")
    kind, old_kind = text(spec, "type"), text(before, "type")
    unchanged = {name for name in spec if spec[name] == before.get(name)}
    if kind == "ExternalName" and old_kind != "ExternalName":
        for name in ("clusterIP", "clusterIPs"):
            if name in unchanged:
                spec.pop(name, None)
        for name in ("ipFamilies", "ipFamilyPolicy"):
            spec.pop(name, None)
    if old_kind in _EXTERNAL and kind not in _EXTERNAL:
        old_ports = {port.get("nodePort") for port in objects(before, "ports")}
        spec["ports"] = [_without_node_port(port, old_ports) for port in objects(spec, "ports")]
        if not spec["ports"]:
            del spec["ports"]
        if "externalTrafficPolicy" in unchanged:
            spec.pop("externalTrafficPolicy", None)
    if old_kind == "LoadBalancer" and kind != "LoadBalancer":
        for name in ("allocateLoadBalancerNodePorts", "loadBalancerClass", "healthCheckNodePort"):
            if name in unchanged:
                spec.pop(name, None)
    return {**new, "spec": spec}


def _without_node_port(port: JsonObject, known: set[object]) -> JsonObject:
    if port.get("nodePort") not in known:
        return port
    return {name: value for name, value in port.items() if name != "nodePort"}
