"""Rows of Services, endpoints, Ingresses and network policies."""

from datetime import datetime
from typing import Any, Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.printers.columns import NONE, UNSET, join_some, label_text, name_of, selector_text
from crossfade_local.apiserver.printers.durations import age
from crossfade_local.values.fields import mapping, number, objects, sequence, text

_SHOWN_HOSTS: Final = 3


def service_cells(obj: JsonObject, now: datetime, /) -> list[Any]:
    spec = mapping(obj, "spec")
    addresses = sequence(spec, "clusterIPs") or [text(spec, "clusterIP")]
    return [
        name_of(obj),
        text(spec, "type"),
        addresses[0] or NONE,
        _external_address(spec, mapping(obj, "status")),
        ",".join(_port(port) for port in objects(spec, "ports")) or NONE,
        age(obj, now),
        label_text(mapping(spec, "selector")),
    ]


def _port(port: JsonObject) -> str:
    node_port = number(port, "nodePort")
    return f"{number(port, 'port')}{f':{node_port}' if node_port else ''}/{text(port, 'protocol')}"


def _external_address(spec: JsonObject, status: JsonObject) -> str:
    kind, own = text(spec, "type"), [str(item) for item in sequence(spec, "externalIPs")]
    if kind in ("ClusterIP", "NodePort"):
        return ",".join(own) or NONE
    if kind == "LoadBalancer":
        return ",".join([*_balancer_addresses(status), *own]) or "<pending>"
    return text(spec, "externalName") if kind == "ExternalName" else "<unknown>"


def _balancer_addresses(status: JsonObject) -> list[str]:
    found = {text(item, "ip") or text(item, "hostname") for item in objects(status, "loadBalancer", "ingress")}
    return sorted(found - {""})


def endpoints_cells(obj: JsonObject, now: datetime, /) -> list[Any]:
    shown, total = [], 0
    for subset in objects(obj, "subsets"):
        addresses = [text(item, "ip") for item in objects(subset, "addresses")]
        ports = objects(subset, "ports")
        total += len(addresses) * max(len(ports), 1)
        shown += [_host_port(address, number(port, "port")) for port in ports for address in addresses]
        if not ports:
            shown += addresses
    return [name_of(obj), join_some(shown, total, empty="" if objects(obj, "subsets") else NONE), age(obj, now)]


def _host_port(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def endpoint_slice_cells(obj: JsonObject, now: datetime, /) -> list[Any]:
    ports = [_slice_port(port) for port in objects(obj, "ports")]
    addresses = [str(item) for endpoint in objects(obj, "endpoints") for item in sequence(endpoint, "addresses")]
    return [
        name_of(obj),
        text(obj, "addressType"),
        join_some(ports, empty=UNSET),
        join_some(addresses, empty=UNSET),
        age(obj, now),
    ]


def _slice_port(port: JsonObject) -> str:
    if port.get("port") is not None:
        return str(port["port"])
    return port["name"] if isinstance(port.get("name"), str) else "*"


def ingress_cells(obj: JsonObject, now: datetime, /) -> list[Any]:
    spec = mapping(obj, "spec")
    name = spec.get("ingressClassName")
    return [
        name_of(obj),
        name if isinstance(name, str) else NONE,
        _hosts(objects(spec, "rules")),
        ",".join(_balancer_addresses(mapping(obj, "status"))),
        "80, 443" if sequence(spec, "tls") else "80",
        age(obj, now),
    ]


def _hosts(rules: list[JsonObject]) -> str:
    shown: list[str] = []
    more = False
    for rule in rules:
        if len(shown) == _SHOWN_HOSTS:
            more = True
        elif text(rule, "host"):
            shown.append(text(rule, "host"))
    if not shown:
        return "*"
    return ",".join(shown) + (f" + {len(rules) - _SHOWN_HOSTS} more..." if more else "")


def ingress_class_cells(obj: JsonObject, now: datetime, /) -> list[Any]:
    spec = mapping(obj, "spec")
    parameters = spec.get("parameters")
    shown = NONE
    if isinstance(parameters, dict):
        group = parameters.get("apiGroup")
        shown = f"{text(parameters, 'kind')}{f'.{group}' if group is not None else ''}/{text(parameters, 'name')}"
    return [name_of(obj), text(spec, "controller"), shown, age(obj, now)]


def network_policy_cells(obj: JsonObject, now: datetime, /) -> list[Any]:
    return [name_of(obj), selector_text(mapping(obj, "spec", "podSelector")), age(obj, now)]
