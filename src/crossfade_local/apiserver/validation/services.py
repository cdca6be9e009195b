"""Validation of Services."""

from collections.abc import Iterator
from typing import Any, Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.validation import names
from crossfade_local.apiserver.validation.containers import PROTOCOLS
from crossfade_local.apiserver.validation.errors import (
    IMMUTABLE,
    FieldError,
    duplicate,
    each,
    forbidden,
    invalid,
    not_supported,
    required,
)
from crossfade_local.apiserver.validation.metadata import validate_labels, validate_metadata, validate_metadata_update
from crossfade_local.apiserver.validation.shapes import port_number_or_name
from crossfade_local.apiserver.values.gotext import GoStruct
from crossfade_local.values.fields import at, mapping, number, objects, sequence, text

_TYPES: Final = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_WITH_ADDRESS: Final = ("ClusterIP", "NodePort", "LoadBalancer")
_AFFINITIES: Final = ("ClientIP", "None")
_MAX_AFFINITY_SECONDS: Final = 86400
_ONLY_EXTERNAL_NAME: Final = "may not be set for ExternalName services"
_ONLY_LOAD_BALANCER: Final = "may only be used when `type` is 'LoadBalancer'"


def validate_service(obj: JsonObject) -> Iterator[FieldError]:
    yield from validate_metadata(obj, namespaced=True, name_check=names.label_name)
    spec = mapping(obj, "spec")
    kind, headless = text(spec, "type"), _is_headless(spec)
    ports = objects(spec, "ports")
    if not ports and not headless and kind != "ExternalName":
        yield required("spec.ports")
    yield from _validate_type(spec, kind, headless=headless)
    taken: set[str] = set()
    for index, port in enumerate(ports):
        yield from _validate_port(f"spec.ports[{index}]", port, taken, needs_name=len(ports) > 1)
    yield from validate_labels(mapping(spec, "selector"), "spec.selector")
    yield from _validate_affinity(spec)
    yield from _validate_addresses(spec, kind)
    if kind not in _TYPES:
        yield not_supported("spec.type", kind, _TYPES) if kind else required("spec.type")
    yield from _validate_port_numbers(ports, kind)
    yield from _validate_load_balancer(spec, kind)
    yield from _validate_traffic(spec, kind)


def validate_service_update(new: JsonObject, old: JsonObject) -> Iterator[FieldError]:
    yield from validate_metadata_update(new, old)
    after, before = mapping(new, "spec"), mapping(old, "spec")
    if "ExternalName" not in (text(after, "type"), text(before, "type")):
        yield from _validate_fixed_address(after, before)
    balancer = text(before, "loadBalancerClass")
    balanced = text(after, "type") == text(before, "type") == "LoadBalancer"
    if balancer and balanced and after.get("loadBalancerClass") != balancer:
        yield invalid("spec.loadBalancerClass", after.get("loadBalancerClass"), "may not change once set")
    checked = _needs_health_check(after) and _needs_health_check(before)
    if checked and number(after, "healthCheckNodePort") != number(before, "healthCheckNodePort"):
        yield forbidden("spec.healthCheckNodePort", IMMUTABLE)
    yield from validate_service(new)


def validate_service_status_update(new: JsonObject, old: JsonObject) -> Iterator[FieldError]:
    yield from validate_metadata_update(new, old)
    kind = text(new, "spec", "type")
    ingress = objects(new, "status", "loadBalancer", "ingress")
    if ingress and kind != "LoadBalancer":
        yield forbidden("status.loadBalancer.ingress", 'may only be used when `spec.type` is "LoadBalancer"')
        return
    yield from validate_load_balancer_ingress("status.loadBalancer.ingress", ingress)


def validate_load_balancer_ingress(field: str, ingress: list[JsonObject]) -> Iterator[FieldError]:
    for index, item in enumerate(ingress):
        address, hostname = text(item, "ip"), text(item, "hostname")
        if address:
            yield from each(f"{field}[{index}].ip", address, names.ip_address(address))
        if hostname:
            yield from each(f"{field}[{index}].hostname", hostname, names.dns_subdomain(hostname))
            if names.is_ip(hostname):
                yield invalid(f"{field}[{index}].hostname", hostname, "must be a DNS name, not an IP address")


def _is_headless(spec: JsonObject) -> bool:
    return spec.get("clusterIP") == "None" or sequence(spec, "clusterIPs")[:1] == ["None"]


def _needs_health_check(spec: JsonObject) -> bool:
    return text(spec, "type") == "LoadBalancer" and text(spec, "externalTrafficPolicy") == "Local"


def _validate_type(spec: JsonObject, kind: str, *, headless: bool) -> Iterator[FieldError]:
    if kind in ("LoadBalancer", "NodePort") and headless:
        yield invalid("spec.clusterIPs[0]", "None", f"may not be set to 'None' for {kind} services")
    if kind != "ExternalName":
        return
    for name in ("clusterIPs", "ipFamilies"):
        if sequence(spec, name):
            yield forbidden(f"spec.{name}", _ONLY_EXTERNAL_NAME)
    if spec.get("ipFamilyPolicy") is not None:
        yield forbidden("spec.ipFamilyPolicy", _ONLY_EXTERNAL_NAME)
    target = text(spec, "externalName").removesuffix(".")
    if target:
        yield from each("spec.externalName", target, names.dns_subdomain(target))
    else:
        yield required("spec.externalName")


def _validate_port(field: str, port: JsonObject, taken: set[str], *, needs_name: bool) -> Iterator[FieldError]:
    name = text(port, "name")
    if name:
        yield from each(f"{field}.name", name, names.dns_label(name))
        if name in taken:
            yield duplicate(f"{field}.name", name)
        taken.add(name)
    elif needs_name:
        yield required(f"{field}.name")
    yield from each(f"{field}.port", number(port, "port"), names.port_number(number(port, "port")))
    protocol = text(port, "protocol")
    if protocol not in PROTOCOLS:
        yield not_supported(f"{field}.protocol", protocol, PROTOCOLS) if protocol else required(f"{field}.protocol")
    yield from port_number_or_name(f"{field}.targetPort", port.get("targetPort"))
    application = port.get("appProtocol")
    if isinstance(application, str):
        yield from each(f"{field}.appProtocol", application, names.qualified_name(application))


def _validate_affinity(spec: JsonObject) -> Iterator[FieldError]:
    affinity, config = text(spec, "sessionAffinity"), spec.get("sessionAffinityConfig")
    if affinity not in _AFFINITIES:
        field = "spec.sessionAffinity"
        yield not_supported(field, affinity, _AFFINITIES) if affinity else required(field)
    field = "spec.sessionAffinityConfig"
    if affinity == "None" and config is not None:
        yield forbidden(field, "must not be set when session affinity is None")
    if affinity != "ClientIP":
        return
    value: Any = config
    for name in ("", "clientIP", "timeoutSeconds"):
        if name:
            field += f".{name}"
            value = at(value, name)
        if value is None:
            yield required(field, "when session affinity type is ClientIP")
            return
    if not 0 < value <= _MAX_AFFINITY_SECONDS:
        yield invalid(field, value, f"must be greater than 0 and less than {_MAX_AFFINITY_SECONDS}")


def _validate_addresses(spec: JsonObject, kind: str) -> Iterator[FieldError]:
    if kind != "ExternalName":
        yield from _validate_cluster_addresses(spec)
    for index, address in enumerate(sequence(spec, "externalIPs")):
        problems = names.ip_address(address) or names.non_special_ip(address)
        yield from each(f"spec.externalIPs[{index}]", address, problems)


def family_errors(spec: JsonObject) -> Iterator[FieldError]:
    """Of the families of addresses that a Service asks for, whatever the cluster has."""
    policy = spec.get("ipFamilyPolicy")
    if policy is not None and policy not in ("PreferDualStack", "RequireDualStack", "SingleStack"):
        supported = ("PreferDualStack", "RequireDualStack", "SingleStack")
        yield not_supported("spec.ipFamilyPolicy", policy, supported)
    taken: set[str] = set()
    for index, family in enumerate(sequence(spec, "ipFamilies")):
        if family not in ("IPv4", "IPv6"):
            yield not_supported(f"spec.ipFamilies[{index}]", family, ("IPv4", "IPv6"))
        if family in taken:
            yield duplicate(f"spec.ipFamilies[{index}]", family)
        taken.add(family)


def _validate_cluster_addresses(spec: JsonObject) -> Iterator[FieldError]:
    addresses = sequence(spec, "clusterIPs")
    yield from family_errors(spec)
    if addresses and text(spec, "clusterIP") != addresses[0]:
        yield invalid("spec.clusterIPs", addresses, "first value must match `clusterIP`")
    if len(addresses) > 1 and "None" in addresses:
        yield invalid("spec.clusterIPs", addresses, "'None' must be the first and only value")
    for index, address in enumerate(addresses):
        if address != "None":
            yield from each(f"spec.clusterIPs[{index}]", address, names.ip_address(address))
    versions = [":" in address for address in addresses if names.is_ip(address)]
    if len(versions) > len(set(versions)):
        yield invalid("spec.clusterIPs", addresses, "may specify no more than one IP for each IP family")


def _validate_fixed_address(new: JsonObject, old: JsonObject) -> Iterator[FieldError]:
    after, before = sequence(new, "clusterIPs"), sequence(old, "clusterIPs")
    if before and after[:1] != before[:1]:
        if not after:
            yield invalid("spec.clusterIPs[0]", after, "primary clusterIP can not be unset")
        else:
            yield invalid("spec.clusterIPs[0]", after, "may not change once set")
    after, before = sequence(new, "ipFamilies"), sequence(old, "ipFamilies")
    if before and after[:1] != before[:1]:
        yield invalid(
            "spec.ipFamilies[0]",
            after,
            "primary ipFamily can not be changed" if after else "primary ipFamily can not be unset",
        )


def _validate_port_numbers(ports: list[JsonObject], kind: str) -> Iterator[FieldError]:
    if kind == "ClusterIP":
        for index, port in enumerate(ports):
            if number(port, "nodePort"):
                yield forbidden(f"spec.ports[{index}].nodePort", "may not be used when `type` is 'ClusterIP'")
    node_ports: set[tuple[str, int]] = set()
    for index, port in enumerate(ports):
        key = text(port, "protocol"), number(port, "nodePort")
        if key[1] and key in node_ports:
            yield duplicate(f"spec.ports[{index}].nodePort", key[1])
        node_ports.add(key)
    seen: set[tuple[str, int]] = set()
    for index, port in enumerate(ports):
        key = text(port, "protocol"), number(port, "port")
        if key in seen:
            shown = GoStruct(Name="", Protocol=key[0], AppProtocol=None, Port=key[1], TargetPort=0, NodePort=0)
            yield duplicate(f"spec.ports[{index}]", shown)
        seen.add(key)


def _validate_load_balancer(spec: JsonObject, kind: str) -> Iterator[FieldError]:
    ranges = sequence(spec, "loadBalancerSourceRanges")
    if ranges:
        field = "spec.LoadBalancerSourceRanges"
        if kind != "LoadBalancer":
            yield forbidden(field, _ONLY_LOAD_BALANCER)
        for index, value in enumerate(ranges):
            yield from each(f"{field}[{index}]", value, names.cidr(str(value).strip()))
    allocate = spec.get("allocateLoadBalancerNodePorts")
    if allocate is not None and kind != "LoadBalancer":
        yield forbidden("spec.allocateLoadBalancerNodePorts", _ONLY_LOAD_BALANCER)
    if allocate is None and kind == "LoadBalancer":
        yield required("allocateLoadBalancerNodePorts")
    balancer = spec.get("loadBalancerClass")
    if isinstance(balancer, str):
        if kind != "LoadBalancer":
            yield forbidden("spec.loadBalancerClass", _ONLY_LOAD_BALANCER)
        else:
            yield from each("spec.loadBalancerClass", balancer, names.qualified_name(balancer))


def _validate_traffic(spec: JsonObject, kind: str) -> Iterator[FieldError]:
    policy = text(spec, "externalTrafficPolicy")
    external = kind in ("NodePort", "LoadBalancer") or (kind == "ClusterIP" and bool(sequence(spec, "externalIPs")))
    field = "spec.externalTrafficPolicy"
    if not external and policy:
        yield invalid(field, policy, "may only be set for externally-accessible services")
    elif external and not policy:
        yield required(field)
    elif policy and policy not in ("Cluster", "Local"):
        yield not_supported(field, policy, ("Cluster", "Local"))
    health = number(spec, "healthCheckNodePort")
    if health and not _needs_health_check(spec):
        said = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        yield invalid("spec.healthCheckNodePort", health, said)
    internal = spec.get("internalTrafficPolicy")
    if internal is None and kind in _WITH_ADDRESS:
        yield required("spec.internalTrafficPolicy")
    if internal is not None and internal not in ("Cluster", "Local"):
        yield not_supported("spec.internalTrafficPolicy", internal, ("Cluster", "Local"))
    distribution = spec.get("trafficDistribution")
    supported = ("PreferClose", "PreferSameNode", "PreferSameZone")
    if distribution is not None and distribution not in supported:
        yield not_supported("spec.trafficDistribution", distribution, supported)
