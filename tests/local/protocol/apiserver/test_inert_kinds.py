"""Whoever creates something that the embedded cluster only stores is told so."""

import pytest

from tests.support.api_process import ApiClient

TEMPLATE = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "a", "image": "b"}]}}
SPEC = {"selector": {"matchLabels": {"a": "b"}}, "template": TEMPLATE}


@pytest.mark.parametrize(
    ("path", "spec", "warning"),
    [
        ("apps/v1/namespaces/default/statefulsets", {**SPEC, "serviceName": "s"}, None),
        ("apps/v1/namespaces/default/deployments", SPEC, None),
        ("networking.k8s.io/v1/namespaces/default/networkpolicies", {"podSelector": {}}, None),
        ("policy/v1beta1/podsecuritypolicies", {"privileged": False}, "pods are not restricted by it"),
    ],
)
async def test_create_warns(client: ApiClient, path: str, spec: dict[str, object], warning: str | None) -> None:
    body = {"metadata": {"name": "x"}, "spec": spec}
    async with client.session.post(f"/apis/{path}", json=body, ssl=client.context) as response:
        assert response.status == 201, await response.text()
        said = response.headers.get("Warning")
    assert said is None if warning is None else warning in str(said)
