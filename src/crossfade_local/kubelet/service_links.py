"""The variables by which containers find Services without DNS, named as Kubernetes' kubelet and Docker's links do."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from crossfade_kube.meta import JsonObject, NamespacedName
from crossfade_kube.watch import WatchEvent
from crossfade_local.service_table import HEADLESS

_API: Final = NamespacedName("default", "kubernetes")
_READ_S: Final = 30.0


def service_variables(services: Iterable[JsonObject]) -> dict[str, str]:
    """Headless Services and those without an address have none. Of two that make the same name, the later counts."""
    return {name: value for service in services for name, value in _variables(service)}


def _variables(service: JsonObject) -> Iterator[tuple[str, str]]:
    prefix, spec = _variable_name(service["metadata"]["name"]), service["spec"]
    address, ports = spec.get("clusterIP") or HEADLESS, spec.get("ports") or ()
    if address == HEADLESS or not ports:
        return
    yield f"{prefix}_SERVICE_HOST", address
    yield f"{prefix}_SERVICE_PORT", str(ports[0]["port"])
    for port in ports:
        if name := port.get("name"):
            yield f"{prefix}_SERVICE_PORT_{_variable_name(name)}", str(port["port"])
    yield f"{prefix}_PORT", _url(address, ports[0])
    for port in ports:
        link = f"{prefix}_PORT_{port['port']}_{_protocol(port)}"
        yield link, _url(address, port)
        yield f"{link}_PROTO", _protocol(port).lower()
        yield f"{link}_PORT", str(port["port"])
        yield f"{link}_ADDR", address


def _variable_name(name: str) -> str:
    return name.replace("-", "_").upper()


def _protocol(port: JsonObject) -> str:
    return port.get("protocol") or "TCP"


def _url(address: str, port: JsonObject) -> str:
    host = f"[{address}]" if ":" in address else address
    return f"{_protocol(port).lower()}://{host}:{port['port']}"


class ServiceLinks:
    """A sink for Services that knows each namespace's variables at any time."""

    def __init__(self) -> None:
        self._complete = asyncio.Event()
        self._services: dict[str, dict[str, JsonObject]] = {}
        self._made: dict[str, Mapping[str, str]] = {}

    async def read(self) -> None:
        """Returns when all Services have been listed once. Raises OSError when that takes too long."""
        try:
            async with asyncio.timeout(_READ_S):
                await self._complete.wait()
        except TimeoutError:
            raise OSError("its Services' variables are unknown: the API server did not list the Services") from None

    def variables(self, namespace: str, *, enabled: bool) -> Mapping[str, str]:
        """Of the API server's Service, and if `enabled` of all of the namespace."""
        own = self._services.get(namespace, {}) if enabled else {}
        # What was made for a namespace goes with its last Service, so nothing is kept for one that has none.
        place = namespace if own else ""
        made = self._made.get(place)
        if made is None:
            api = self._services.get(_API.namespace, {}).get(_API.name)
            chosen = {_API.name: api, **own} if api is not None else own
            made = self._made[place] = service_variables(chosen[name] for name in sorted(chosen))
        return made

    def replace(self, items: list[JsonObject]) -> None:
        self._services.clear()
        for item in items:
            self._put(item)
        self._made.clear()
        self._complete.set()

    def apply(self, event: WatchEvent) -> None:
        namespace, name = event.object["metadata"]["namespace"], event.object["metadata"]["name"]
        if event.type == "DELETED":
            self._drop(namespace, name)
        else:
            self._put(event.object)
        if (namespace, name) == _API:
            self._made.clear()
        else:
            self._made.pop(namespace, None)

    def _put(self, service: JsonObject) -> None:
        metadata = service["metadata"]
        self._services.setdefault(metadata["namespace"], {})[metadata["name"]] = service

    def _drop(self, namespace: str, name: str) -> None:
        services = self._services.get(namespace, {})
        services.pop(name, None)
        if not services:
            self._services.pop(namespace, None)
