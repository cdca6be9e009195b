"""Endpoints, namespaces, service accounts and garbage as users see them."""

from typing import Any

import pytest

from crossfade_kube.errors import NotFound
from crossfade_kube.meta import Resource
from crossfade_kube.resources import (
    CONFIG_MAP,
    CUSTOM_RESOURCE_DEFINITION,
    DEPLOYMENT,
    ENDPOINT_SLICE,
    ENDPOINTS,
    NAMESPACE,
    POD,
    REPLICA_SET,
    SERVICE,
    SERVICE_ACCOUNT,
)
from tests.local.protocol.controllers.conftest import Bed

Json = dict[str, Any]


def _owned_by(owner: Json, **extra: Any) -> list[Json]:
    metadata = owner["metadata"]
    return [
        {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": metadata["name"], "uid": metadata["uid"]}
        | extra
    ]


async def test_endpoints_follow_the_pods(bed: Bed) -> None:
    ports = [{"name": "http", "port": 80, "targetPort": 9080}]
    await bed.create(SERVICE, {"metadata": {"name": "jazz"}, "spec": {"selector": {"app": "jazz"}, "ports": ports}})
    await bed.create(SERVICE, {"metadata": {"name": "by-hand"}, "spec": {"ports": ports}})
    await bed.deploy("jazz", replicas=2)
    await bed.rolled_out("jazz")

    async def slices() -> list[Json]:
        return await bed.all(ENDPOINT_SLICE)

    async def ready(count: int) -> bool:
        found = await slices()
        addresses = {
            endpoint["addresses"][0]
            for item in found
            for endpoint in item.get("endpoints") or ()
            if endpoint["conditions"]["ready"]
        }
        wanted = {pod["status"]["podIP"] for pod in await bed.pods() if "deletionTimestamp" not in pod["metadata"]}
        return addresses == wanted and len(addresses) == count

    await bed.until(lambda: ready(2), "both pods to be listed")
    [name] = [item["metadata"]["name"] for item in await slices()]
    older = await bed.get(ENDPOINTS, "jazz")
    assert older is not None
    assert len(older["subsets"][0]["addresses"]) == 2
    await bed.patch(DEPLOYMENT, "jazz", {"spec": {"replicas": 1}})
    await bed.until(lambda: ready(1), "one pod to be listed")
    assert [item["metadata"]["name"] for item in await slices()] == [name]
    await bed.client.delete(SERVICE, "jazz", namespace=bed.namespace)

    async def is_gone() -> bool:
        return not await slices() and await bed.get(ENDPOINTS, "jazz") is None

    await bed.until(is_gone, "the slices to be collected")


async def test_endpoints_written_by_hand_are_mirrored(bed: Bed) -> None:
    await bed.create(SERVICE, {"metadata": {"name": "outside"}, "spec": {"ports": [{"name": "http", "port": 80}]}})
    ports = [{"name": "http", "port": 8080, "protocol": "TCP"}]
    subsets = [{"addresses": [{"ip": "203.0.113.7"}], "notReadyAddresses": [{"ip": "203.0.113.8"}], "ports": ports}]
    metadata = {"name": "outside", "annotations": {"note": "by hand"}}
    await bed.create(ENDPOINTS, {"metadata": metadata, "subsets": subsets})
    await bed.create(ENDPOINTS, {"metadata": {"name": "of-no-service"}, "subsets": subsets})

    async def mirrored() -> dict[str, bool]:
        return {
            endpoint["addresses"][0]: endpoint["conditions"]["ready"]
            for item in await bed.all(ENDPOINT_SLICE)
            for endpoint in item.get("endpoints") or ()
            if item["metadata"]["labels"]["kubernetes.io/service-name"] == "outside"
            and item["metadata"]["annotations"] == {"note": "by hand"}
        }

    async def is_mirrored() -> bool:
        return await mirrored() == {"203.0.113.7": True, "203.0.113.8": False}

    await bed.until(is_mirrored, "the slice")
    await bed.client.delete(SERVICE, "outside", namespace=bed.namespace)

    async def is_gone() -> bool:
        return not await mirrored() and await bed.get(ENDPOINTS, "outside") is None

    await bed.until(is_gone, "the Endpoints and their slice to go")
    assert await bed.get(ENDPOINTS, "of-no-service") is not None


async def test_every_namespace_has_its_account_and_ca(bed: Bed) -> None:
    async def is_complete() -> bool:
        account, ca = await bed.get(SERVICE_ACCOUNT, "default"), await bed.get(CONFIG_MAP, "kube-root-ca.crt")
        return account is not None and "BEGIN CERTIFICATE" in (ca or {}).get("data", {}).get("ca.crt", "")

    await bed.until(is_complete, "account and CA")
    await bed.client.delete(SERVICE_ACCOUNT, "default", namespace=bed.namespace)
    await bed.client.delete(CONFIG_MAP, "kube-root-ca.crt", namespace=bed.namespace)
    await bed.until(is_complete, "account and CA to be restored")


@pytest.mark.parametrize("policy", ["Background", "Foreground"])
async def test_deleting_takes_everything_below(bed: Bed, policy: str) -> None:
    await bed.deploy("jazz", replicas=2)
    await bed.rolled_out("jazz")
    await bed.client.delete(DEPLOYMENT, "jazz", namespace=bed.namespace, propagation_policy=policy)

    async def is_empty() -> bool:
        left = [await bed.all(resource) for resource in (DEPLOYMENT, REPLICA_SET, POD)]
        if policy == "Foreground" and (left[1] or left[2]):
            assert left[0], "the owner went before its dependents"
        return not any(left)

    await bed.until(is_empty, "everything to be deleted")


async def test_orphaning_leaves_the_dependents(bed: Bed) -> None:
    await bed.deploy("jazz")
    await bed.rolled_out("jazz")
    await bed.client.delete(DEPLOYMENT, "jazz", namespace=bed.namespace, propagation_policy="Orphan")

    async def is_orphaned() -> bool:
        [left] = await bed.all(REPLICA_SET)
        return "ownerReferences" not in left["metadata"] and await bed.get(DEPLOYMENT, "jazz") is None

    await bed.until(is_orphaned, "the ReplicaSet to be released")
    await bed.deploy("jazz")
    await bed.rolled_out("jazz")
    assert len(await bed.all(REPLICA_SET)) == 1, "the new Deployment should adopt the ReplicaSet"


async def test_an_object_goes_with_its_last_owner_only(bed: Bed) -> None:
    owners = [await bed.create(CONFIG_MAP, {"metadata": {"name": name}}) for name in ("first", "second")]
    references = [reference for owner in owners for reference in _owned_by(owner)]
    await bed.create(CONFIG_MAP, {"metadata": {"name": "child", "ownerReferences": references}})
    await bed.client.delete(CONFIG_MAP, "first", namespace=bed.namespace)

    async def owners_left() -> list[str]:
        child = await bed.get(CONFIG_MAP, "child")
        return [] if child is None else [item["name"] for item in child["metadata"]["ownerReferences"]]

    async def is_reduced() -> bool:
        return await owners_left() == ["second"]

    await bed.until(is_reduced, "the lost owner to be dropped")
    await bed.client.delete(CONFIG_MAP, "second", namespace=bed.namespace)

    async def is_collected() -> bool:
        return await bed.get(CONFIG_MAP, "child") is None

    await bed.until(is_collected, "the child to be collected")


async def test_custom_resources_are_collected_too(bed: Bed) -> None:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": "things", "singular": "thing", "kind": "Thing"}
    spec = {"group": "gc.example.com", "scope": "Namespaced", "names": names, "versions": [version]}
    await bed.create(CUSTOM_RESOURCE_DEFINITION, {"metadata": {"name": "things.gc.example.com"}, "spec": spec})
    thing = Resource("gc.example.com", "v1", "things", "Thing", namespaced=True)

    async def made() -> Json | None:
        try:
            return await bed.create(thing, {"metadata": {"name": "owner"}})
        except NotFound:
            return None

    owner = await bed.until(made, "the CRD to be served")
    await bed.create(CONFIG_MAP, {"metadata": {"name": "child", "ownerReferences": _owned_by(owner)}})
    await bed.client.delete(thing, "owner", namespace=bed.namespace)

    async def is_collected() -> bool:
        return await bed.get(CONFIG_MAP, "child") is None

    await bed.until(is_collected, "the child to be collected")
    await bed.client.delete(CUSTOM_RESOURCE_DEFINITION, "things.gc.example.com")


async def test_a_namespace_ends_with_all_that_is_in_it(bed: Bed) -> None:
    await bed.deploy("jazz", replicas=2)
    await bed.rolled_out("jazz")
    await bed.create(CONFIG_MAP, {"metadata": {"name": "held", "finalizers": ["example.com/hold"]}})
    await bed.client.delete(NAMESPACE, bed.namespace)

    async def is_waiting() -> bool:
        found = await bed.client.get(NAMESPACE, bed.namespace)
        messages = [item["message"] for item in found["status"].get("conditions", ())]
        return "Some resources are remaining: configmaps. has 1 resource instances" in messages

    await bed.until(is_waiting, "the namespace to say what it waits for")
    assert await bed.pods() == []
    await bed.patch(CONFIG_MAP, "held", {"metadata": {"finalizers": None}})

    async def is_gone() -> bool:
        try:
            await bed.client.get(NAMESPACE, bed.namespace)
        except NotFound:
            return True
        return False

    await bed.until(is_gone, "the namespace to end")
