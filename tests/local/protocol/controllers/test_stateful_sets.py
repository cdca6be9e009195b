"""StatefulSets and their claims, on the embedded API server with a pretended node."""

from pathlib import Path
from typing import Any

from crossfade_kube.resources import (
    CONTROLLER_REVISION,
    EVENT,
    PERSISTENT_VOLUME,
    PERSISTENT_VOLUME_CLAIM,
    POD,
    STATEFUL_SET,
)
from tests.local.protocol.controllers.conftest import Bed, Json
from tests.support.api_server import ApiServerProcess


def _spec(replicas: int = 2, image: str = "example.com/a:v1", **spec: Any) -> Json:
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return {
        "replicas": replicas,
        "serviceName": "band",
        "selector": {"matchLabels": {"app": "jazz"}},
        "template": {
            "metadata": {"labels": {"app": "jazz"}},
            "spec": {"containers": [{"name": "c", "image": image}]},
        },
        "volumeClaimTemplates": [{"metadata": {"name": "tapes"}, "spec": claim}],
        **spec,
    }


async def _create(bed: Bed, **spec: Any) -> None:
    await bed.create(STATEFUL_SET, {"metadata": {"name": "jazz"}, "spec": _spec(**spec)})


async def _status(bed: Bed, **wanted: Any) -> Json:
    async def reached() -> Json | None:
        found = await bed.get(STATEFUL_SET, "jazz")
        status = (found or {}).get("status") or {}
        is_current = status.get("observedGeneration") == (found or {})["metadata"]["generation"]
        return status if is_current and all(status.get(key) == value for key, value in wanted.items()) else None

    found: Json = await bed.until(reached, f"status {wanted}")
    return found


async def _images(bed: Bed) -> dict[str, str]:
    return {pod["metadata"]["name"]: pod["spec"]["containers"][0]["image"] for pod in await bed.pods()}


async def test_a_stateful_set_rolls_forward_and_back(bed: Bed) -> None:
    await _create(bed, replicas=3)
    first = await _status(bed, readyReplicas=3, availableReplicas=3)
    messages = await bed.until(lambda: bed.messages("SuccessfulCreate"), "events")
    assert "Create Pod jazz-0 in StatefulSet jazz successful" in messages
    new = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "example.com/a:v2"}]}}}}
    partition = {"updateStrategy": {"rollingUpdate": {"partition": 2}}}
    await bed.patch(STATEFUL_SET, "jazz", {"spec": {**new["spec"], **partition}})
    await _status(bed, updatedReplicas=1, readyReplicas=3, currentReplicas=2)
    assert await _images(bed) == {f"jazz-{n}": f"example.com/a:v{2 if n == 2 else 1}" for n in range(3)}
    partition["updateStrategy"]["rollingUpdate"]["partition"] = 0
    await bed.patch(STATEFUL_SET, "jazz", {"spec": partition})
    second = await _status(bed, updatedReplicas=3, readyReplicas=3, currentReplicas=3)
    assert second["currentRevision"] == second["updateRevision"] != first["currentRevision"]
    back = await bed.get(CONTROLLER_REVISION, first["currentRevision"])
    assert back is not None
    template = {key: value for key, value in back["data"]["spec"]["template"].items() if key != "$patch"}
    await bed.patch(STATEFUL_SET, "jazz", {"spec": {"template": template}})
    third = await _status(bed, updatedReplicas=3, readyReplicas=3, currentRevision=first["currentRevision"])
    numbers = {item["metadata"]["name"]: item["revision"] for item in await bed.all(CONTROLLER_REVISION)}
    assert numbers == {third["currentRevision"]: 3, second["currentRevision"]: 2}


async def test_claims_stay_with_their_names_until_they_are_deleted(bed: Bed, api_server: ApiServerProcess) -> None:
    await _create(bed)
    await _status(bed, readyReplicas=2)

    async def bound() -> list[Json]:
        found = await bed.all(PERSISTENT_VOLUME_CLAIM)
        return found if all((claim.get("status") or {}).get("phase") == "Bound" for claim in found) else []

    claims = await bed.until(bound, "claims to be bound")
    assert {claim["metadata"]["name"]: claim["status"]["capacity"] for claim in claims} == {
        "tapes-jazz-0": {"storage": "1Gi"},
        "tapes-jazz-1": {"storage": "1Gi"},
    }
    volume = claims[1]["spec"]["volumeName"]
    directory = Path(api_server.kubeconfig).parent / "volumes" / volume
    (directory / "tape").touch()
    await bed.patch(STATEFUL_SET, "jazz", {"spec": {"replicas": 1}})
    await _status(bed, replicas=1)
    await bed.patch(STATEFUL_SET, "jazz", {"spec": {"replicas": 2}})
    await _status(bed, readyReplicas=2)
    # In use, it only begins to go.
    await bed.client.delete(PERSISTENT_VOLUME_CLAIM, "tapes-jazz-1", namespace=bed.namespace)
    assert (await bed.get(PERSISTENT_VOLUME_CLAIM, "tapes-jazz-1")) is not None
    assert (directory / "tape").exists()
    await bed.patch(STATEFUL_SET, "jazz", {"spec": {"replicas": 1}})

    async def is_gone() -> bool:
        return all(item["metadata"]["name"] != volume for item in await bed.all(PERSISTENT_VOLUME))

    await bed.until(is_gone, "the volume to be reclaimed")
    assert not directory.exists()


async def test_claims_go_with_the_set_where_the_policy_says_so(bed: Bed) -> None:
    policy = {"whenDeleted": "Delete", "whenScaled": "Delete"}
    await _create(bed, persistentVolumeClaimRetentionPolicy=policy, podManagementPolicy="Parallel")
    await _status(bed, readyReplicas=2)

    async def left() -> list[str]:
        return [claim["metadata"]["name"] for claim in await bed.all(PERSISTENT_VOLUME_CLAIM)]

    async def only_one() -> bool:
        return await left() == ["tapes-jazz-0"]

    async def none() -> bool:
        return not await left() and not await bed.all(POD)

    await bed.patch(STATEFUL_SET, "jazz", {"spec": {"replicas": 1}})
    await bed.until(only_one, "the claim of the pod that went to go")
    await bed.client.delete(STATEFUL_SET, "jazz", namespace=bed.namespace, propagation_policy="Background")
    await bed.until(none, "everything to go with the set")


async def test_claims_and_volumes_bind_as_they_ask_for_each_other(bed: Bed) -> None:
    path = {"path": "/srv", "type": ""}
    offer = {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "2Gi"}, "hostPath": path}
    await bed.create(PERSISTENT_VOLUME, {"metadata": {"name": "hand-made"}, "spec": {**offer, "storageClassName": "m"}})
    wanted = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    for name, storage_class in (("a", "m"), ("b", "m"), ("c", None)):
        more = {"storageClassName": storage_class} if storage_class else {}
        await bed.create(PERSISTENT_VOLUME_CLAIM, {"metadata": {"name": name}, "spec": {**wanted, **more}})

    async def phases() -> dict[str, str]:
        claims = await bed.all(PERSISTENT_VOLUME_CLAIM)
        return {one["metadata"]["name"]: one["status"]["phase"] for one in claims}

    async def settled() -> bool:
        reasons = {event["reason"] for event in await bed.all(EVENT)}
        found = await phases()
        return found["c"] == "Pending" and "Bound" in found.values() and "WaitForFirstConsumer" in reasons

    await bed.until(settled, "one of the claims to be bound")
    assert sorted((await phases()).values()) == ["Bound", "Pending", "Pending"]
    third = await bed.get(PERSISTENT_VOLUME_CLAIM, "c")
    assert third is not None
    assert third["spec"]["storageClassName"] == "local-path"
    winner = next(name for name, phase in (await phases()).items() if phase == "Bound")
    await bed.client.delete(PERSISTENT_VOLUME_CLAIM, winner, namespace=bed.namespace)

    async def released() -> bool:
        found = await bed.client.get(PERSISTENT_VOLUME, "hand-made")
        return bool(found["status"]["phase"] == "Released")

    await bed.until(released, "the volume to be released")
