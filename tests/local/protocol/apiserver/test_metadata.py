"""What of an object's metadata nobody may write, and how that is said."""

from tests.support.api_process import ApiClient

MAPS = "/api/v1/namespaces/default/configmaps"
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
ANOTHER_UID = "11111111-2222-3333-4444-555555555555"


async def test_identity_is_not_changed(client: ApiClient) -> None:
    stored = await client.create(MAPS, {"metadata": {"name": "a"}})
    status, answer = await client.send("PATCH", f"{MAPS}/a", {"metadata": {"uid": ANOTHER_UID}}, content_type=MERGE)
    immutable = f'ConfigMap "a" is invalid: metadata.uid: Invalid value: "{ANOTHER_UID}": field is immutable'
    assert (status, answer["message"]) == (422, immutable)
    named = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "uid": ANOTHER_UID}}
    status, answer = await client.send("PATCH", f"{MAPS}/a?fieldManager=t", named, content_type=APPLY)
    assert (status, answer["message"]) == (422, immutable)
    status, answer = await client.send("PUT", f"{MAPS}/a", {"metadata": {"name": "a", "uid": ANOTHER_UID}})
    assert (status, answer["reason"]) == (409, "Conflict")
    created = {"metadata": {"creationTimestamp": "2020-01-01T00:00:00Z"}}
    status, answer = await client.send("PATCH", f"{MAPS}/a", created, content_type=MERGE)
    assert (status, "metadata.creationTimestamp: Invalid value" in answer["message"]) == (422, True)
    assert await client.get(f"{MAPS}/a") == stored


async def test_an_applied_object_means_the_one_that_it_names(client: ApiClient) -> None:
    stored = await client.create(MAPS, {"metadata": {"name": "a"}})

    async def applied(name: str, **metadata: str) -> tuple[int, str]:
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}}
        status, answer = await client.send("PATCH", f"{MAPS}/{name}?fieldManager=t", body, content_type=APPLY)
        return status, answer.get("message", "")

    status, message = await applied("a", resourceVersion="1")
    assert (status, "the object has been modified" in message) == (409, True)
    assert (await applied("a", resourceVersion=stored["metadata"]["resourceVersion"]))[0] == 200
    assert (await applied("a", uid=stored["metadata"]["uid"]))[0] == 200
    assert await applied("b", uid=ANOTHER_UID) == (
        409,
        (
            'Operation cannot be fulfilled on configmaps "b": uid mismatch: the provided object specified uid '
            f"{ANOTHER_UID}, and no existing object was found"
        ),
    )


async def test_what_is_being_deleted_still_has_its_name(client: ApiClient) -> None:
    await client.create(MAPS, {"metadata": {"name": "a", "finalizers": ["example.com/held"]}})
    await client.send("DELETE", f"{MAPS}/a")
    status, answer = await client.send("POST", MAPS, {"metadata": {"name": "a"}})
    assert (status, answer["message"]) == (409, 'object is being deleted: configmaps "a" already exists')


async def test_labels_that_others_rely_on_stay(client: ApiClient) -> None:
    await client.create("/api/v1/namespaces", {"metadata": {"name": "n", "labels": {"a": "b"}}})
    labels = {"kubernetes.io/metadata.name": "other", "a": "c"}
    changed = await client.merge("/api/v1/namespaces/n", {"metadata": {"labels": labels}})
    assert changed["metadata"]["labels"] == {"kubernetes.io/metadata.name": "n", "a": "c"}
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "a", "image": "b"}]}}
    spec = {"replicas": 0, "selector": {"matchLabels": {"a": "b"}}, "template": template}
    deployments = "/apis/apps/v1/namespaces/default/deployments"
    await client.create(deployments, {"metadata": {"name": "d"}, "spec": spec})
    sneaked = await client.merge(f"{deployments}/d/status", {"metadata": {"labels": {"sneaked": "in"}}})
    assert "labels" not in sneaked["metadata"]


async def test_a_version_that_is_none_is_a_bad_request(client: ApiClient) -> None:
    for path in (MAPS, f"{MAPS}/kube-root-ca.crt"):
        status, answer = await client.send("GET", f"{path}?resourceVersion=-1")
        assert (status, answer["reason"]) == (400, "BadRequest"), path
    status, _ = await client.send("GET", f"{MAPS}?watch=true&resourceVersion=-1")
    assert status == 500


async def test_a_name_wins_over_one_that_would_be_made(client: ApiClient) -> None:
    both = {"metadata": {"name": "a", "generateName": "a-"}}
    assert (await client.create(MAPS, both))["metadata"]["name"] == "a"
    status, answer = await client.send("POST", MAPS, both)
    assert (status, answer["message"]) == (409, 'configmaps "a" already exists')
    made = await client.create(MAPS, {"metadata": {"generateName": "a-"}})
    assert made["metadata"]["name"].startswith("a-")
