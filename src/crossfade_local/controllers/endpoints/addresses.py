"""What a pod contributes to a Service: its address, its state, and the numbers behind named ports; all pure."""

from collections.abc import Iterable
from typing import NamedTuple

from crossfade_kube.meta import JsonObject
from crossfade_local.controllers.objects import is_being_deleted, name_of, namespace_of, uid_of
from crossfade_local.controllers.pods import is_finished, is_ready


class PodAddress(NamedTuple):
    """One pod behind a Service; `ports` in the order of the Service, those the pod does not have left out."""

    ip: str
    pod: JsonObject
    ports: tuple["ResolvedPort", ...]
    is_serving: bool
    is_terminating: bool


class ResolvedPort(NamedTuple):
    """A Service's port with the number that it has on the pod."""

    name: str
    port: int
    protocol: str
    app_protocol: str | None


def pod_addresses(service: JsonObject, pods: Iterable[JsonObject]) -> list[PodAddress]:
    """Pods that have an address and have not ended; ordered by address."""
    found = []
    for pod in pods:
        ip = (pod.get("status") or {}).get("podIP")
        if ip and not is_finished(pod):
            ports = tuple(_resolved_ports(service, pod))
            found.append(PodAddress(ip, pod, ports, is_ready(pod), is_being_deleted(pod)))
    return sorted(found, key=lambda address: (address.ip, uid_of(address.pod)))


def target_ref(pod: JsonObject) -> JsonObject:
    return {"kind": "Pod", "namespace": namespace_of(pod), "name": name_of(pod), "uid": uid_of(pod)}


def hostname_of(service: JsonObject, pod: JsonObject) -> str | None:
    """The pod's own DNS name below a headless Service that is its subdomain."""
    spec = pod.get("spec") or {}
    return spec.get("hostname") or None if spec.get("subdomain") == name_of(service) else None


def publishes_not_ready(service: JsonObject) -> bool:
    return bool(service["spec"].get("publishNotReadyAddresses"))


def is_headless(service: JsonObject) -> bool:
    return bool(service["spec"].get("clusterIP") == "None")


def _resolved_ports(service: JsonObject, pod: JsonObject) -> Iterable[ResolvedPort]:
    for port in service["spec"].get("ports") or ():
        protocol = port.get("protocol", "TCP")
        number = _number(port.get("targetPort") or port["port"], protocol, pod)
        if number is not None:
            yield ResolvedPort(port.get("name", ""), number, protocol, port.get("appProtocol"))


def _number(target: int | str, protocol: str, pod: JsonObject) -> int | None:
    if isinstance(target, int):
        return target
    spec = pod.get("spec") or {}
    sidecars = [item for item in spec.get("initContainers") or () if item.get("restartPolicy") == "Always"]
    for container in [*(spec.get("containers") or ()), *sidecars]:
        for port in container.get("ports") or ():
            if port.get("name") == target and port.get("protocol", "TCP") == protocol:
                return int(port["containerPort"])
    return None
