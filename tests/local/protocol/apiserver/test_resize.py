"""Resources of a pod's containers are changed through its subresource `resize`, and nothing else is."""

from typing import Any

import pytest

from tests.support.api_process import ApiClient, Json

PODS = "/api/v1/namespaces/default/pods"
ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"
MERGE = "application/strategic-merge-patch+json"
BURSTABLE = {"limits": {"cpu": "200m", "memory": "64Mi"}, "requests": {"cpu": "100m"}}


def container(name: str = "a", image: str = "b:1", **resources: Any) -> Json:
    return {"name": name, "image": image, "resources": resources or BURSTABLE}


async def create_pod(client: ApiClient, **spec: Any) -> Json:
    await client.create(ACCOUNTS, {"metadata": {"name": "default"}})
    return await client.create(PODS, {"metadata": {"name": "p"}, "spec": {"containers": [container()], **spec}})


async def resize(client: ApiClient, *containers: Json, **spec: Any) -> tuple[int, Json]:
    patch = {"spec": {**({"containers": list(containers)} if containers else {}), **spec}}
    return await client.send("PATCH", f"{PODS}/p/resize", patch, content_type=MERGE)


async def test_resources_are_changed_and_count_as_a_new_generation(client: ApiClient) -> None:
    before = await create_pod(client)
    larger = {"limits": {"cpu": "300m"}, "requests": {"cpu": "150m", "memory": "32Mi"}}
    status, answer = await resize(client, container(**larger))
    assert status == 200, answer
    stored = await client.get(f"{PODS}/p")
    assert stored["spec"]["containers"][0]["resources"] == {
        "limits": {"cpu": "300m", "memory": "64Mi"},
        "requests": {"cpu": "150m", "memory": "32Mi"},
    }
    assert stored["metadata"]["generation"] == before["metadata"]["generation"] + 1


async def test_a_whole_object_is_taken_too_and_what_else_is_in_it_stays_as_it_was(client: ApiClient) -> None:
    pod = await create_pod(client)
    pod["spec"]["containers"][0] |= container(image="other:2", limits={"cpu": "1"}, requests={"cpu": "500m"})
    pod["spec"]["containers"][0]["resources"]["limits"]["memory"] = "64Mi"
    pod["spec"]["containers"][0]["resources"]["requests"]["memory"] = "64Mi"
    pod["metadata"]["labels"] = {"new": "label"}
    status, answer = await client.send("PUT", f"{PODS}/p/resize", pod)
    assert status == 200, answer
    stored = await client.get(f"{PODS}/p")
    assert stored["spec"]["containers"][0]["resources"]["limits"]["cpu"] == "1"
    assert stored["spec"]["containers"][0]["image"] == "b:1"
    assert "labels" not in stored["metadata"]


async def test_what_changes_nothing_passes(client: ApiClient) -> None:
    await create_pod(client)
    assert (await resize(client, container(limits={"cpu": "0.2"})))[0] == 200
    assert (await client.get(f"{PODS}/p"))["spec"]["containers"][0]["resources"]["limits"]["cpu"] == "200m"


@pytest.mark.parametrize(
    ("resources", "field", "message"),
    [
        ({"limits": {"cpu": "100m"}, "requests": {"cpu": "150m"}}, "spec.containers[0].resources.requests", "must be"),
        ({"limits": {"memory": None}}, "spec.containers[0].resources.limits", "cannot be removed"),
        (
            {"limits": {"ephemeral-storage": "1Gi"}},
            "spec.containers[0].resources.limits",
            "only cpu and memory resources are mutable",
        ),
        (
            {"limits": {"cpu": "200m", "memory": "64Mi"}, "requests": {"cpu": "200m", "memory": "64Mi"}},
            "spec",
            "QOS Class may not change",
        ),
    ],
)
async def test_what_may_not_change(client: ApiClient, resources: Json, field: str, message: str) -> None:
    await create_pod(client)
    status, answer = await resize(client, container(**resources))
    assert status == 422
    causes = [(cause["field"], cause["message"]) for cause in answer["details"]["causes"]]
    assert any(at == field and message in said for at, said in causes), causes


async def test_init_containers_are_resized_where_they_stay(client: ApiClient) -> None:
    init = [container("once", **BURSTABLE), {**container("stays", **BURSTABLE), "restartPolicy": "Always"}]
    await create_pod(client, initContainers=init)
    assert (await resize(client, initContainers=[container("stays", limits={"cpu": "300m"})]))[0] == 200
    status, answer = await resize(client, initContainers=[container("once", limits={"cpu": "300m"})])
    assert status == 422
    assert answer["details"]["causes"][0]["field"] == "spec.initContainers[0].resources"


async def test_pods_that_have_ended_are_not_resized(client: ApiClient) -> None:
    await create_pod(client)
    ended = {"status": {"phase": "Failed"}}
    assert (await client.send("PATCH", f"{PODS}/p/status", ended, content_type=MERGE))[0] == 200
    status, answer = await resize(client, container(limits={"cpu": "300m"}))
    assert status == 422
    assert "the pod has ended" in answer["message"]


async def test_limit_ranges_and_quotas_count(client: ApiClient) -> None:
    namespace = "/api/v1/namespaces/default"
    most = {"limits": [{"type": "Container", "max": {"cpu": "500m"}}]}
    await client.create(f"{namespace}/limitranges", {"metadata": {"name": "l"}, "spec": most})
    await client.create(
        f"{namespace}/resourcequotas", {"metadata": {"name": "q"}, "spec": {"hard": {"limits.cpu": "400m"}}}
    )
    await create_pod(client)
    status, answer = await resize(client, container(limits={"cpu": "600m"}))
    assert (status, "maximum cpu usage per Container is 500m" in answer["message"]) == (403, True), answer
    status, answer = await resize(client, container(limits={"cpu": "450m"}))
    assert (status, "exceeded quota: q, requested: limits.cpu=250m" in answer["message"]) == (403, True), answer
    assert (await resize(client, container(limits={"cpu": "400m"})))[0] == 200


@pytest.mark.parametrize(
    ("policy", "restart", "message"),
    [
        ({"resourceName": "disk", "restartPolicy": "NotRequired"}, "Always", 'Unsupported value: "disk"'),
        ({"resourceName": "cpu", "restartPolicy": "Perhaps"}, "Always", 'Unsupported value: "Perhaps"'),
        ({"resourceName": "cpu", "restartPolicy": "RestartContainer"}, "Never", "must be 'NotRequired'"),
    ],
)
async def test_policies_that_cannot_be(client: ApiClient, policy: Json, restart: str, message: str) -> None:
    await client.create(ACCOUNTS, {"metadata": {"name": "default"}})
    spec = {"restartPolicy": restart, "containers": [{**container(), "resizePolicy": [policy]}]}
    status, answer = await client.send("POST", PODS, {"metadata": {"name": "p"}, "spec": spec})
    assert status == 422
    (cause,) = answer["details"]["causes"]
    assert cause["field"] == "spec.containers[0].resizePolicy"
    assert message in cause["message"]
