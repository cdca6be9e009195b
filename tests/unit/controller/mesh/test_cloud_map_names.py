import asyncio
from typing import Any

from crossfade.compile.mesh.cloud_map import CloudMapName, Instance
from crossfade.controller.mesh.cloud_map_names import CloudMapNames
from crossfade.controller.mesh.cloud_map_objects import cloud_map_objects
from crossfade.store.snapshot import Snapshot
from crossfade_kube.client import Client
from crossfade_kube.core import EndpointSlice, Service
from crossfade_kube.errors import ApiUnreachable
from crossfade_kube.kubeconfig import ClusterConfig
from crossfade_kube.logging import EventLog
from crossfade_kube.meta import JsonObject
from crossfade_kube.registry import decode

COLOR = CloudMapName("corp.local", "color")
NAMESPACE = "appmesh-system"


def instance(*addresses: str, is_draining: bool = False, ports: tuple[int, ...] = (8080,)) -> Instance:
    by_family = {("IPv6" if ":" in address else "IPv4"): address for address in addresses}
    return Instance(by_family, {}, is_draining, ports)


def objects(instances: dict[CloudMapName, tuple[Instance, ...]]) -> list[JsonObject]:
    return cloud_map_objects(instances, namespace=NAMESPACE, manager="m")


def names(items: list[JsonObject]) -> list[str]:
    return [f"{item['kind']} {item['metadata']['name']}" for item in items]


def test_a_service_of_cloud_map_is_a_headless_service_that_says_its_own_name() -> None:
    service, *slices = objects({COLOR: (instance("10.0.0.1", "fd00::1"), instance("10.0.0.2"))})
    assert service["metadata"]["name"] == "color--corp-local"
    assert service["metadata"]["annotations"] == {"external-dns.alpha.kubernetes.io/hostname": "color.corp.local"}
    assert service["spec"]["clusterIP"] == "None"
    found = {one["addressType"]: [end["addresses"][0] for end in one["endpoints"]] for one in slices}
    assert found == {"IPv4": ["10.0.0.1", "10.0.0.2"], "IPv6": ["fd00::1"]}
    assert {one["metadata"]["labels"]["kubernetes.io/service-name"] for one in slices} == {"color--corp-local"}
    assert all(decode(one, EndpointSlice).endpoints for one in slices)
    assert decode(service, Service).spec.ports[0].port == 8080


def test_names_that_no_service_can_have_or_that_meet_get_one_of_their_own() -> None:
    odd = [
        CloudMapName("corp.local", "Color"),
        CloudMapName("corp.local", "9color"),
        CloudMapName("corp.local", "c" * 80),
        CloudMapName("local", "color--corp"),
        CloudMapName("ns", "ü_"),
        COLOR,
    ]
    made = [item["metadata"]["name"] for item in objects(dict.fromkeys(odd, ()))]
    assert len(set(made)) == len(odd)
    assert all(len(name) <= 63 and name.replace("-", "").isalnum() and name.isascii() for name in made)
    assert made == [item["metadata"]["name"] for item in objects(dict.fromkeys(reversed(odd), ()))]


def test_large_services_are_spread_over_slices() -> None:
    many = tuple(instance(f"10.0.{number // 250}.{number % 250}") for number in range(2001))
    _, *slices = objects({COLOR: many})
    assert [len(one["endpoints"]) for one in slices] == [1000, 1000, 1]
    assert len({one["metadata"]["name"] for one in slices}) == 3


class _Recorder(Client):
    """Keeps what would be sent."""

    def __init__(self, failures: int = 0) -> None:
        super().__init__(ClusterConfig(server="http://127.0.0.1:9"))
        self.done: list[str] = []
        self.has_applied = asyncio.Event()
        self._failures = failures

    async def apply(self, resource: Any, obj: JsonObject, **_: Any) -> JsonObject:
        if self._failures:
            self._failures -= 1
            raise ApiUnreachable(server="", verb="PATCH", problem="gone")
        self.has_applied.set()
        self.done.append(f"apply {resource.kind} {obj['metadata']['name']}")
        return obj

    async def delete(self, resource: Any, name: str, **_: Any) -> JsonObject:
        self.done.append(f"delete {resource.kind} {name}")
        return {}


async def test_what_is_wanted_is_written_once_and_what_nobody_wants_goes() -> None:
    client = _Recorder()
    writer = CloudMapNames(client, namespace=NAMESPACE, manager="m", log=EventLog("test"))
    task = asyncio.create_task(writer.run())

    async def after(wanted: list[JsonObject], *existing: JsonObject) -> list[str]:
        client.done.clear()
        kinds = {"Service": Service, "EndpointSlice": EndpointSlice}
        writer.submit(wanted, Snapshot.of([decode(item, kinds[item["kind"]]) for item in existing]))
        for _ in range(20):
            await asyncio.sleep(0)
        return client.done.copy()

    color = objects({COLOR: (instance("10.0.0.1"),)})
    old = objects({CloudMapName("corp.local", "old"): ()})
    assert await after(color, *old) == [
        "apply Service color--corp-local",
        "apply EndpointSlice color--corp-local-ipv4-0",
        "delete Service old--corp-local",
    ]
    assert await after(color, *color) == []
    moved = objects({COLOR: (instance("10.0.0.2"),)})
    assert await after(moved, *color) == ["apply EndpointSlice color--corp-local-ipv4-0"]
    assert await after(moved) == ["apply Service color--corp-local", "apply EndpointSlice color--corp-local-ipv4-0"]
    assert await after([], *moved) == [
        "delete EndpointSlice color--corp-local-ipv4-0",
        "delete Service color--corp-local",
    ]
    task.cancel()


async def test_a_failure_is_tried_again() -> None:
    client = _Recorder(failures=1)
    writer = CloudMapNames(client, namespace=NAMESPACE, manager="m", log=EventLog("test"))
    task = asyncio.create_task(writer.run())
    writer.submit(objects({COLOR: ()}), Snapshot(0, {}))
    await asyncio.wait_for(client.has_applied.wait(), 10)
    assert client.done == ["apply Service color--corp-local"]
    task.cancel()
