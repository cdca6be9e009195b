"""Snapshots of what a server holds."""

import asyncio
from pathlib import Path

from crossfade.api.kong.plugin import KongPlugin
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.gateway.compiler import INPUT_FIELDS, INPUT_KINDS, INPUT_SELECTORS, ON_DEMAND
from crossfade.compile.gateway.plugin_protos import proto_files
from crossfade.compile.memo import Memo
from crossfade.compile.policies.grpc_gateway.files import LABEL
from crossfade.controller.sources import ClusterSource
from crossfade_kube.client import Client
from crossfade_kube.core import ConfigMap, Secret
from crossfade_kube.kubeconfig import load_kubeconfig
from crossfade_kube.logging import EventLog
from crossfade_kube.resources import SECRET
from tests.support.api_server import ApiServerProcess
from tests.support.gateway_role import kong_api


async def test_snapshots_follow_the_server(tmp_path: Path) -> None:
    server = ApiServerProcess(tmp_path)
    server.start()
    try:
        async with Client(load_kubeconfig(server.kubeconfig), user_agent="tester/1.0") as client:
            await follow_a_secret(client)
    finally:
        server.kill()


async def follow_a_secret(client: Client) -> None:
    source = ClusterSource(client, [ConfigMap, Secret], log=EventLog("test"))
    running = asyncio.create_task(source.run())
    async with asyncio.timeout(10):
        async for snapshot in source:
            found = snapshot.get(Secret, "default", "key")
            if found is None:
                metadata = {"name": "key", "namespace": "default"}
                await client.create(SECRET, {"metadata": metadata, "stringData": {"key": "kong-secret\n"}})
            elif found.data == {"key": b"kong-secret\n"}:
                await client.delete(SECRET, "key", namespace="default")
                break
        async for snapshot in source:
            if snapshot.get(Secret, "default", "key") is None:
                break
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_proto_files_are_read_when_a_plugin_may_name_one(tmp_path: Path) -> None:
    async with (
        kong_api(tmp_path / "api") as kubeconfig,
        Client(load_kubeconfig(kubeconfig), user_agent="tester/1.0") as client,
        asyncio.timeout(20),
    ):
        await follow_proto_files(client)


async def follow_proto_files(client: Client) -> None:
    labels = {LABEL: "true"}
    for name, labelled in (("protos", labels), ("other", {})):
        metadata = {"name": name, "namespace": "default", "labels": labelled}
        await client.create(ConfigMap.RESOURCE, {"metadata": metadata, "data": {f"{name}.proto": "message M {}"}})
    source = ClusterSource(client, INPUT_KINDS, log=EventLog("test"), selectors=INPUT_SELECTORS, on_demand=ON_DEMAND)
    running = asyncio.create_task(source.run())
    async for snapshot in source:
        found = proto_files(snapshot, Memo(), Diagnostics())
        if snapshot.all(KongPlugin):
            assert found == {"default": {"protos.proto": "message M {}"}}
            break
        assert found == {}
        plugin = {"metadata": {"name": "json", "namespace": "default"}, "plugin": "grpc-gateway"}
        await client.create(KongPlugin.RESOURCE, plugin)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_secrets_that_hold_releases_of_helm_are_not_read(tmp_path: Path) -> None:
    server = ApiServerProcess(tmp_path)
    server.start()
    try:
        async with Client(load_kubeconfig(server.kubeconfig), user_agent="tester/1.0") as client, asyncio.timeout(10):
            for name, kind in (("release", "helm.sh/release.v1"), ("key", "Opaque"), ("token", "example.org/token")):
                metadata = {"name": name, "namespace": "default"}
                await client.create(SECRET, {"metadata": metadata, "type": kind, "stringData": {"a": "b"}})
            source = ClusterSource(client, [Secret], log=EventLog("test"), fields=INPUT_FIELDS)
            running = asyncio.create_task(source.run())
            async for snapshot in source:
                assert {secret.metadata.name for secret in snapshot.all(Secret)} == {"key", "token"}
                break
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
    finally:
        server.kill()
