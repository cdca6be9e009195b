"""Where `services/[SCHEME:]NAME[:PORT]/proxy` leads: to one of the Service's ready endpoints, behind the port named."""

import random
from collections.abc import Iterable
from typing import Any, Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.api import Api
from crossfade_local.apiserver.wire.status import StatusError, not_found

_OF_SERVICE: Final = "kubernetes.io/service-name"


def endpoint_of(api: Api, namespace: str, name: str, port: str) -> tuple[str, int]:
    """Address and port; raises StatusError where there is nothing behind the Service."""
    stored = api.storage.get("/services", namespace, name)
    if stored is None:
        raise not_found("services", "", name)
    wanted = _port_name(stored.object, name, port)
    slices = (found.object for found in api.storage.scan("discovery.k8s.io/endpointslices", namespace))
    mine = [item for item in slices if (item["metadata"].get("labels") or {}).get(_OF_SERVICE) == name]
    found = list(_ready(mine, wanted))
    if not found:
        raise StatusError(503, "ServiceUnavailable", f'no endpoints available for service "{name}"', {})
    return random.choice(found)  # noqa: S311 - any of them will do


def _port_name(service: JsonObject, name: str, port: str) -> str:
    """Of the Service's port with that name or number; of its only one if none is asked for."""
    ports = service["spec"].get("ports") or []
    if not port:
        if len(ports) == 1:
            return str(ports[0].get("name") or "")
        # Without a name it would be a guess; as in Kubernetes, it is a port without a name.
        return ""
    for item in ports:
        if item.get("name") == port or str(item["port"]) == port:
            return str(item.get("name") or "")
    raise StatusError(503, "ServiceUnavailable", f'no service port "{port}" found for service "{name}"', {})


def _ready(slices: Iterable[JsonObject], port_name: str) -> Iterable[tuple[str, int]]:
    for item in slices:
        numbers = [port["port"] for port in item.get("ports") or () if (port.get("name") or "") == port_name]
        for endpoint in item.get("endpoints") or ():
            conditions: dict[str, Any] = endpoint.get("conditions") or {}
            if numbers and numbers[0] and conditions.get("ready", True) is not False:
                yield from ((address, int(numbers[0])) for address in endpoint.get("addresses") or ())
