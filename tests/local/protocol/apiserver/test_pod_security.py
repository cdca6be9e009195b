"""Pod Security labels at the API, and Secrets in its files."""

import asyncio
import sys
from typing import Any

from tests.support.api_process import ApiClient, ApiProcess

LABEL = "pod-security.kubernetes.io/"
BAD = {"containers": [{"name": "c", "image": "i", "securityContext": {"privileged": True}}]}
FOUND = 'privileged (container "c" must not set securityContext.privileged=true)'


async def post(client: ApiClient, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any], list[str]]:
    async with client.session.post(path, json=body, ssl=client.context) as response:
        return response.status, await response.json(), response.headers.getall("Warning", [])


async def test_labels_are_enforced_for_pods_and_warn_of_workloads(client: ApiClient) -> None:
    labels = {f"{LABEL}enforce": "baseline", f"{LABEL}warn": "baseline", f"{LABEL}warn-version": "v1.30"}
    await client.create("/api/v1/namespaces", {"metadata": {"name": "guarded", "labels": labels}})
    await client.create("/api/v1/namespaces/guarded/serviceaccounts", {"metadata": {"name": "default"}})
    pods = "/api/v1/namespaces/guarded/pods"
    status, answer, warnings = await post(client, pods, {"metadata": {"name": "p"}, "spec": BAD})
    assert status == 403
    assert answer["message"] == f'pods "p" is forbidden: violates PodSecurity "baseline:latest": {FOUND}'
    assert "PodSecurity" not in str(warnings)
    workload = {
        "metadata": {"name": "d"},
        "spec": {
            "selector": {"matchLabels": {"a": "b"}},
            "template": {"metadata": {"labels": {"a": "b"}}, "spec": BAD},
        },
    }
    status, _, warnings = await post(client, "/apis/apps/v1/namespaces/guarded/deployments", workload)
    assert status == 201
    said = f'would violate PodSecurity "baseline:v1.30": {FOUND}'.replace('"', '\\"')
    assert f'299 - "{said}"' in ", ".join(warnings)


async def test_a_namespace_says_which_label_is_wrong_and_which_pods_are_there(client: ApiClient) -> None:
    body = {"metadata": {"name": "odd", "labels": {f"{LABEL}enforce": "strict"}}}
    status, answer, _ = await post(client, "/api/v1/namespaces", body)
    assert status == 422
    assert answer["message"] == (
        f'Namespace "odd" is invalid: metadata.labels[{LABEL}enforce]: Invalid value: "strict": '
        "must be one of privileged, baseline, restricted"
    )
    await client.create("/api/v1/namespaces", {"metadata": {"name": "odd"}})
    await client.create("/api/v1/namespaces/odd/serviceaccounts", {"metadata": {"name": "default"}})
    for name in ("a", "b"):
        await client.create("/api/v1/namespaces/odd/pods", {"metadata": {"name": name}, "spec": BAD})
    url, patch = "/api/v1/namespaces/odd", {"metadata": {"labels": {f"{LABEL}enforce": "baseline"}}}
    headers = {"Content-Type": "application/merge-patch+json"}
    async with client.session.patch(url, json=patch, headers=headers, ssl=client.context) as response:
        assert response.status == 200
        said = ", ".join(response.headers.getall("Warning")).replace("\\", "")
    assert said == (
        '299 - "existing pods in namespace "odd" violate the new PodSecurity enforce level "baseline:latest"", '
        '299 - "a (and 1 other pod): privileged"'
    )


async def test_a_lost_key_of_secrets_ends_the_server_with_the_way_out(process: ApiProcess) -> None:
    client = await process.start()
    await client.create(
        "/api/v1/namespaces/default/secrets", {"metadata": {"name": "s"}, "stringData": {"a": "t0psecret"}}
    )
    await client.close()
    await process.stop()
    data = process.data_dir
    assert b"dDBwc2VjcmV0" not in b"".join(path.read_bytes() for path in data.glob("state.db*"))
    (data / "secrets.key").unlink()
    ended = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "crossfade_local.apiserver", "--data-dir", str(data), stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(30):
        _, said = await ended.communicate()
    assert ended.returncode == 1
    assert b"secrets.key is missing" in said
    assert b"Traceback" not in said
