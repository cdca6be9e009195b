"""Validation of NetworkPolicy (networking.k8s.io/v1)."""

import ipaddress
from collections.abc import Iterator
from typing import Any, Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.validation import names
from crossfade_local.apiserver.validation.errors import FieldError, each, forbidden, invalid, not_supported, required
from crossfade_local.apiserver.validation.shapes import label_selector, port_number_or_name
from crossfade_local.values.fields import at, mapping, objects, sequence

_PROTOCOLS: Final = ("TCP", "UDP", "SCTP")
_NO_CIDR: Final = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
_TYPES: Final = ("Ingress", "Egress")


def validate_network_policy(obj: JsonObject) -> Iterator[FieldError]:
    spec = mapping(obj, "spec")
    yield from label_selector("spec.podSelector", spec.get("podSelector") or {})
    for name, peers in (("ingress", "from"), ("egress", "to")):
        for index, rule in enumerate(objects(spec, name)):
            field = f"spec.{name}[{index}]"
            for position, port in enumerate(objects(rule, "ports")):
                yield from _validate_port(f"{field}.ports[{position}]", port)
            for position, peer in enumerate(objects(rule, peers)):
                yield from _validate_peer(f"{field}.{peers}[{position}]", peer)
    kinds = at(spec, "policyTypes") or ()
    if len(kinds) > 2:
        yield invalid("spec.policyTypes", kinds, "may not specify more than two policyTypes")
        return
    for index, kind in enumerate(kinds):
        if kind not in _TYPES:
            yield not_supported(f"spec.policyTypes[{index}]", kind, _TYPES)


def _validate_port(field: str, port: JsonObject) -> Iterator[FieldError]:
    protocol = port.get("protocol")
    if protocol is not None and protocol not in _PROTOCOLS:
        yield not_supported(f"{field}.protocol", protocol, _PROTOCOLS)
    number, last = port.get("port"), port.get("endPort")
    if last is not None:
        yield from _validate_last_port(f"{field}.endPort", number, last)
    if number is not None:
        yield from port_number_or_name(f"{field}.port", number)


def _validate_last_port(field: str, number: Any, last: int) -> Iterator[FieldError]:
    if not isinstance(number, int):
        why = "is not specified" if number is None else "is non-numeric"
        yield invalid(field, last, f"may not be specified when `port` {why}")
        return
    if last < number:
        yield invalid(field, number, "must be greater than or equal to `port`")
    yield from each(field, last, names.port_number(last))


def _validate_peer(field: str, peer: JsonObject) -> Iterator[FieldError]:
    selectors = [name for name in ("podSelector", "namespaceSelector") if peer.get(name) is not None]
    for name in selectors:
        yield from label_selector(f"{field}.{name}", peer[name])
    block = peer.get("ipBlock")
    if block is not None:
        yield from _validate_block(f"{field}.ipBlock", block)
    if block is None and not selectors:
        yield required(field, "must specify a peer")
    elif block is not None and selectors:
        yield forbidden(field, "may not specify both ipBlock and another peer")


def _validate_block(field: str, block: JsonObject) -> Iterator[FieldError]:
    text = block.get("cidr") or ""
    if not text:
        yield required(f"{field}.cidr")
        return
    whole = _network(text)
    if whole is None:
        yield invalid(f"{field}.cidr", text, _NO_CIDR)
        return
    for index, exception in enumerate(sequence(block, "except")):
        hole, path = _network(exception), f"{field}.except[{index}]"
        if hole is None:
            yield invalid(path, exception, _NO_CIDR)
        elif hole.version != whole.version or hole.prefixlen <= whole.prefixlen or hole.network_address not in whole:
            yield invalid(path, exception, "must be a strict subset of `cidr`")


def _network(text: Any) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text, strict=False) if "/" in str(text) else None
    except ValueError:
        return None
