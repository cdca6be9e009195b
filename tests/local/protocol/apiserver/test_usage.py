"""`metrics.k8s.io`: what the kubelet tells of its containers, under the names and labels of their pods."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.support.api_process import ApiClient

PODS = "/apis/metrics.k8s.io/v1beta1/namespaces/default/pods"
NODES = "/apis/metrics.k8s.io/v1beta1/nodes"


@pytest.fixture
async def usage(tmp_path: Path) -> AsyncIterator[dict[str, Any]]:
    """What the pretended kubelet reports."""
    node = {"nanocores": 500_000_000, "memory": 1 << 30, "window": 15.25}
    content: dict[str, Any] = {"time": 1_700_000_000.5, "node": node, "pods": []}

    async def report(_request: web.Request) -> web.Response:
        return web.json_response(content)

    app = web.Application()
    app.router.add_get("/usage", report)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.UnixSite(runner, str(tmp_path / "kubelet.sock")).start()
    yield content
    await runner.cleanup()


async def make_pod(client: ApiClient, usage: dict[str, Any], name: str) -> None:
    spec = {"containers": [{"name": "app", "image": "jazz"}], "serviceAccountName": "default"}
    body = {"metadata": {"name": name, "labels": {"app": name}}, "spec": spec}
    made = await client.create("/api/v1/namespaces/default/pods", body)
    containers = [
        {"name": "app", "nanocores": 1_234_567, "memory": 3 << 20},
        {"name": "proxy", "nanocores": 0, "memory": 5000},
    ]
    usage["pods"].append({"uid": made["metadata"]["uid"], "window": 2.5, "containers": containers})


async def test_pods(client: ApiClient, usage: dict[str, Any]) -> None:
    await client.create("/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "default"}})
    for name in ("jazz", "metal"):
        await make_pod(client, usage, name)
    status, found = await client.send("GET", f"{PODS}/jazz")
    assert status == 200
    moment = "2023-11-14T22:13:20Z"
    assert found == {
        "kind": "PodMetrics",
        "apiVersion": "metrics.k8s.io/v1beta1",
        "metadata": {
            "name": "jazz", "namespace": "default", "labels": {"app": "jazz"}, "creationTimestamp": moment,
        },
        "timestamp": moment,
        "window": "2.5s",
        "containers": [
            {"name": "app", "usage": {"cpu": "1234567n", "memory": "3Mi"}},
            {"name": "proxy", "usage": {"cpu": "0", "memory": "4Ki"}},
        ],
    }  # fmt: skip
    for path, names in (
        (PODS, ["jazz", "metal"]),
        ("/apis/metrics.k8s.io/v1beta1/pods?labelSelector=app%3Dmetal", ["metal"]),
        (f"{PODS}?fieldSelector=metadata.name%3Djazz", ["jazz"]),
        (f"{PODS.replace('default', 'other')}", []),
    ):
        status, found = await client.send("GET", path)
        assert (status, found["kind"]) == (200, "PodMetricsList")
        assert [item["metadata"]["name"] for item in found["items"]] == names
    status, found = await client.send("GET", f"{PODS}/blues")
    assert (status, found["message"]) == (404, 'podmetrics.metrics.k8s.io "default/blues" not found')


async def test_nodes(client: ApiClient, usage: dict[str, Any]) -> None:
    await client.create("/api/v1/nodes", {"metadata": {"name": "here"}})
    _, found = await client.send("GET", NODES)
    (item,) = found["items"]
    assert (item["usage"], item["window"]) == ({"cpu": "500m", "memory": "1Gi"}, "15.25s")
    usage["node"] = None
    status, found = await client.send("GET", f"{NODES}/here")
    assert (status, found["message"]) == (404, 'nodemetrics.metrics.k8s.io "here" not found')


async def test_without_a_kubelet_it_is_unavailable(client: ApiClient) -> None:
    status, found = await client.send("GET", PODS)
    assert (status, found["reason"]) == (503, "ServiceUnavailable")


async def test_nothing_is_written_there(client: ApiClient, usage: dict[str, Any]) -> None:
    assert not usage["pods"]
    status, _ = await client.send("POST", PODS, {"metadata": {"name": "x"}})
    assert status == 405
    assert (await client.send("GET", f"{PODS}?watch=true"))[0] == 405


async def test_whoever_may_view_sees_usage(client: ApiClient) -> None:
    _, role = await client.send("GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles/view")
    rule = {"apiGroups": ["metrics.k8s.io"], "resources": ["pods", "nodes"], "verbs": ["get", "list", "watch"]}
    assert rule in role["rules"]
