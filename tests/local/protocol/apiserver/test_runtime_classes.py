"""What pods get of their RuntimeClasses, and what keeps them out."""

from typing import Any

from tests.support.api_process import ApiClient

CLASSES = "/apis/node.k8s.io/v1/runtimeclasses"
PODS = "/api/v1/namespaces/stage/pods"
OTHER = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead"


async def test_a_pod_gets_what_its_class_says(client: ApiClient) -> None:
    await client.create("/api/v1/namespaces", {"metadata": {"name": "stage"}})
    await client.create("/api/v1/namespaces/stage/serviceaccounts", {"metadata": {"name": "default"}})
    scheduling = {"nodeSelector": {"a": "b"}, "tolerations": [{"operator": "Exists", "effect": "NoExecute"}]}
    await client.create(
        CLASSES,
        {
            "metadata": {"name": "safe"},
            "handler": "gvisor",
            "overhead": {"podFixed": {"cpu": "0.25", "memory": "0.5Gi"}},
            "scheduling": scheduling,
        },
    )
    await client.create(CLASSES, {"metadata": {"name": "plain"}, "handler": "runc"})

    async def pod(**spec: Any) -> Any:
        """Its spec, or why it is refused."""
        body = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}], **spec}}
        status, answer = await client.send("POST", f"{PODS}?dryRun=All", body)
        return answer["spec"] if status == 201 else answer["message"].removeprefix('pods "p" is forbidden: ')

    spec = await pod(runtimeClassName="safe", nodeSelector={"c": "d"})
    assert spec["overhead"] == {"cpu": "250m", "memory": "512Mi"}
    assert (spec["nodeSelector"], spec["tolerations"]) == ({"a": "b", "c": "d"}, scheduling["tolerations"])
    assert (await pod(runtimeClassName="safe", overhead={"cpu": "250m", "memory": "512Mi"}))["overhead"]
    assert "overhead" not in await pod(runtimeClassName="plain")

    assert await pod(runtimeClassName="lost") == 'pod rejected: RuntimeClass "lost" not found'
    assert await pod(runtimeClassName="safe", overhead={"cpu": "1"}) == OTHER
    alone = "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"
    assert await pod(runtimeClassName="plain", overhead={"cpu": "1"}) == await pod(overhead={"cpu": "1"}) == alone
    conflict = "conflict: runtimeClass.scheduling.nodeSelector[a] = b; pod.spec.nodeSelector[a] = c"
    assert await pod(runtimeClassName="safe", nodeSelector={"a": "c"}) == conflict

    status, answer = await client.send("PUT", f"{CLASSES}/plain", {"metadata": {"name": "plain"}, "handler": "crun"})
    assert (status, answer["details"]["causes"][0]["field"]) == (422, "handler")
