"""The gateway's webhook keeps its registration complete, whoever writes it."""

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from crossfade.controller.gateway.settings import WebhookSettings
from crossfade.controller.gateway.webhook import serve_webhook
from crossfade.store.snapshot import Snapshot
from crossfade_kube.client import Client
from crossfade_kube.errors import NotFound
from crossfade_kube.kubeconfig import load_kubeconfig
from crossfade_kube.meta import JsonObject, NamespacedName
from crossfade_kube.resources import SECRET, VALIDATING_WEBHOOK_CONFIGURATION
from tests.support.api_server import ApiServerProcess
from tests.support.ports import free_ports

KIND = VALIDATING_WEBHOOK_CONFIGURATION
WITHIN_S = 60.0


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    process = ApiServerProcess(tmp_path)
    process.start()
    async with Client(load_kubeconfig(process.kubeconfig), user_agent="tester/1.0") as made:
        yield made
    process.kill()


def registration() -> JsonObject:
    service = {"name": "hooks", "namespace": "default"}
    webhook = {
        "name": "hooks.example.com",
        "clientConfig": {"service": service},
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "rules": [],
    }
    return {"metadata": {"name": "hooks"}, "webhooks": [webhook]}


async def bundle(client: Client) -> bytes:
    try:
        (webhook,) = (await client.get(KIND, "hooks"))["webhooks"]
    except NotFound:
        return b""
    return base64.b64decode(webhook["clientConfig"].get("caBundle", ""))


async def until_complete(client: Client) -> None:
    async with asyncio.timeout(WITHIN_S):
        while True:
            if found := await bundle(client):
                secret = await client.get(SECRET, "hooks", namespace="default")
                assert found == base64.b64decode(secret["data"]["ca.crt"])
                return
            await asyncio.sleep(0.01)


async def test_a_registration_is_completed_whenever_it_comes_without_an_authority(client: Client) -> None:
    settings = WebhookSettings(free_ports(1)[0], "hooks", NamespacedName("default", "hooks"))
    serving = asyncio.create_task(serve_webhook(client, settings, lambda: Snapshot(0, {}), "kong"))
    try:
        await client.create(KIND, registration())
        await until_complete(client)
        found = await client.get(KIND, "hooks")
        version = {"resourceVersion": found["metadata"]["resourceVersion"]}
        await client.replace(KIND, registration() | {"metadata": {"name": "hooks", **version}})
        await until_complete(client)
        await client.delete(KIND, "hooks")
        await client.create(KIND, registration())
        await until_complete(client)
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
