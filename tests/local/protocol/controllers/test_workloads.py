"""Deployments and ReplicaSets as users see them."""

import asyncio
from collections import Counter
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from crossfade_kube.resources import DEPLOYMENT, EVENT, JOB, POD, REPLICA_SET, SERVICE_ACCOUNT
from crossfade_kube.resources import REPLICATION_CONTROLLER as RC
from crossfade_local.controllers.jobs.pods import FINALIZER
from tests.local.protocol.controllers.conftest import Bed, running
from tests.support.api_server import ApiServerProcess


async def test_a_deployment_rolls_forward_and_back(bed: Bed) -> None:
    await bed.deploy("jazz", replicas=2)
    await bed.rolled_out("jazz")
    await bed.set_image("jazz", "example.com/a:v2")
    await bed.rolled_out("jazz")
    assert await bed.images() == {"example.com/a:v2": 2}
    await bed.set_image("jazz", "example.com/a:v1")
    back = await bed.rolled_out("jazz")
    assert await bed.images() == {"example.com/a:v1": 2}
    assert back["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"
    assert len(await bed.all(REPLICA_SET)) == 2
    first = min(await bed.messages("ScalingReplicaSet"))
    assert first.startswith("Scaled down replica set jazz-")
    assert await bed.messages("SuccessfulCreate")


async def test_a_rolling_update_keeps_its_bounds(bed: Bed) -> None:
    bounds = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    await bed.deploy("jazz", replicas=4, strategy=bounds)
    await bed.rolled_out("jazz")
    version = (await bed.client.list(POD)).resource_version
    old = {pod["metadata"]["name"] for pod in await bed.pods()}
    ready, active = set(old), set(old)
    fewest, most = len(ready), len(active)
    await bed.set_image("jazz", "example.com/a:v2")
    watch = bed.client.watch(POD, namespace=bed.namespace, resource_version=version)
    async with asyncio.timeout(20), aclosing(watch) as events:
        async for event in events:
            metadata = event.object["metadata"]
            goes = event.type == "DELETED" or "deletionTimestamp" in metadata
            conditions = {item["type"]: item["status"] for item in event.object["status"].get("conditions", ())}
            (active.discard if goes else active.add)(metadata["name"])
            (ready.add if conditions.get("Ready") == "True" and not goes else ready.discard)(metadata["name"])
            fewest, most = min(fewest, len(ready)), max(most, len(active))
            if len(ready) == 4 and not old & active:
                break
    assert fewest == 4
    assert most == 5


async def test_a_version_that_does_not_start_leaves_the_old_one_serving(bed: Bed) -> None:
    await bed.deploy("jazz", replicas=2, progressDeadlineSeconds=1)
    await bed.rolled_out("jazz")
    await bed.set_image("jazz", "example.com/broken:v2")

    async def given_up() -> bool:
        found = await bed.get(DEPLOYMENT, "jazz")
        conditions = {item["type"]: item for item in (found or {})["status"]["conditions"]}
        assert conditions["Available"]["status"] == "True"
        return conditions["Progressing"]["reason"] == "ProgressDeadlineExceeded"

    await bed.until(given_up, "the progress deadline")
    assert await bed.images() == {"example.com/a:v1": 2, "example.com/broken:v2": 1}
    await bed.set_image("jazz", "example.com/a:v1")
    await bed.rolled_out("jazz")
    assert await bed.images() == {"example.com/a:v1": 2}


async def test_recreate_never_runs_two_versions(bed: Bed) -> None:
    await bed.deploy("jazz", replicas=2, strategy={"type": "Recreate"})
    await bed.rolled_out("jazz")
    version = (await bed.client.list(POD)).resource_version
    old = {pod["metadata"]["name"] for pod in await bed.pods()}
    await bed.set_image("jazz", "example.com/a:v2")
    new = 0
    watch = bed.client.watch(POD, namespace=bed.namespace, resource_version=version)
    async with asyncio.timeout(20), aclosing(watch) as events:
        async for event in events:
            if event.type == "DELETED":
                old.discard(event.object["metadata"]["name"])
            elif event.type == "ADDED":
                assert not old, "a new pod was made while old ones were running"
                new += 1
            if new == 2:
                break
    await bed.rolled_out("jazz")


async def test_pausing_holds_changes_back(bed: Bed) -> None:
    await bed.deploy("jazz")
    await bed.rolled_out("jazz")
    await bed.patch(DEPLOYMENT, "jazz", {"spec": {"paused": True}})
    await bed.set_image("jazz", "example.com/a:v2")
    await bed.patch(DEPLOYMENT, "jazz", {"spec": {"replicas": 3}})

    async def is_sized() -> bool:
        return await bed.images() == {"example.com/a:v1": 3}

    await bed.until(is_sized, "scaling while paused")
    await bed.patch(DEPLOYMENT, "jazz", {"spec": {"paused": False}})
    await bed.rolled_out("jazz")
    assert await bed.images() == {"example.com/a:v2": 3}


async def test_old_revisions_are_forgotten(bed: Bed) -> None:
    await bed.deploy("jazz", revisionHistoryLimit=1)
    for number in range(2, 5):
        await bed.rolled_out("jazz")
        await bed.set_image("jazz", f"example.com/a:v{number}")
    await bed.rolled_out("jazz")

    async def is_tidy() -> bool:
        return len(await bed.all(REPLICA_SET)) == 2

    await bed.until(is_tidy, "old ReplicaSets to go")


async def test_orphans_are_adopted_and_strangers_released(bed: Bed) -> None:
    stray = {
        "metadata": {"name": "stray", "labels": {"app": "jazz"}},
        "spec": {"containers": [{"name": "c", "image": "x"}]},
    }
    await bed.create(POD, stray)
    spec = {
        "replicas": 1,
        "selector": {"matchLabels": {"app": "jazz"}},
        "template": {**stray, "metadata": {"labels": {"app": "jazz"}}},
    }
    await bed.create(REPLICA_SET, {"metadata": {"name": "jazz"}, "spec": spec})

    async def is_adopted() -> bool:
        return [pod["metadata"].get("ownerReferences", [{}])[0].get("name") for pod in await bed.pods()] == ["jazz"]

    await bed.until(is_adopted, "the pod to be adopted")
    await bed.patch(POD, "stray", {"metadata": {"labels": {"app": "other"}}})

    async def is_replaced() -> bool:
        owners = Counter(bool(pod["metadata"].get("ownerReferences")) for pod in await bed.pods())
        return owners == {True: 1, False: 1}

    await bed.until(is_replaced, "the pod to be released and replaced")


async def test_a_replication_controller_keeps_pods(bed: Bed) -> None:
    labels = {"app": "jazz"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "example.com/a:v1"}]}}
    made = await bed.create(RC, {"metadata": {"name": "jazz"}, "spec": {"replicas": 2, "template": template}})
    assert (made["spec"]["selector"], made["metadata"]["labels"]) == (labels, labels)

    async def has(count: int) -> bool:
        status = (await bed.get(RC, "jazz") or {}).get("status") or {}
        counts = [status.get(key) for key in ("replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas")]
        owners = [pod["metadata"].get("ownerReferences", [{}])[0].get("kind") for pod in await bed.pods()]
        return counts == [count] * 4 and owners == ["ReplicationController"] * count

    await bed.until(partial(has, 2), "two pods")
    scale = await bed.client.patch(RC, "jazz", {"spec": {"replicas": 3}}, namespace=bed.namespace, subresource="scale")
    assert (scale["kind"], scale["status"]["selector"]) == ("Scale", "app=jazz")
    await bed.until(partial(has, 3), "a third pod")
    status = (await bed.get(RC, "jazz") or {})["status"]
    assert status["observedGeneration"] == 2
    assert "terminatingReplicas" not in status

    async def is_told() -> bool:
        events = [event for event in await bed.all(EVENT) if event["reason"] == "SuccessfulCreate"]
        return {event["source"]["component"] for event in events} == {"replication-controller"} and len(events) == 3

    await bed.until(is_told, "an Event for each pod")
    await bed.client.delete(RC, "jazz", namespace=bed.namespace)

    async def is_orphaned() -> bool:
        owners = [pod["metadata"].get("ownerReferences") for pod in await bed.pods()]
        return await bed.get(RC, "jazz") is None and owners == [None] * 3

    await bed.until(is_orphaned, "the pods to stay behind")
    # A new one adopts them, and takes them along when it is asked to.
    await bed.create(RC, {"metadata": {"name": "jazz"}, "spec": {"replicas": 3, "template": template}})
    await bed.until(partial(has, 3), "the pods to be adopted")
    await bed.client.delete(RC, "jazz", namespace=bed.namespace, propagation_policy="Background")

    async def are_gone() -> bool:
        return not await bed.pods()

    await bed.until(are_gone, "the pods to be collected")


async def test_a_refused_pod_is_explained_and_tried_again(bed: Bed) -> None:
    containers = [{"name": "c", "image": "example.com/a:v1"}]
    template = {
        "metadata": {"labels": {"app": "jazz"}},
        "spec": {"serviceAccountName": "singer", "containers": containers},
    }
    await bed.deploy("jazz", replicas=3, template=template)
    reason = f'error looking up service account {bed.namespace}/singer: serviceaccount "singer" not found'

    async def is_explained() -> bool:
        conditions = (await bed.get(DEPLOYMENT, "jazz") or {}).get("status", {}).get("conditions", ())
        failures = [item["message"] for item in conditions if item["type"] == "ReplicaFailure"]
        events = await bed.messages("FailedCreate")
        found = [text.startswith('pods "jazz-') and text.endswith(reason) for text in failures]
        return found == [True] and f"Error creating: {failures[0]}" in events

    await bed.until(is_explained, "the refusal to be reported")
    assert await bed.pods() == []
    await bed.create(SERVICE_ACCOUNT, {"metadata": {"name": "singer"}})
    found = await bed.rolled_out("jazz")
    assert "ReplicaFailure" not in {item["type"] for item in found["status"]["conditions"]}


async def test_controllers_that_start_anew_change_nothing(api_server: ApiServerProcess, bed: Bed) -> None:
    await bed.deploy("jazz", replicas=2)
    await bed.rolled_out("jazz")
    before = {item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in await bed.all(REPLICA_SET)}
    async with running(api_server.kubeconfig):
        await bed.deploy("metal")
        await bed.rolled_out("metal")
    after = {item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in await bed.all(REPLICA_SET)}
    assert before.items() <= after.items()
    assert len(after) == 2
    assert len(await bed.pods()) == 3


@pytest.mark.cluster
async def test_controllers_survive_the_server(tmp_path: Path) -> None:
    server = ApiServerProcess(tmp_path)
    server.start()
    try:
        async with running(server.kubeconfig) as client:
            bed = Bed(client, "default")
            await bed.deploy("jazz", replicas=2)
            await bed.rolled_out("jazz")
            server.kill()
            server.start()
            await bed.until(lambda: bed.get(DEPLOYMENT, "jazz"), "the server to answer again")
            await bed.set_image("jazz", "example.com/a:v2")
            await bed.rolled_out("jazz")
            assert await bed.images() == {"example.com/a:v2": 2}
    finally:
        server.kill()


async def test_a_job_runs_to_its_end(bed: Bed) -> None:
    containers = [{"name": "c", "image": "example.com/a:v1"}]
    template = {"spec": {"restartPolicy": "Never", "containers": containers}}
    spec = {"completions": 2, "parallelism": 2, "template": template}
    await bed.create(JOB, {"metadata": {"name": "once"}, "spec": spec})

    async def are_running() -> list[dict[str, Any]]:
        pods = await bed.pods()
        return pods if [pod["status"].get("phase") for pod in pods] == ["Running", "Running"] else []

    for pod in await bed.until(are_running, "both pods"):
        status = {"phase": "Succeeded"}
        name = pod["metadata"]["name"]
        await bed.client.patch(POD, name, {"status": status}, namespace=bed.namespace, subresource="status")

    async def is_complete() -> bool:
        found = (await bed.get(JOB, "once") or {})["status"]
        done = [item["type"] for item in found.get("conditions", ()) if item["status"] == "True"]
        return done == ["SuccessCriteriaMet", "Complete"] and found["succeeded"] == 2

    await bed.until(is_complete, "the Job to complete")
    assert len(await bed.pods()) == 2
    assert await bed.messages("Completed") == ["Job completed"]


async def test_a_job_adopts_counts_and_lets_go(bed: Bed) -> None:
    containers = [{"name": "c", "image": "example.com/a:v1"}]
    pod = {"restartPolicy": "Never", "containers": containers}
    await bed.create(POD, {"metadata": {"name": "found", "labels": {"work": "a"}}, "spec": pod})
    template = {"metadata": {"labels": {"work": "a"}}, "spec": pod}
    spec = {"completions": 2, "manualSelector": True, "selector": {"matchLabels": {"work": "a"}}, "template": template}
    await bed.create(JOB, {"metadata": {"name": "adopter"}, "spec": spec})

    async def is_held() -> bool:
        metadata = (await bed.get(POD, "found") or {})["metadata"]
        return bool(metadata.get("ownerReferences")) and metadata.get("finalizers") == [FINALIZER]

    await bed.until(is_held, "the pod to be adopted")
    await bed.client.patch(
        POD, "found", {"status": {"phase": "Succeeded"}}, namespace=bed.namespace, subresource="status"
    )

    async def is_counted() -> bool:
        status = (await bed.get(JOB, "adopter") or {})["status"]
        held = [pod for pod in await bed.pods() if pod["metadata"].get("finalizers")]
        return (status.get("succeeded"), status["uncountedTerminatedPods"], len(held)) == (1, {}, 1)

    await bed.until(is_counted, "the success to be counted, and the next pod to be held")
    await bed.client.delete(JOB, "adopter", namespace=bed.namespace, propagation_policy="Orphan")

    async def are_free() -> bool:
        pods = [pod["metadata"] for pod in await bed.pods()]
        return [(one.get("finalizers"), one.get("ownerReferences")) for one in pods] == [(None, None)] * 2

    await bed.until(are_free, "the pods to be let go")


async def test_a_job_that_waits_for_ends_sees_that_of_a_pod_which_never_ran(bed: Bed) -> None:
    pod = {
        "restartPolicy": "Never",
        "nodeSelector": {"no": "such"},
        "containers": [{"name": "c", "image": "example.com/a:v1"}],
    }
    policy = {"rules": [{"action": "Count", "onPodConditions": [{"type": "DisruptionTarget"}]}]}
    spec = {"backoffLimit": 0, "podFailurePolicy": policy, "template": {"spec": pod}}
    await bed.create(JOB, {"metadata": {"name": "waits"}, "spec": spec})
    (made,) = await bed.until(bed.pods, "a pod")
    await bed.client.delete(POD, made["metadata"]["name"], namespace=bed.namespace)

    async def has_failed() -> bool:
        status = (await bed.get(JOB, "waits") or {})["status"]
        return [one["type"] for one in status.get("conditions", ())] == ["FailureTarget", "Failed"]

    await bed.until(has_failed, "the Job to fail")
    assert await bed.pods() == []
