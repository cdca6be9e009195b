"""Validation of Endpoints and EndpointSlices."""

import ipaddress
from collections.abc import Iterator
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.validation import names
from crossfade_local.apiserver.validation.containers import PROTOCOLS
from crossfade_local.apiserver.validation.errors import (
    FieldError,
    duplicate,
    each,
    invalid,
    not_supported,
    required,
    too_many,
)
from crossfade_local.apiserver.validation.metadata import immutable, validate_labels
from crossfade_local.values.fields import mapping, number, objects, sequence, text

_ADDRESS_TYPES: Final = ("FQDN", "IPv4", "IPv6")
_MAX_ENDPOINTS, _MAX_PORTS, _MAX_ADDRESSES = 1000, 20_000, 100


def validate_endpoint_slice(obj: JsonObject) -> Iterator[FieldError]:
    kind = text(obj, "addressType")
    if kind not in _ADDRESS_TYPES:
        yield not_supported("addressType", kind, _ADDRESS_TYPES) if kind else required("addressType")
    yield from _validate_slice_ports(objects(obj, "ports"))
    endpoints = objects(obj, "endpoints")
    if len(endpoints) > _MAX_ENDPOINTS:
        yield too_many("endpoints", len(endpoints), _MAX_ENDPOINTS)
    else:
        for index, endpoint in enumerate(endpoints):
            yield from _validate_endpoint(f"endpoints[{index}]", endpoint, kind)


def validate_endpoint_slice_update(new: JsonObject, old: JsonObject) -> Iterator[FieldError]:
    yield from immutable("addressType", text(new, "addressType"), text(old, "addressType"))


def _validate_endpoint(field: str, endpoint: JsonObject, kind: str) -> Iterator[FieldError]:
    addresses = sequence(endpoint, "addresses")
    if not addresses:
        yield required(f"{field}.addresses", "must contain at least 1 address")
    elif len(addresses) > _MAX_ADDRESSES:
        yield too_many(f"{field}.addresses", len(addresses), _MAX_ADDRESSES)
    for index, address in enumerate(addresses):
        yield from each(f"{field}.addresses[{index}]", address, _address_problems(str(address), kind))
    node = endpoint.get("nodeName")
    if isinstance(node, str):
        yield from each(f"{field}.nodeName", node, names.dns_subdomain(node))
    yield from validate_labels(mapping(endpoint, "deprecatedTopology"), f"{field}.deprecatedTopology")
    hostname = endpoint.get("hostname")
    if isinstance(hostname, str):
        yield from each(f"{field}.hostname", hostname, names.dns_label(hostname))
    yield from _validate_zones(f"{field}.hints.forZones", objects(endpoint, "hints", "forZones"))


def _validate_zones(field: str, zones: list[JsonObject]) -> Iterator[FieldError]:
    taken: set[str] = set()
    for index, zone in enumerate(zones):
        name = text(zone, "name")
        if name in taken:
            yield duplicate(f"{field}[{index}].name", name)
        taken.add(name)
        yield from each(f"{field}[{index}].name", name, names.label_value(name))


def _address_problems(address: str, kind: str) -> list[str]:
    if kind == "FQDN":
        return names.dns_subdomain(address)
    if kind not in ("IPv4", "IPv6"):
        return []
    problems = names.ip_address(address)
    if problems:
        return problems
    if ipaddress.ip_address(address).version != (4 if kind == "IPv4" else 6):
        return [f"must be an {kind} address"]
    return names.non_special_ip(address)


def _validate_slice_ports(ports: list[JsonObject]) -> Iterator[FieldError]:
    if len(ports) > _MAX_PORTS:
        yield too_many("ports", len(ports), _MAX_PORTS)
        return
    taken: set[str] = set()
    for index, port in enumerate(ports):
        place, name = f"ports[{index}]", text(port, "name")
        if name:
            yield from each(f"{place}.name", name, names.dns_label(name))
        if name in taken:
            yield duplicate(f"{place}.name", name)
        taken.add(name)
        if (protocol := text(port, "protocol")) not in PROTOCOLS:
            yield not_supported(f"{place}.protocol", protocol, PROTOCOLS)
        application = port.get("appProtocol")
        if isinstance(application, str):
            yield from each(f"{place}.appProtocol", application, names.qualified_name(application))


def _validate_protocol(field: str, protocol: str) -> Iterator[FieldError]:
    if not protocol:
        yield required(field)
    elif protocol not in PROTOCOLS:
        yield not_supported(field, protocol, PROTOCOLS)


def validate_endpoints(obj: JsonObject) -> Iterator[FieldError]:
    for index, subset in enumerate(objects(obj, "subsets")):
        place = f"subsets[{index}]"
        ready, waiting = objects(subset, "addresses"), objects(subset, "notReadyAddresses")
        if not ready and not waiting:
            yield required(place, "must specify `addresses` or `notReadyAddresses`")
        for name, addresses in (("addresses", ready), ("notReadyAddresses", waiting)):
            for position, address in enumerate(addresses):
                value = text(address, "ip")
                malformed = names.ip_address(value)
                # Kubernetes parses it once more to see what it stands for.
                problems = [*malformed, "must be a valid IP address"] if malformed else names.non_special_ip(value)
                yield from each(f"{place}.{name}[{position}].ip", value, problems)
                yield from _validate_host(f"{place}.{name}[{position}]", address)
        ports = objects(subset, "ports")
        for position, port in enumerate(ports):
            yield from _validate_endpoint_port(f"{place}.ports[{position}]", port, needs_name=len(ports) > 1)


def _validate_host(field: str, address: JsonObject) -> Iterator[FieldError]:
    if hostname := text(address, "hostname"):
        yield from each(f"{field}.hostname", hostname, names.dns_label(hostname))
    node = address.get("nodeName")
    if isinstance(node, str):
        yield from each(f"{field}.nodeName", node, names.dns_subdomain(node))


def _validate_endpoint_port(field: str, port: JsonObject, *, needs_name: bool) -> Iterator[FieldError]:
    name, value = text(port, "name"), number(port, "port")
    if name:
        yield from each(f"{field}.name", name, names.dns_label(name))
    elif needs_name:
        yield required(f"{field}.name")
    yield from each(f"{field}.port", value, names.port_number(value))
    yield from _validate_protocol(f"{field}.protocol", text(port, "protocol"))


def validate_service_reference(field: str, service: JsonObject) -> Iterator[FieldError]:
    """A webhook's `clientConfig.service`."""
    for name in ("name", "namespace"):
        if not text(service, name):
            yield required(f"{field}.{name}", f"service {name} is required")
    port = number(service, "port")
    if names.port_number(port):
        yield invalid(f"{field}.port", port, "port is not valid: " + names.port_number(port)[0])
    yield from _validate_path(f"{field}.path", text(service, "path"))


def _validate_path(field: str, path: str) -> Iterator[FieldError]:
    if path in ("", "/"):
        return
    if path == "//":
        yield invalid(field, path, "segment[0] may not be empty")
        return
    if not path.startswith("/"):
        yield invalid(field, path, "must start with a '/'")
    for index, step in enumerate(path[1:].removesuffix("/").split("/")):
        if not step:
            yield invalid(field, path, f"segment[{index}] may not be empty")
        for problem in names.dns_subdomain(step) if step else ():
            yield invalid(field, path, f"segment[{index}]: {problem}")
