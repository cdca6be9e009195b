"""Webhooks are asked over TLS, by URL or through a Service's ready endpoint; a write overtaken meanwhile is redone."""

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from crossfade_local.apiserver.admission.webhook_client import CallError, WebhookClient
from crossfade_local.apiserver.state.database import Database
from crossfade_local.apiserver.state.storage import Storage
from tests.support.api_process import ApiClient, Json
from tests.support.certificates import self_signed
from tests.support.tls import issue

MAPS = "/api/v1/namespaces/default/configmaps"
CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
Respond = Callable[[Json], Awaitable[Json]]


class Hook:
    """A running webhook server; what it answers may be exchanged."""

    def __init__(self, port: int, certificate: bytes) -> None:
        self.port = port
        self.bundle = base64.b64encode(certificate).decode()
        self.requests: list[Json] = []
        self.respond: Respond = self.allow

    @staticmethod
    async def allow(_: Json) -> Json:
        return {"allowed": True}

    async def register(self, client: ApiClient, **fields: Any) -> None:
        rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["configmaps"]}
        webhook = {
            "name": "hook.example.com",
            "clientConfig": {"url": f"https://127.0.0.1:{self.port}/", "caBundle": self.bundle},
            "rules": [rule],
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            **fields,
        }
        await client.create(CONFIGURATIONS, {"metadata": {"name": "hook"}, "webhooks": [webhook]})


@asynccontextmanager
async def serving(folder: Path, certificate: bytes, key: bytes) -> AsyncIterator[Hook]:
    (folder / "hook.pem").write_bytes(key + certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "hook.pem")

    async def serve(request: web.BaseRequest) -> web.Response:
        review = await request.json()
        hook.requests.append(review["request"])
        response = {"uid": review["request"]["uid"], **await hook.respond(review["request"])}
        return web.json_response({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response})

    runner = web.ServerRunner(web.Server(serve))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    hook = Hook(runner.addresses[0][1], certificate)
    yield hook
    await runner.cleanup()


@pytest.fixture
async def hook(tmp_path: Path) -> AsyncIterator[Hook]:
    pair = issue("hook")
    async with serving(tmp_path, pair.certificate_pem, pair.key_pem) as found:
        yield found


def _patch(*operations: Json) -> Json:
    encoded = base64.b64encode(json.dumps(operations).encode()).decode()
    return {"allowed": True, "patchType": "JSONPatch", "patch": encoded}


async def test_webhook_changes_what_is_stored(client: ApiClient, hook: Hook) -> None:
    async def add(_: Json) -> Json:
        return _patch({"op": "add", "path": "/data", "value": {"by": "hook"}})

    hook.respond = add
    await hook.register(client)
    assert (await client.create(MAPS, {"metadata": {"name": "a"}}))["data"] == {"by": "hook"}
    request = hook.requests[0]
    assert request["kind"] == {"group": "", "version": "v1", "kind": "ConfigMap"}
    assert (request["namespace"], request["name"], request["operation"]) == ("default", "a", "CREATE")
    assert "system:masters" in request["userInfo"]["groups"]


@pytest.mark.parametrize(("policy", "status"), [("Fail", 500), ("Ignore", 201)])
async def test_failure_policy_decides(client: ApiClient, hook: Hook, policy: str, status: int) -> None:
    hook.bundle = base64.b64encode(issue("other").certificate_pem).decode()
    await hook.register(client, failurePolicy=policy)
    code, answer = await client.send("POST", MAPS, {"metadata": {"name": "a"}})
    assert code == status
    assert hook.requests == []
    if policy == "Fail":
        assert 'failed calling webhook "hook.example.com"' in answer["message"]
        assert "failed to verify certificate" in answer["message"]


@pytest.mark.parametrize(("expression", "calls"), [("object.metadata.name == 'a'", 1), ("request.name != 'a'", 0)])
async def test_match_conditions_choose(client: ApiClient, hook: Hook, expression: str, calls: int) -> None:
    await hook.register(client, matchConditions=[{"name": "only", "expression": expression}])
    await client.create(MAPS, {"metadata": {"name": "a"}})
    assert len(hook.requests) == calls


@pytest.mark.parametrize(("policy", "status"), [("Fail", 403), ("Ignore", 201)])
async def test_condition_that_fails_follows_the_policy(client: ApiClient, hook: Hook, policy: str, status: int) -> None:
    expression = "object.data.absent == 'a'"
    await hook.register(client, failurePolicy=policy, matchConditions=[{"name": "only", "expression": expression}])
    code, answer = await client.send("POST", MAPS, {"metadata": {"name": "a"}, "data": {"b": "c"}})
    assert code == status
    assert hook.requests == []
    if policy == "Fail":
        why = f"expression '{expression}' resulted in error: no such key: absent"
        assert answer["message"] == f'configmaps "a" is forbidden: {why}'


async def test_condition_is_compiled_when_it_is_stored(client: ApiClient, hook: Hook) -> None:
    with pytest.raises(
        AssertionError, match=r"webhooks\[0\]\.matchConditions\[0\]\.expression: Invalid value.*undeclared"
    ):
        await hook.register(client, matchConditions=[{"name": "only", "expression": "self == 1"}])


async def test_write_overtaken_while_the_webhook_thinks_is_done_again(client: ApiClient, hook: Hook) -> None:
    await client.create(MAPS, {"metadata": {"name": "a"}, "data": {"x": "1"}})
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def wait(request: Json) -> Json:
        if "slow" in request["object"]["data"] and not asked.is_set():
            asked.set()
            await go_on.wait()
        return {"allowed": True}

    hook.respond = wait
    await hook.register(client)
    slow = asyncio.create_task(client.merge(f"{MAPS}/a", {"data": {"slow": "1"}}))
    async with asyncio.timeout(10):
        await asked.wait()
        await client.merge(f"{MAPS}/a", {"data": {"x": "2"}})
        go_on.set()
        assert (await slow)["data"] == {"slow": "1", "x": "2"}
    slow_calls = [request for request in hook.requests if request["object"]["data"].get("slow")]
    assert len(slow_calls) == 2


async def test_service_is_resolved_to_a_ready_endpoint(tmp_path: Path) -> None:
    """In-process: the API refuses loopback addresses in EndpointSlices."""
    pair = self_signed("hook.default.svc")
    storage = Storage(Database(None))
    client = WebhookClient(storage)
    async with serving(tmp_path, pair.certificate.encode(), pair.key.encode()) as hook:
        reference = {"name": "hook", "namespace": "default", "path": "/mutate", "port": 8443}
        webhook = {"clientConfig": {"service": reference, "caBundle": hook.bundle}}
        review = {"request": {"uid": "1"}}
        with pytest.raises(CallError, match='service "hook" not found'):
            await client.call(webhook, review)
        ports = [{"name": "other", "port": 443}, {"name": "web", "port": 8443}]
        service = {"metadata": {"name": "hook"}, "spec": {"ports": ports}}
        await storage.create("/services", "default", "hook", service)
        with pytest.raises(CallError, match='no endpoints available for service "hook"'):
            await client.call(webhook, review)
        await storage.create(
            "discovery.k8s.io/endpointslices",
            "default",
            "hook-1",
            {
                "metadata": {"name": "hook-1", "labels": {"kubernetes.io/service-name": "hook"}},
                "endpoints": [
                    {"addresses": ["127.0.0.2"], "conditions": {"ready": False}},
                    {"addresses": ["127.0.0.1"], "conditions": {"ready": True}},
                ],
                "ports": [{"name": "other", "port": 1}, {"name": "web", "port": hook.port}],
            },
        )
        assert (await client.call(webhook, review))["response"]["allowed"] is True
    await client.close()
    storage.close()
