"""Custom resources over the wire: versions, deprecation, and the end of a definition."""

import asyncio

from tests.support.api_process import ApiClient, Json

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
THINGS = "/apis/example.com/{}/namespaces/default/things"
SCHEMA = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}


def _versions(stored: str) -> list[Json]:
    return [
        {"name": name, "served": True, "storage": name == stored, "schema": SCHEMA, "deprecated": name == "v1"}
        for name in ("v1", "v2")
    ]


async def _define(client: ApiClient) -> None:
    names = {"kind": "Thing", "plural": "things"}
    spec = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": _versions("v1")}
    await client.create(CRDS, {"metadata": {"name": "things.example.com"}, "spec": spec})


async def test_objects_stay_readable_when_the_stored_version_changes(client: ApiClient) -> None:
    await _define(client)
    await client.create(
        THINGS.format("v1"), {"metadata": {"name": "old"}, "kind": "Thing", "apiVersion": "example.com/v1"}
    )
    crd = await client.merge(f"{CRDS}/things.example.com", {"spec": {"versions": _versions("v2")}})
    assert crd["status"]["storedVersions"] == ["v1", "v2"]
    for version in ("v1", "v2"):
        assert (await client.get(f"{THINGS.format(version)}/old"))["apiVersion"] == f"example.com/{version}"
        async with asyncio.timeout(10), client.watch(f"{THINGS.format(version)}?watch=1&resourceVersion=1") as events:
            assert (await anext(events))["object"]["apiVersion"] == f"example.com/{version}"


async def test_deprecated_version_warns(client: ApiClient) -> None:
    await _define(client)
    for version, warning in (("v1", '299 - "example.com/v1 Thing is deprecated"'), ("v2", None)):
        async with client.session.get(THINGS.format(version), ssl=client.context) as response:
            assert response.headers.get("Warning") == warning


async def test_definition_waits_for_its_objects(client: ApiClient) -> None:
    await _define(client)
    thing = {"metadata": {"name": "held", "finalizers": ["example.com/hold"]}, "kind": "Thing"}
    await client.create(THINGS.format("v2"), {**thing, "apiVersion": "example.com/v2"})
    async with asyncio.timeout(10), client.watch(f"{CRDS}?watch=1") as crds:
        async with client.watch(f"{THINGS.format('v2')}?watch=1") as things:
            assert (await anext(crds))["type"] == (await anext(things))["type"] == "ADDED"
            assert (await client.send("DELETE", f"{CRDS}/things.example.com"))[0] == 200
            assert (await anext(things))["object"]["metadata"]["deletionTimestamp"]
        assert (await anext(crds))["object"]["metadata"]["deletionTimestamp"]
        await client.merge(f"{THINGS.format('v2')}/held", {"metadata": {"finalizers": None}})
        assert (await anext(crds))["type"] == "DELETED"
    assert await client.send("GET", THINGS.format("v2")) == (404, "404 page not found\n")


async def test_rule_of_the_whole_object_sees_it_when_only_the_status_is_written(client: ApiClient) -> None:
    """As with KongConsumer, which needs a username or a custom_id at its top level."""
    rule = {"rule": "has(self.username) && size(self.username) > 0", "message": "Need to provide username"}
    status = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    properties = {"username": {"type": "string"}, "status": status}
    schema = {"openAPIV3Schema": {"type": "object", "properties": properties, "x-kubernetes-validations": [rule]}}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema, "subresources": {"status": {}}}
    names = {"kind": "Thing", "plural": "things"}
    spec = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [version]}
    await client.create(CRDS, {"metadata": {"name": "things.example.com"}, "spec": spec})
    named = {"metadata": {"name": "named"}, "kind": "Thing", "apiVersion": "example.com/v1", "username": "a"}
    await client.create(THINGS.format("v1"), named)
    thing = await client.merge(f"{THINGS.format('v1')}/named/status", {"status": {"ready": True}})
    assert thing["status"] == {"ready": True}
    assert thing["username"] == "a"
