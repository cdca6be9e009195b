"""Addresses and node ports of Services: chosen on create, kept on update, refused if taken."""

import ipaddress
import random
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.admission.attributes import Attributes
from crossfade_local.apiserver.defaults import default_addresses, drop_type_dependent_fields
from crossfade_local.apiserver.state.storage import Storage
from crossfade_local.apiserver.validation.errors import FieldError, invalid, listed
from crossfade_local.apiserver.validation.services import family_errors
from crossfade_local.apiserver.validation.status_error import invalid_status
from crossfade_local.apiserver.wire.status import StatusError, internal

SERVICE_NETWORK: Final = ipaddress.ip_network("10.96.0.0/16")
RESERVED: Final = frozenset({"10.96.0.0", "10.96.0.1", "10.96.0.10", "10.96.255.255"})
"""Network, API server, DNS and broadcast: never given out by chance."""
NODE_PORTS: Final = range(30000, 32768)
_BUCKET: Final = "/services"
_TRIES: Final = 64
_PORT_OUTSIDE: Final = (
    f"provided port is not in the valid range. The range of valid ports is {NODE_PORTS[0]}-{NODE_PORTS[-1]}"
)


def allocate(storage: Storage) -> Callable[[Attributes], None]:
    def step(attributes: Attributes) -> None:
        service = attributes.new
        if attributes.bucket != _BUCKET or attributes.subresource or service is None:
            return
        spec, old = service["spec"], (attributes.old or {}).get("spec") or {}
        default_addresses(spec)
        if old:
            _drop_of_old_type(spec, old)
            _agree(spec, old)
            _keep_allocated(spec, old)
        others = [stored.object for stored in storage.scan(_BUCKET) if stored.key != _key(attributes)]
        errors = listed(_families(spec, old)) or listed(
            chain(_cluster_ip(spec, old, others), _node_ports(spec, others))
        )
        if errors:
            body = invalid_status(group="", kind="Service", name=attributes.name, errors=errors)
            raise StatusError.from_body(body)
        _health_port(spec, old, others)

    return step


def _key(attributes: Attributes) -> tuple[str, str]:
    return (attributes.namespace, attributes.name) if attributes.old is not None else ("", "")


def _drop_of_old_type(spec: JsonObject, old: JsonObject) -> None:
    kept = drop_type_dependent_fields({"spec": spec}, {"spec": old})["spec"]
    spec.clear()
    spec.update(kept)


def _agree(spec: JsonObject, old: JsonObject) -> None:
    """Who changes `clusterIP` alone means the first of `clusterIPs` too."""
    one, former, addresses = spec.get("clusterIP"), old.get("clusterIP"), spec.get("clusterIPs")
    if former and one != former and addresses and addresses == old.get("clusterIPs"):
        spec["clusterIPs"] = [one, *addresses[1:]] if one else []


def _keep_allocated(spec: JsonObject, old: JsonObject) -> None:
    """What an update leaves out, it keeps, as long as the type still needs it."""
    if _needs_ip(spec) and _needs_ip(old):
        if not spec.get("clusterIP"):
            spec["clusterIP"] = old.get("clusterIP", "")
        if not spec.get("clusterIPs") and spec["clusterIP"] == old.get("clusterIP"):
            spec["clusterIPs"] = list(old.get("clusterIPs") or ())
    if _needs_ports(spec) and _needs_ports(old):
        known = {
            (port.get("port"), port.get("protocol", "TCP")): port.get("nodePort") for port in old.get("ports") or ()
        }
        used = {port.get("nodePort") for port in spec.get("ports") or ()}
        for port in spec.get("ports") or ():
            former = known.get((port.get("port"), port.get("protocol", "TCP")))
            if not port.get("nodePort") and former and former not in used:
                port["nodePort"] = former
                used.add(former)
    elif _needs_ports(old) and not _needs_ports(spec):
        for port in spec.get("ports") or ():
            port.pop("nodePort", None)


def _needs_ip(spec: JsonObject) -> bool:
    return bool(spec.get("type", "ClusterIP") != "ExternalName")


def _needs_ports(spec: JsonObject) -> bool:
    if spec.get("type") == "LoadBalancer":
        return spec.get("allocateLoadBalancerNodePorts", True) is not False
    return bool(spec.get("type") == "NodePort")


def _families(spec: JsonObject, old: JsonObject) -> Iterator[FieldError]:
    """Addresses are given in the one family that the cluster has."""
    families, policy = spec.get("ipFamilies") or [], spec.get("ipFamilyPolicy")
    is_any_familys = spec.get("clusterIP") == "None" and not spec.get("selector")
    is_as_before = (families, policy) == (old.get("ipFamilies") or [], old.get("ipFamilyPolicy"))
    if not _needs_ip(spec) or is_any_familys or is_as_before:
        return
    errors = family_errors(spec)
    if first := next(errors, None):
        yield first
        yield from errors
        return
    if len(families) > 1 and policy == "SingleStack":
        said = "must be 'RequireDualStack' or 'PreferDualStack' when multiple IP families are specified"
        yield invalid("spec.ipFamilyPolicy", policy, said)
        return
    if policy == "RequireDualStack":
        yield invalid("spec.ipFamilyPolicy", policy, "this cluster is not configured for dual-stack services")
    for index, family in enumerate(families):
        if family != f"IPv{SERVICE_NETWORK.version}":
            yield invalid(f"spec.ipFamilies[{index}]", family, "not configured on this cluster")


def _cluster_ip(spec: JsonObject, old: JsonObject, others: list[JsonObject]) -> Iterator[FieldError]:
    if not _needs_ip(spec):
        if _needs_ip(old) and old and spec.get("clusterIP") == old.get("clusterIP"):
            for name in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
                spec.pop(name, None)
        return
    wanted = spec.get("clusterIP") or next(iter(spec.get("clusterIPs") or ()), "")
    if wanted == "None":
        spec["clusterIP"] = "None"
        spec["clusterIPs"] = spec.get("clusterIPs") or ["None"]
        return
    taken = {other["spec"].get("clusterIP") for other in others if "spec" in other}
    if not wanted:
        wanted = _free_address(taken)
    elif wanted != old.get("clusterIP"):
        yield from _wanted_address(wanted, taken)
    spec["clusterIP"] = wanted
    if not spec.get("clusterIPs"):
        spec["clusterIPs"] = [wanted]


def _wanted_address(wanted: str, taken: set[Any]) -> Iterator[FieldError]:
    try:
        address = ipaddress.ip_address(wanted)
    except ValueError:
        return
    why = ""
    if address.version != SERVICE_NETWORK.version:
        yield invalid("spec.clusterIPs[0]", [wanted], f"IPv{address.version} is not configured on this cluster")
    elif address not in SERVICE_NETWORK:
        why = "the provided network does not match the current range"
    elif wanted in taken:
        why = "provided IP is already allocated"
    if why:
        yield invalid("spec.clusterIPs", [wanted], f"failed to allocate IP {wanted}: {why}")


def _free_address(taken: set[Any]) -> str:
    size = SERVICE_NETWORK.num_addresses
    for _ in range(_TRIES):
        found = str(SERVICE_NETWORK[random.randrange(256, size)])  # noqa: S311 - an address, not a secret
        if found not in taken and found not in RESERVED:
            return found
    for offset in range(2, size - 1):
        found = str(SERVICE_NETWORK[offset])
        if found not in taken and found not in RESERVED:
            return found
    raise internal("failed to allocate a serviceIP: range is full")


def _node_ports(spec: JsonObject, others: list[JsonObject]) -> Iterator[FieldError]:
    if not _needs_ports(spec) and not any(port.get("nodePort") for port in spec.get("ports") or ()):
        return
    taken = {port.get("nodePort") for other in others for port in _ports(other)}
    own: set[int] = set()
    for index, port in enumerate(spec.get("ports") or ()):
        wanted = port.get("nodePort")
        place = f"spec.ports[{index}].nodePort"
        if wanted:
            if wanted not in NODE_PORTS:
                yield invalid(place, wanted, _PORT_OUTSIDE)
            elif wanted in taken:
                yield invalid(place, wanted, "provided port is already allocated")
            own.add(wanted)
    for port in spec.get("ports") or ():
        if not port.get("nodePort") and _needs_ports(spec):
            # The same port over another protocol shares its node port.
            twins = (
                one["nodePort"] for one in spec["ports"] if one.get("nodePort") and one.get("port") == port.get("port")
            )
            port["nodePort"] = next(twins, None) or _free_port(taken | own)
            own.add(port["nodePort"])


def _ports(service: JsonObject) -> list[JsonObject]:
    return [port for port in (service.get("spec") or {}).get("ports") or () if port.get("nodePort")]


def _health_port(spec: JsonObject, old: JsonObject, others: list[JsonObject]) -> None:
    """Where a load balancer in front asks whether this node has pods of the Service."""
    former = old.get("healthCheckNodePort") if _is_local(old) else None
    if not _is_local(spec):
        if former and spec.get("healthCheckNodePort") == former:
            del spec["healthCheckNodePort"]
    elif not spec.get("healthCheckNodePort"):
        taken = {port["nodePort"] for service in (*others, {"spec": spec}) for port in _ports(service)}
        taken |= {(other.get("spec") or {}).get("healthCheckNodePort") for other in others}
        spec["healthCheckNodePort"] = former or _free_port(taken)


def _is_local(spec: JsonObject) -> bool:
    return bool(spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local")


def _free_port(taken: set[Any]) -> int:
    free = [port for port in NODE_PORTS if port not in taken]
    if not free:
        raise internal("failed to allocate a nodePort: range is full")
    return random.choice(free)  # noqa: S311 - a port, not a secret
