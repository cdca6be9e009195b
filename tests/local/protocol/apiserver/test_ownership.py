"""Nobody manages what admission and the server itself add to a new object."""

from typing import Any

from tests.support.api_process import ApiClient

POD = {"containers": [{"name": "c", "image": "i"}]}


async def test_who_creates_an_object_manages_what_was_sent_and_its_defaults(client: ApiClient) -> None:
    await client.create("/api/v1/namespaces", {"metadata": {"name": "stage"}})
    await client.create("/api/v1/namespaces/stage/serviceaccounts", {"metadata": {"name": "default"}})

    async def managed(path: str, spec: dict[str, Any]) -> dict[str, Any]:
        made = await client.create(path, {"metadata": {"name": "a"}, "spec": spec})
        (entry,) = made["metadata"]["managedFields"]
        fields: dict[str, Any] = entry["fieldsV1"]
        return fields

    pod = (await managed("/api/v1/namespaces/stage/pods", POD))["f:spec"]
    assert "f:volumeMounts" not in pod["f:containers"]['k:{"name":"c"}']
    assert set(pod) == {
        "f:containers",
        "f:dnsPolicy",
        "f:enableServiceLinks",
        "f:restartPolicy",
        "f:schedulerName",
        "f:securityContext",
        "f:terminationGracePeriodSeconds",
    }
    service = (await managed("/api/v1/namespaces/stage/services", {"ports": [{"port": 80}]}))["f:spec"]
    assert set(service) == {"f:internalTrafficPolicy", "f:ports", "f:sessionAffinity", "f:type"}
    job = await managed(
        "/apis/batch/v1/namespaces/stage/jobs", {"template": {"spec": {**POD, "restartPolicy": "Never"}}}
    )
    assert "f:metadata" not in job
    assert not {"f:selector", "f:metadata"} & {*job["f:spec"], *job["f:spec"]["f:template"]}
