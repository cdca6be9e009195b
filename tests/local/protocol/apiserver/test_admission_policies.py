"""Policies over HTTP: what is no plain write, the Warning header, and what a server does after a restart."""

from typing import Any

from tests.support.api_process import ApiClient, ApiProcess, Json

GROUP = "/apis/admissionregistration.k8s.io/v1"
DEFAULT = "/api/v1/namespaces/default"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"


async def bound(client: ApiClient, name: str, rule: Json, *expressions: str, action: str = "Deny") -> None:
    rule = {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], **rule}
    validations = [{"expression": one} for one in expressions]
    spec = {"matchConstraints": {"resourceRules": [rule]}, "validations": validations}
    await client.create(f"{GROUP}/validatingadmissionpolicies", {"metadata": {"name": name}, "spec": spec})
    binding = {"policyName": name, "validationActions": [action]}
    await client.create(f"{GROUP}/validatingadmissionpolicybindings", {"metadata": {"name": name}, "spec": binding})


async def changed(client: ApiClient, expression: str) -> None:
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["configmaps"]}
    mutation = {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}}
    constraints = {"resourceRules": [rule]}
    spec = {"matchConstraints": constraints, "mutations": [mutation], "reinvocationPolicy": "Never"}
    await client.create(f"{GROUP}/mutatingadmissionpolicies", {"metadata": {"name": "changes"}, "spec": spec})
    binding = {"metadata": {"name": "changes"}, "spec": {"policyName": "changes"}}
    await client.create(f"{GROUP}/mutatingadmissionpolicybindings", binding)


def pod(name: str) -> Json:
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": "a", "image": "crossfade/djapp:1"}]}}


async def refused(client: ApiClient, method: str, path: str, body: Any = None, content_type: str = "") -> str:
    code, answer = await client.send(method, path, body, content_type=content_type)
    assert code == 422, answer
    return str(answer["message"]).partition(" denied request: ")[2]


async def test_commands_and_connections(client: ApiClient) -> None:
    await client.create("/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "default"}})
    await client.create(f"{DEFAULT}/pods", pod("web"))
    asked = (
        "object.kind != 'PodExecOptions' || (object.command == ['sh', '-c'] && object.stdin && object.container == 'a')"
    )
    seen = "request.operation == 'CONNECT' && request.kind.kind == object.kind && request.resource.resource == 'pods'"
    await bound(client, "exec", {"resources": ["pods/exec", "pods/proxy", "pods/portforward"]}, asked, seen, "false")
    query = "command=sh&command=-c&stdin=true&container=a"
    assert await refused(client, "POST", f"{DEFAULT}/pods/web/exec?{query}") == "failed expression: false"
    assert await refused(client, "GET", f"{DEFAULT}/pods/web/exec?command=ls") == f"failed expression: {asked}"
    assert await refused(client, "GET", f"{DEFAULT}/pods/web/proxy/path") == "failed expression: false"
    assert await refused(client, "POST", f"{DEFAULT}/pods/web/portforward?ports=80") == "failed expression: false"
    code, _ = await client.send("GET", f"{DEFAULT}/pods/web/log")
    assert code == 200


async def test_scales_evictions_bindings_and_tokens(client: ApiClient) -> None:
    await client.create("/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "default"}})
    await client.create(f"{DEFAULT}/pods", pod("web"))
    template = {"metadata": {"labels": {"app": "a"}}, "spec": pod("web")["spec"]}
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": "a"}}, "template": template}
    await client.create(DEPLOYMENTS, {"metadata": {"name": "web"}, "spec": spec})
    scaled = "object.kind == 'Scale' && oldObject.spec.replicas == 1 && object.spec.replicas < 5"
    await bound(client, "scale", {"resources": ["deployments/scale"]}, scaled)
    merge = "application/merge-patch+json"
    more = {"spec": {"replicas": 9}}
    said = await refused(client, "PATCH", f"{DEPLOYMENTS}/web/scale", more, merge)
    assert said == f"failed expression: {scaled}"
    assert (await client.merge(f"{DEPLOYMENTS}/web/scale", {"spec": {"replicas": 4}}))["spec"]["replicas"] == 4
    named = "request.kind.group == 'policy' && object.kind == 'Eviction' && object.metadata.name == 'web'"
    await bound(client, "evict", {"resources": ["pods/eviction"]}, named, "request.dryRun")
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "web"}}
    assert (
        await refused(client, "POST", f"{DEFAULT}/pods/web/eviction", eviction) == "failed expression: request.dryRun"
    )
    await bound(client, "bind", {"resources": ["pods/binding"]}, "object.target.name != 'n'")
    binding = {"metadata": {"name": "web"}, "target": {"kind": "Node", "name": "n"}}
    assert "object.target.name" in await refused(client, "POST", f"{DEFAULT}/pods/web/binding", binding)
    await bound(client, "token", {"resources": ["serviceaccounts/token"]}, "object.spec.expirationSeconds < 3600")
    request = {"spec": {"expirationSeconds": 7200}}
    assert "expirationSeconds" in await refused(client, "POST", f"{DEFAULT}/serviceaccounts/default/token", request)
    code, _ = await client.send("POST", f"{DEFAULT}/pods/web/eviction?dryRun=All", eviction)
    assert code == 201


async def test_policies_hold_after_a_restart(process: ApiProcess, client: ApiClient) -> None:
    await bound(client, "warns", {"resources": ["configmaps"]}, "object.metadata.name == 'b'", action="Warn")
    await bound(client, "denies", {"resources": ["configmaps"]}, "object.metadata.name != 'c'")
    await changed(client, "Object{metadata: Object.metadata{labels: {'by': request.userInfo.username}}}")
    await process.stop()
    again = await process.start()
    try:
        async with again.session.post(
            f"{DEFAULT}/configmaps", json={"metadata": {"name": "a"}}, ssl=again.context
        ) as response:
            assert response.status == 201
            assert (await response.json())["metadata"]["labels"] == {"by": "kubernetes-admin"}
            said = "Validation failed for ValidatingAdmissionPolicy 'warns' with binding 'warns': failed expression: "
            assert response.headers["Warning"] == f"299 - \"{said}object.metadata.name == 'b'\""
        assert await refused(again, "POST", f"{DEFAULT}/configmaps", {"metadata": {"name": "c"}}) != ""
    finally:
        await again.close()


async def test_the_server_looks_at_types(client: ApiClient) -> None:
    path = f"{GROUP}/validatingadmissionpolicies"
    async with client.watch(f"{path}?watch=1") as events:
        rule = {"resources": ["pods"], "apiGroups": [""], "apiVersions": ["v1"]}
        await bound(client, "p", rule, "object.metadata.nothing == ''")
        async for event in events:
            if "observedGeneration" in event["object"]["status"]:
                break
    (warning,) = event["object"]["status"]["typeChecking"]["expressionWarnings"]
    assert warning["warning"].startswith("/v1, Kind=Pod: ERROR: <input>:1:16: undefined field 'nothing'\n")
