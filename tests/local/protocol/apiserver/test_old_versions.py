"""Versions that charts of 2020 are written in: kept with what is newer, shown in both forms."""

import pytest

from tests.support.api_process import ApiClient

RBAC = "rbac.authorization.k8s.io"
RULES = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
METRIC = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}
UNAVAILABLE = {RBAC: "v1.22", "policy": "v1.25", "autoscaling": "v1.26"}
SCALES = {
    "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"},
    "maxReplicas": 3,
    "metrics": [METRIC],
}


@pytest.mark.parametrize(
    ("group", "old", "new", "path", "content"),
    [
        (RBAC, "v1beta1", "v1", "namespaces/default/roles", {"rules": RULES}),
        (RBAC, "v1beta1", "v1", "clusterroles", {"rules": RULES}),
        (
            RBAC,
            "v1beta1",
            "v1",
            "clusterrolebindings",
            {
                "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "view"},
                "subjects": [{"kind": "ServiceAccount", "name": "s", "namespace": "default"}],
            },
        ),
        ("policy", "v1beta1", "v1", "namespaces/default/poddisruptionbudgets", {"spec": {"maxUnavailable": "50%"}}),
        ("autoscaling", "v2beta2", "v2", "namespaces/default/horizontalpodautoscalers", {"spec": SCALES}),
    ],
)
async def test_old_and_new_version_are_one_object(
    client: ApiClient, group: str, old: str, new: str, path: str, content: dict[str, object]
) -> None:
    body = {"metadata": {"name": "old"}, **content, "unknown": 1}
    async with client.session.post(f"/apis/{group}/{old}/{path}", json=body, ssl=client.context) as response:
        assert response.status == 201, await response.text()
        assert f"{UNAVAILABLE[group]}+; use {group}/{new}" in str(response.headers.getall("Warning"))
    for version in (old, new):
        async with client.session.get(f"/apis/{group}/{version}/{path}/old", ssl=client.context) as response:
            found = await response.json()
        assert found["apiVersion"] == f"{group}/{version}"
        assert "unknown" not in found
        assert {key: found[key] for key in content}.keys() == content.keys()
    patch = {"metadata": {"labels": {"a": "b"}}}
    async with client.session.patch(
        f"/apis/{group}/{old}/{path}/old",
        json=patch,
        ssl=client.context,
        headers={"Content-Type": "application/strategic-merge-patch+json"},
    ) as response:
        assert (await response.json())["metadata"]["labels"] == {"a": "b"}
