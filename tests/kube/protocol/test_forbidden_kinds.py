"""What a reflector makes of a kind that it may not list."""

import asyncio
from typing import Any

import pytest

from crossfade_kube.client import Client
from crossfade_kube.endpoints_fallback import AsSlices, EndpointsReflector
from crossfade_kube.errors import Forbidden
from crossfade_kube.kubeconfig import ClusterConfig
from crossfade_kube.reflector import Reflector, WhenForbidden
from crossfade_kube.resources import CONFIG_MAP
from crossfade_kube.watch import WatchEvent
from tests.support.fake_api import FakeApi, serving
from tests.support.waiting import eventually

MAPS = "/api/v1/namespaces/kong/configmaps"
ENDPOINTS = "/api/v1/namespaces/kong/endpoints"
SUBSETS = [
    {
        "addresses": [
            {"ip": "10.0.0.1", "nodeName": "n", "targetRef": {"kind": "Pod", "name": "web-1"}},
            {"ip": "::1"},
        ],
        "notReadyAddresses": [{"ip": "10.0.0.2"}],
        "ports": [{"name": "http", "port": 80, "protocol": "TCP"}],
    }
]


class State:
    """As a sink."""

    def __init__(self) -> None:
        self.objects: dict[str, Any] = {}

    def replace(self, items: list[dict[str, Any]]) -> None:
        self.objects = {item["metadata"]["name"]: item for item in items}

    def apply(self, event: WatchEvent) -> None:
        name = event.object["metadata"]["name"]
        if event.type == "DELETED":
            del self.objects[name]
        else:
            assert (event.type == "MODIFIED") == (name in self.objects)
            self.objects[name] = event.object


async def no_delay(_: float) -> None:
    await asyncio.sleep(0)


async def test_it_counts_as_empty_until_it_may_be_listed() -> None:
    api, sink = FakeApi(), State()
    api.put(f"{MAPS}/a", {})
    api.forbidden.add(("GET", "/configmaps"))
    async with serving(api) as url, Client(ClusterConfig(server=url)) as client, asyncio.TaskGroup() as tasks:
        reflector = Reflector(client, CONFIG_MAP, sink, when_forbidden=WhenForbidden.EMPTY, sleep=no_delay)
        running = tasks.create_task(reflector.run())
        await reflector.synced.wait()
        assert sink.objects == {}
        assert len(api.requests) > 2, "a single refusal may be that of a role that is just being installed"
        api.forbidden.clear()
        await eventually(lambda: "a" in sink.objects)
        running.cancel()


async def test_a_right_that_is_taken_away_deletes_nothing() -> None:
    api, sink = FakeApi(), State()
    api.put(f"{MAPS}/a", {})
    async with serving(api) as url, Client(ClusterConfig(server=url)) as client, asyncio.TaskGroup() as tasks:
        reflector = Reflector(client, CONFIG_MAP, sink, when_forbidden=WhenForbidden.EMPTY, sleep=no_delay)
        running = tasks.create_task(reflector.run())
        await reflector.synced.wait()
        api.forbidden.add(("GET", "/configmaps"))
        api.compact()
        await api.wake()
        asked = len(api.requests)
        await eventually(lambda: len(api.requests) > asked + 8)
        assert "a" in sink.objects
        running.cancel()


async def test_who_gives_up_says_so() -> None:
    api = FakeApi()
    api.forbidden.add(("GET", "/configmaps"))
    async with serving(api) as url, Client(ClusterConfig(server=url)) as client:
        reflector = Reflector(client, CONFIG_MAP, State(), when_forbidden=WhenForbidden.GIVE_UP, sleep=no_delay)
        with pytest.raises(Forbidden):
            await reflector.run()


async def test_endpoints_take_the_place_of_slices() -> None:
    api, sink = FakeApi(), State()
    api.put(f"{ENDPOINTS}/web", {"metadata": {"namespace": "kong"}, "subsets": SUBSETS})
    api.forbidden.add(("GET", "/endpointslices"))
    async with serving(api) as url, Client(ClusterConfig(server=url)) as client, asyncio.TaskGroup() as tasks:
        reflector = EndpointsReflector(client, sink)
        running = tasks.create_task(reflector.run())
        await reflector.synced.wait()
        assert set(sink.objects) == {"web-0-ipv4", "web-0-ipv6"}
        api.put(f"{ENDPOINTS}/web", {"metadata": {"namespace": "kong"}, "subsets": []})
        await api.wake()
        await eventually(lambda: not sink.objects)
        running.cancel()


def test_the_form_of_a_slice() -> None:
    sink = State()
    of_services = AsSlices(sink)
    metadata = {"name": "web", "namespace": "kong", "resourceVersion": "7", "labels": {"a": "b"}}
    of_services.apply(WatchEvent("ADDED", {"metadata": metadata, "subsets": SUBSETS}))
    found = sink.objects["web-0-ipv4"]
    assert found["metadata"] == {
        "name": "web-0-ipv4",
        "namespace": "kong",
        "resourceVersion": "7",
        "labels": {"a": "b", "kubernetes.io/service-name": "web"},
    }
    assert found["addressType"] == "IPv4"
    assert found["ports"] == SUBSETS[0]["ports"]
    assert found["endpoints"] == [
        {
            "addresses": ["10.0.0.1"],
            "conditions": {"ready": True},
            "nodeName": "n",
            "targetRef": {"kind": "Pod", "name": "web-1"},
        },
        {"addresses": ["10.0.0.2"], "conditions": {"ready": False}},
    ]
    assert sink.objects["web-0-ipv6"]["endpoints"] == [{"addresses": ["::1"], "conditions": {"ready": True}}]


def test_a_service_that_goes_takes_all_its_slices_along() -> None:
    sink = State()
    of_services = AsSlices(sink)
    endpoints = {"metadata": {"name": "web", "namespace": "kong"}, "subsets": SUBSETS}
    of_services.replace([endpoints])
    of_services.apply(WatchEvent("MODIFIED", endpoints))
    of_services.apply(WatchEvent("DELETED", endpoints))
    assert sink.objects == {}
