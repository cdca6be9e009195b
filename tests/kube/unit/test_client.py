import pytest

from crossfade_kube.client import Client
from crossfade_kube.errors import (
    AlreadyExists,
    ApiUnreachable,
    BadRequest,
    Conflict,
    Expired,
    NotFound,
    TooManyRequests,
)
from crossfade_kube.kubeconfig import ClusterConfig
from crossfade_kube.paths import path_of, query_of
from crossfade_kube.resources import CONFIG_MAP, NAMESPACE, POD, REPLICA_SET
from tests.support.fake_api import FakeApi, serving

MAPS = "/api/v1/namespaces/prod/configmaps"


def _map(name: str, **data: str) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "prod"}, "data": data}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (path_of(POD), "/api/v1/pods"),
        (path_of(POD, namespace="prod"), "/api/v1/namespaces/prod/pods"),
        (path_of(POD, namespace="prod", name="a", subresource="status"), "/api/v1/namespaces/prod/pods/a/status"),
        (path_of(NAMESPACE, name="prod", namespace="ignored"), "/api/v1/namespaces/prod"),
        (path_of(REPLICA_SET, namespace="prod", name="a"), "/apis/apps/v1/namespaces/prod/replicasets/a"),
        (path_of(POD, namespace="prod", name="a/../b"), "/api/v1/namespaces/prod/pods/a%2F..%2Fb"),
    ],
)
def test_paths(path: str, expected: str) -> None:
    assert path == expected


def test_a_namespaced_object_needs_its_namespace() -> None:
    with pytest.raises(ValueError, match="namespace and name"):
        path_of(POD, name="a")


def test_query_leaves_out_what_is_unset() -> None:
    assert query_of(field_manager="me", force=True, label_selector=None, limit=5) == {
        "fieldManager": "me",
        "force": "true",
        "limit": "5",
    }


async def test_objects_go_in_and_out() -> None:
    api = FakeApi()
    async with serving(api) as url, Client(ClusterConfig(server=url), user_agent="tester") as client:
        created = await client.create(CONFIG_MAP, _map("a", x="1"))
        assert (await client.get(CONFIG_MAP, "a", namespace="prod"))["data"] == {"x": "1"}
        created["data"] = {"x": "2"}
        stored = await client.replace(CONFIG_MAP, created)
        assert stored["data"] == {"x": "2"}
        with pytest.raises(Conflict) as conflict:
            await client.replace(CONFIG_MAP, created)
        assert not isinstance(conflict.value, AlreadyExists)
        with pytest.raises(AlreadyExists):
            await client.create(CONFIG_MAP, _map("a"))
        await client.delete(CONFIG_MAP, "a", namespace="prod")
        with pytest.raises(NotFound) as missing:
            await client.get(CONFIG_MAP, "a", namespace="prod")
        assert (missing.value.code, missing.value.reason, missing.value.message) == (404, "NotFound", "it is NotFound")
    assert {headers["User-Agent"] for _, _, _, headers in api.requests} == {"tester"}


async def test_list_follows_pages_and_completes_items() -> None:
    api = FakeApi()
    api.page_size = 2
    for name in "abcde":
        api.put(f"{MAPS}/{name}", {"metadata": {"labels": {"app": "x"}}, "data": {}})
    async with serving(api) as url, Client(ClusterConfig(server=url)) as client:
        found = await client.list(CONFIG_MAP, namespace="prod", label_selector="app=x")
    assert [item["metadata"]["name"] for item in found.items] == list("abcde")
    assert {(item["apiVersion"], item["kind"]) for item in found.items} == {("v1", "ConfigMap")}
    assert found.resource_version == "5"
    assert [query["labelSelector"] for _, _, query, _ in api.requests] == ["app=x"] * 3


async def test_list_starts_over_when_a_page_expired() -> None:
    api = FakeApi()
    api.page_size = 1
    api.put(f"{MAPS}/a", {})
    api.put(f"{MAPS}/b", {})
    async with serving(api) as url, Client(ClusterConfig(server=url)) as client:
        expired = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}
        first = {"metadata": {"continue": "x", "resourceVersion": "1"}, "items": [{"metadata": {"name": "old"}}]}
        api.answers = [(200, first, {}), (410, expired, {})]
        found = await client.list(CONFIG_MAP, namespace="prod")
    assert [item["metadata"]["name"] for item in found.items] == ["a", "b"]


async def test_watch_yields_events_and_raises_expired() -> None:
    api = FakeApi()
    api.events_per_watch = 2
    api.put(f"{MAPS}/a", {"data": {"text": "x" * 300_000}})
    api.put(f"{MAPS}/a", {"data": {"text": "ü"}})
    async with serving(api) as url, Client(ClusterConfig(server=url)) as client:
        events = [event async for event in client.watch(CONFIG_MAP, resource_version="0")]
        assert [(event.type, len(event.object["data"]["text"])) for event in events] == [
            ("ADDED", 300_000),
            ("MODIFIED", 1),
        ]
        api.compact()
        with pytest.raises(Expired):
            _ = [event async for event in client.watch(CONFIG_MAP, resource_version="1")]


async def test_silence_of_a_watch_counts_as_a_dead_connection() -> None:
    api = FakeApi()
    async with serving(api) as url, Client(ClusterConfig(server=url)) as client:
        with pytest.raises(ApiUnreachable, match="watch"):
            _ = [event async for event in client.watch(CONFIG_MAP, resource_version="0", inactivity_s=0.05)]


async def test_repeats_only_what_is_safe() -> None:
    api = FakeApi()
    busy = {"kind": "Status", "code": 429, "reason": "TooManyRequests", "message": "later"}
    down = {"kind": "Status", "code": 503, "reason": "ServiceUnavailable", "message": "down"}
    async with serving(api) as url, Client(ClusterConfig(server=url)) as client:
        api.answers = [(429, busy, {"Retry-After": "0"}), (429, busy, {})]
        await client.create(CONFIG_MAP, _map("a"))
        assert len(api.requests) == 3
        api.answers = [(503, down, {"Retry-After": "0"})]
        await client.get(CONFIG_MAP, "a", namespace="prod")
        api.answers = [(503, down, {"Retry-After": "0"})]
        with pytest.raises(Exception, match="down"):
            await client.create(CONFIG_MAP, _map("b"))
        api.answers = [(429, busy, {"Retry-After": "3600"})]
        with pytest.raises(TooManyRequests):
            await client.get(CONFIG_MAP, "a", namespace="prod")


async def test_errors_without_a_status_object_keep_their_text() -> None:
    api = FakeApi()
    async with serving(api) as url, Client(ClusterConfig(server=url)) as client:
        api.answers = [(400, {"oops": "not a Status"}, {})]
        with pytest.raises(BadRequest, match="not a Status"):
            await client.get(CONFIG_MAP, "a", namespace="prod")


async def test_nobody_listening(unused_tcp_port: int) -> None:
    async with Client(ClusterConfig(server=f"http://127.0.0.1:{unused_tcp_port}")) as client:
        with pytest.raises(ApiUnreachable, match="POST"):
            await client.create(CONFIG_MAP, _map("a"))
