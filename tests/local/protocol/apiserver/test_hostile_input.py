"""What a client may send at worst keeps nobody else waiting.

Work is counted in the server's own time on a processor, so that a busy machine changes nothing.
"""

import asyncio
import gzip
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from tests.support.api_process import ApiClient, ApiProcess, Json

JSON_PATCH = "application/json-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
IN_DEFAULT = "/api/v1/namespaces/default"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
THINGS = "/apis/example.com/v1/things"
HOOKS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
MANY = 5_000
MOST_S = 1.0
OTHERS_WAIT_S = 0.1
"""On a processor that counts as fast as `USUAL_COUNT_S` says; a slower one may take as much longer."""
USUAL_COUNT_S = 0.03


class Attack(NamedTuple):
    method: str
    path: str
    body: Any
    status: int
    content_type: str = ""


def deployment(name: str = "big", **pod: Any) -> Json:
    labels = {"app": "a"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}], **pod}}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def variables(value: str) -> list[Json]:
    return [{"name": f"V{number}", "value": value} for number in range(MANY)]


def container(value: str) -> Json:
    return {"name": "c", "image": "i", "env": variables(value)}


def pod_patch(**change: Any) -> Json:
    return {"spec": {"template": {"spec": {"containers": [{"name": "c", **change}]}}}}


def thing(**spec: Any) -> Json:
    return {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "t"}, "spec": spec}


def things_definition() -> Json:
    text = {"type": "string", "pattern": "^(a+)+$"}
    numbers = {"type": "array", "items": {"type": "integer"}}
    properties = {
        "text": text,
        "copied": {
            **numbers,
            "maxItems": 700,
            "x-kubernetes-validations": [{"rule": "self.map(x, self.map(y, self)).size() > 0"}],
        },
        "compared": {
            **numbers,
            "maxItems": 1_200,
            "x-kubernetes-validations": [{"rule": "self.all(x, self.exists(y, x == y))"}],
        },
        "grown": {"type": "string", "x-kubernetes-validations": [{"rule": "self.replace('a', self).size() > 0"}]},
        "set": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
    }
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"kind": "Thing", "plural": "things"}
    spec = {"group": "example.com", "scope": "Cluster", "names": names, "versions": [version]}
    metadata = {"name": "things.example.com"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": metadata,
        "spec": spec,
    }


def hook(*expressions: str, name: str = "hook", **fields: Any) -> Json:
    """Nobody listens where it is."""
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
    conditions = [{"name": f"c{number}", "expression": text} for number, text in enumerate(expressions)]
    webhook = {
        "name": "hook.example.com",
        "clientConfig": {"url": "https://127.0.0.1:1/"},
        "rules": [rule],
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "matchConditions": conditions,
        **fields,
    }
    return {"metadata": {"name": name}, "webhooks": [webhook]}


def config_map() -> Json:
    data = {f"k{number}": "" for number in range(MANY)}
    return {"metadata": {"name": "m", "labels": {"hostile": "yes"}}, "data": data}


LONG_SELECTOR = ",".join(f"k{number}!=v" for number in range(600))
COPYING = "object.data.map(a, object.data.map(b, object.data)).size() > 0"

ATTACKS = {
    "a condition that copies maps of maps": Attack("POST", f"{IN_DEFAULT}/configmaps", config_map(), 403),
    "many long conditions": Attack(
        "POST", HOOKS, hook(*(f"{'x == 1 && ' * 60}{n} == 1" for n in range(63)), name="n"), 422
    ),
    "a condition of many faults": Attack("POST", HOOKS, hook("[" + "a," * 4_000 + "a] == []", name="n"), 422),
    "a deep condition": Attack("POST", HOOKS, hook("object" + ".a" * 4_000 + " == 1", name="n"), 422),
    "a webhook's selector of many values": Attack(
        "POST",
        HOOKS,
        hook(
            name="n",
            objectSelector={
                "matchExpressions": [{"key": "k", "operator": "In", "values": [f"v{n}" for n in range(12 * MANY)]}]
            },
        ),
        201,
    ),
    "many labels selected": Attack("GET", f"{IN_DEFAULT}/configmaps?labelSelector={LONG_SELECTOR}", None, 200),
    "many values selected": Attack(
        "GET", f"{IN_DEFAULT}/configmaps?labelSelector=k+in+({','.join(f'v{n}' for n in range(900))})", None, 200
    ),
    "many fields selected": Attack(
        "GET", f"{IN_DEFAULT}/configmaps?fieldSelector={','.join(['metadata.name!=x'] * 400)}", None, 200
    ),
    "a selector without an end": Attack("GET", f"{IN_DEFAULT}/configmaps?labelSelector={'(' * 7_000}", None, 400),
    "a pattern that backtracks": Attack("POST", THINGS, thing(text="a" * 40_000 + "b"), 422),
    "a rule that copies lists of lists": Attack("POST", THINGS, thing(copied=list(range(700))), 422),
    "a rule that compares all with all": Attack("POST", THINGS, thing(compared=list(range(1_200))), 201),
    "a rule that makes much of a text": Attack("POST", THINGS, thing(grown="a" * 100_000), 422),
    "a huge exponent": Attack("POST", DEPLOYMENTS, deployment("e", overhead={"cpu": "1e999999999"}), 201),
    "a set of many": Attack("POST", THINGS, thing(set=[f"s{number}" for number in range(MANY)]), 201),
    "copies of copies": Attack(
        "PATCH",
        f"{IN_DEFAULT}/configmaps/small",
        [{"op": "copy", "from": "/data", "path": f"/data/a{number}"} for number in range(40)],
        422,
        JSON_PATCH,
    ),
    "many unknown fields": Attack("POST", DEPLOYMENTS, deployment("u", **{f"u{n}": 1 for n in range(12 * MANY)}), 201),
    "many items changed and put in order": Attack(
        "PATCH",
        f"{DEPLOYMENTS}/big",
        pod_patch(
            env=variables("2")[::-1],
            **{"$setElementOrder/env": [{"name": f"V{number}"} for number in reversed(range(MANY))]},
        ),
        200,
        STRATEGIC_PATCH,
    ),
    "many items changed": Attack("PATCH", f"{DEPLOYMENTS}/big", pod_patch(env=variables("2")), 200, STRATEGIC_PATCH),
    "many items deleted": Attack(
        "PATCH",
        f"{DEPLOYMENTS}/big",
        pod_patch(env=[{"name": f"V{number}", "$patch": "delete"} for number in range(MANY)]),
        200,
        STRATEGIC_PATCH,
    ),
    "many conflicts": Attack(
        "PATCH",
        f"{DEPLOYMENTS}/big?fieldManager=other",
        deployment(containers=[container("3")]),
        409,
        APPLY_PATCH,
    ),
    "brackets without an end": Attack("POST", f"{IN_DEFAULT}/configmaps", "[" * 1_000_000, 400, "application/json"),
}


def processor_slowness() -> float:
    """How much longer this machine takes than a usual one; at least 1."""
    before = time.process_time()
    assert sum(number % 7 for number in range(1_000_000)) == 2_999_997
    return max(1.0, (time.process_time() - before) / USUAL_COUNT_S)


@pytest.fixture(scope="module")
def slowness() -> float:
    return processor_slowness()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def process(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ApiProcess]:
    server = ApiProcess(Path(tmp_path_factory.mktemp("hostile")) / "data")
    yield server
    await server.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(process: ApiProcess) -> AsyncIterator[ApiClient]:
    found = await process.start()
    await found.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", things_definition())
    await found.create(f"{IN_DEFAULT}/configmaps", {"metadata": {"name": "small"}, "data": {"a": "b"}})
    await found.create(DEPLOYMENTS, deployment(containers=[container("1")]))
    only = {"objectSelector": {"matchLabels": {"hostile": "yes"}}}
    await found.create(HOOKS, hook(COPYING, **only))
    yield found
    await found.close()


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", sorted(ATTACKS))
async def test_nobody_waits_for(process: ApiProcess, client: ApiClient, slowness: float, name: str) -> None:
    attack = ATTACKS[name]
    before = process.cpu_s()
    sent = asyncio.create_task(
        client.send(attack.method, _dry(attack.path), attack.body, content_type=attack.content_type)
    )
    longest = 0.0
    while not sent.done():
        asked = process.cpu_s()
        assert (await client.send("GET", "/version"))[0] == 200
        longest = max(longest, process.cpu_s() - asked)
        # Asking costs the server as well.
        await asyncio.sleep(0.05)
    status, answer = await sent
    assert status == attack.status, str(answer)[:500]
    assert process.cpu_s() - before < MOST_S * slowness
    assert longest < OTHERS_WAIT_S * slowness


@pytest.mark.asyncio(loop_scope="module")
async def test_a_body_is_not_unpacked(client: ApiClient) -> None:
    body = gzip.compress(json.dumps({"metadata": {"name": "packed"}}).encode())
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    async with client.session.post(
        f"{IN_DEFAULT}/configmaps", data=body, headers=headers, ssl=client.context
    ) as answer:
        assert answer.status == 400, await answer.text()


def _dry(path: str) -> str:
    return f"{path}{'&' if '?' in path else '?'}dryRun=All"
