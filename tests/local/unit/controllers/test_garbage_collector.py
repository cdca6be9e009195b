"""Owners that the collector's watches do not know (yet)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from crossfade_kube.client import Client
from crossfade_kube.kubeconfig import ClusterConfig
from crossfade_kube.meta import JsonObject
from crossfade_kube.resources import CONFIG_MAP
from crossfade_local.controllers.discovery import Served, ServedResources
from crossfade_local.controllers.garbage import collector
from crossfade_local.controllers.garbage.collector import GarbageCollector
from crossfade_local.controllers.informers import Informers
from tests.support.fake_api import FakeApi, serving
from tests.support.waiting import eventually

MAPS = "/api/v1/namespaces/ns/configmaps"


@asynccontextmanager
async def collecting(api: FakeApi, *known: JsonObject) -> AsyncIterator[None]:
    """A collector that its watches have told of `known` only."""
    async with serving(api) as url, Client(ClusterConfig(server=url)) as client:
        informers = Informers(client)
        served = ServedResources(client, informers)
        served.all = [Served(CONFIG_MAP, is_watched=True)]
        garbage = GarbageCollector(client, informers, served)
        tell = garbage._handler_for(CONFIG_MAP)
        for obj in known:
            tell(None, obj)
        running = asyncio.create_task(garbage.reconciler.run())
        yield
        running.cancel()
        await asyncio.wait([running])


def _map(api: FakeApi, name: str, *owners: JsonObject) -> JsonObject:
    metadata = {"namespace": "ns", "uid": name, "ownerReferences": list(owners)}
    return api.put(f"{MAPS}/{name}", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})


async def test_an_owner_that_goes_before_its_watch_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collector, "_UNKNOWN_OWNER_S", 0.01)
    api = FakeApi()
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": "owner"}
    _map(api, "owner")
    child = _map(api, "child", owner)
    async with collecting(api, child):
        await eventually(lambda: any(path.endswith("/owner") for _, path, _, _ in api.requests))
        assert f"{MAPS}/child" in api.objects
        api.remove(f"{MAPS}/owner")
        await eventually(lambda: f"{MAPS}/child" not in api.objects)
