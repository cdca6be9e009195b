"""EndpointSlices, or where a role is older than they are, the Endpoints of the same Services in their form."""

import asyncio
import ipaddress
import logging
from collections import defaultdict
from collections.abc import Iterator
from itertools import chain

from crossfade_kube.client import Client
from crossfade_kube.core.endpoint_slice import SERVICE_NAME_LABEL, EndpointSlice
from crossfade_kube.errors import Forbidden
from crossfade_kube.meta import JsonObject, NamespacedName
from crossfade_kube.reflector import Reflector, WhenForbidden
from crossfade_kube.resources import ENDPOINTS
from crossfade_kube.tally import WatchTally
from crossfade_kube.watch import Sink, WatchEvent

log = logging.getLogger(__name__)


class EndpointsReflector:
    """As a `Reflector` of EndpointSlices."""

    resource = EndpointSlice.RESOURCE

    def __init__(self, client: Client, sink: Sink, *, namespace: str | None = None) -> None:
        self.synced = asyncio.Event()
        self._slices = Reflector(
            client,
            self.resource,
            sink,
            namespace=namespace,
            when_forbidden=WhenForbidden.GIVE_UP,
            synced=self.synced,
        )
        self._reads_endpoints = False
        self._endpoints = Reflector(client, ENDPOINTS, AsSlices(sink), namespace=namespace, synced=self.synced)

    @property
    def tally(self) -> WatchTally:
        """Of what is read."""
        return self._endpoints.tally if self._reads_endpoints else self._slices.tally

    async def run(self) -> None:
        """Until cancelled."""
        try:
            await self._slices.run()
        except Forbidden as exc:
            fields = {"resource": self.resource.plural, "effect": "Endpoints are read instead", "reason": exc}
            log.warning("kube.forbidden", extra={"fields": fields})
        self._reads_endpoints = True
        await self._endpoints.run()


class AsSlices:
    """Takes Endpoints and hands EndpointSlices on."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._slices: dict[NamespacedName, dict[str, JsonObject]] = {}

    def replace(self, items: list[JsonObject]) -> None:
        self._slices = {_key(item): _by_name(item) for item in items}
        self._sink.replace(list(chain.from_iterable(slices.values() for slices in self._slices.values())))

    def apply(self, event: WatchEvent) -> None:
        key = _key(event.object)
        before = self._slices.pop(key, {})
        after = {} if event.type == "DELETED" else _by_name(event.object)
        if after:
            self._slices[key] = after
        for name, slice_ in after.items():
            self._sink.apply(WatchEvent("MODIFIED" if name in before else "ADDED", slice_))
        for name in before.keys() - after.keys():
            self._sink.apply(WatchEvent("DELETED", before[name]))


def _key(obj: JsonObject) -> NamespacedName:
    return NamespacedName(obj["metadata"].get("namespace") or "", obj["metadata"]["name"])


def _by_name(endpoints: JsonObject) -> dict[str, JsonObject]:
    return {slice_["metadata"]["name"]: slice_ for slice_ in slices_of(endpoints)}


def slices_of(endpoints: JsonObject) -> Iterator[JsonObject]:
    """One for each subset and family of addresses."""
    metadata = endpoints["metadata"]
    for at, subset in enumerate(endpoints.get("subsets") or ()):
        families: defaultdict[str, list[JsonObject]] = defaultdict(list)
        for field, is_ready in (("addresses", True), ("notReadyAddresses", False)):
            for address in subset.get(field) or ():
                families[_family(address.get("ip", ""))].append(_endpoint(address, is_ready=is_ready))
        for family, found in families.items():
            name = f"{metadata['name']}-{at}-{family.lower()}"
            yield {
                "apiVersion": EndpointSlice.RESOURCE.api_version,
                "kind": EndpointSlice.RESOURCE.kind,
                "metadata": {
                    **metadata,
                    "name": name,
                    "labels": {**(metadata.get("labels") or {}), SERVICE_NAME_LABEL: metadata["name"]},
                },
                "addressType": family,
                "endpoints": found,
                "ports": subset.get("ports") or [],
            }


def _endpoint(address: JsonObject, *, is_ready: bool) -> JsonObject:
    known = {name: address[name] for name in ("hostname", "nodeName", "targetRef") if address.get(name)}
    return {"addresses": [address.get("ip", "")], "conditions": {"ready": is_ready}, **known}


def _family(address: str) -> str:
    try:
        return f"IPv{ipaddress.ip_address(address).version}"
    except ValueError:
        return "FQDN"
