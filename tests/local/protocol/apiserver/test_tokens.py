"""Service-account tokens sign in as their account until what they are bound to is gone."""

import pytest

from tests.support.api_process import ApiClient

ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"
WHO = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


async def _token(client: ApiClient, spec: dict[str, object]) -> str:
    answer = await client.create(f"{ACCOUNTS}/robot/token", {"spec": spec})
    return str(answer["status"]["token"])


async def test_token_signs_in_and_dies_with_its_account(client: ApiClient) -> None:
    await client.create(ACCOUNTS, {"metadata": {"name": "robot"}})
    token = await _token(client, {})
    status, review = await client.send("POST", WHO, {}, token=token)
    assert status == 201
    assert review["status"]["userInfo"]["username"] == "system:serviceaccount:default:robot"
    assert "system:serviceaccounts:default" in review["status"]["userInfo"]["groups"]
    assert (await client.send("GET", "/api/v1/namespaces/default/secrets", token=token))[0] == 403
    assert (await client.send("DELETE", f"{ACCOUNTS}/robot"))[0] == 200
    assert (await client.send("POST", WHO, {}, token=token))[0] == 401


async def test_token_is_bound_to_its_pod_and_audience(client: ApiClient) -> None:
    await client.create(ACCOUNTS, {"metadata": {"name": "robot"}})
    pod = {
        "metadata": {"name": "p"},
        "spec": {"serviceAccountName": "robot", "containers": [{"name": "a", "image": "b"}]},
    }
    await client.create("/api/v1/namespaces/default/pods", pod)
    bound = {"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "p"}}
    token = await _token(client, bound)
    assert (await client.send("POST", WHO, {}, token=token))[0] == 201
    assert (await client.send("DELETE", "/api/v1/namespaces/default/pods/p"))[0] == 200
    assert (await client.send("POST", WHO, {}, token=token))[0] == 401
    other = await _token(client, {"audiences": ["ads"]})
    assert (await client.send("POST", WHO, {}, token=other))[0] == 401
    review = {"spec": {"token": other, "audiences": ["ads"]}}
    answer = await client.create("/apis/authentication.k8s.io/v1/tokenreviews", review)
    assert answer["status"]["authenticated"] is True
    assert answer["status"]["audiences"] == ["ads"]


async def test_role_binding_lets_in_and_granting_more_than_held_is_refused(client: ApiClient) -> None:
    await client.create(ACCOUNTS, {"metadata": {"name": "robot"}})
    roles = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles"
    rule = {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles"], "verbs": ["create", "list"]}
    await client.create(roles, {"metadata": {"name": "r"}, "rules": [rule]})
    binding = {
        "metadata": {"name": "b"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"},
        "subjects": [{"kind": "ServiceAccount", "name": "robot", "namespace": "default"}],
    }
    await client.create(roles.replace("roles", "rolebindings"), binding)
    token = await _token(client, {})
    assert (await client.send("GET", roles, token=token))[0] == 200
    more = {"metadata": {"name": "more"}, "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]}
    status, answer = await client.send("POST", roles, more, token=token)
    assert status == 403
    assert answer["message"].endswith('{APIGroups:[""], Resources:["secrets"], Verbs:["get"]}')
    same = {"metadata": {"name": "same"}, "rules": [{**rule, "verbs": ["list"]}]}
    assert (await client.send("POST", roles, same, token=token))[0] == 201


@pytest.mark.parametrize(
    ("seconds", "status"),
    [(None, 201), (600, 201), (599, 422), (1 << 32, 201), ((1 << 32) + 1, 422), ("soon", 400)],
)
async def test_how_long_a_token_may_last(client: ApiClient, seconds: object, status: int) -> None:
    await client.send("POST", ACCOUNTS, {"metadata": {"name": "patient"}})
    found, answer = await client.send("POST", f"{ACCOUNTS}/patient/token", {"spec": {"expirationSeconds": seconds}})
    assert found == status, answer
    if status == 201:
        assert answer["spec"]["expirationSeconds"] == (seconds or 3600)
