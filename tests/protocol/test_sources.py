"""Snapshots of what a server holds."""

import asyncio
from pathlib import Path

from crossfade.controller.sources import ClusterSource
from crossfade_kube.client import Client
from crossfade_kube.core import ConfigMap, Secret
from crossfade_kube.kubeconfig import load_kubeconfig
from crossfade_kube.logging import EventLog
from crossfade_kube.resources import SECRET
from tests.support.api_server import ApiServerProcess


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
