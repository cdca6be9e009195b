"""The status of a policy says which of its expressions cannot be right of the objects that it names."""

from typing import Any

import pytest

from crossfade_local.apiserver.api import utc_now
from crossfade_local.apiserver.policies.status import PolicyStatus
from crossfade_local.apiserver.policies.type_checking import warnings
from crossfade_local.apiserver.state.database import Database
from crossfade_local.apiserver.state.storage import Storage
from tests.support.api_in_process import ApiInProcess, Json

POLICIES = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
LIMITS = {
    "metadata": {"name": "limits.example.com"},
    "spec": {
        "group": "example.com",
        "names": {"plural": "limits", "singular": "limit", "kind": "Limit", "listKind": "LimitList"},
        "scope": "Cluster",
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"most": {"type": "integer"}}}},
            }
        ],
    },
}


@pytest.fixture
async def api() -> ApiInProcess:
    found = ApiInProcess(Storage(Database(None)))
    await found.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", LIMITS)
    return found


def spec(
    *expressions: str, group: str = "apps", versions: tuple[str, ...] = ("v1",), resources: tuple[str, ...], **more: Any
) -> Json:
    rule = {"apiGroups": [group], "apiVersions": list(versions), "operations": ["*"], "resources": list(resources)}
    validations = [{"expression": expression} for expression in expressions]
    return {"matchConstraints": {"resourceRules": [rule]}, "validations": validations, **more}


def undefined(kind: str, expression: str, column: int, field: str) -> str:
    said = f"ERROR: <input>:1:{column}: undefined field '{field}'"
    return f"{kind}: {said}\n | {expression}\n | {'.' * (column - 1)}^\n"


REPLICAS = "object.replicas > 1"
CONTAINERS = "object.spec.template.spec.containers.all(c, c.image != '' && c.ports.all(p, p.containerPort > 1))"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (spec("object.spec.replicas > 1", CONTAINERS, resources=("deployments",)), []),
        (
            spec(REPLICAS, resources=("deployments", "replicasets")),
            [
                undefined("apps/v1, Kind=Deployment", REPLICAS, 7, "replicas")
                + "\n"
                + undefined("apps/v1, Kind=ReplicaSet", REPLICAS, 7, "replicas")
            ],
        ),
        (
            spec("object.most > 1 && object.least > 1", group="example.com", resources=("limits",)),
            [undefined("example.com/v1, Kind=Limit", "object.most > 1 && object.least > 1", 26, "least")],
        ),
        (
            spec(
                "params.most > 1 && params.least > 1",
                group="",
                resources=("pods",),
                paramKind={"apiVersion": "example.com/v1", "kind": "Limit"},
            ),
            [undefined("/v1, Kind=Pod", "params.most > 1 && params.least > 1", 26, "least")],
        ),
        (
            spec(
                "variables.n > 'a'", resources=("deployments",), variables=[{"name": "n", "expression": "object.spec"}]
            ),
            [],
        ),
        (
            spec("variables.m == 1", resources=("deployments",), variables=[{"name": "n", "expression": "1"}]),
            [undefined("apps/v1, Kind=Deployment", "variables.m == 1", 10, "m")],
        ),
        (spec("object.spec.ports[0].targetPort == 'http'", group="", resources=("services",)), []),
        (spec(REPLICAS, resources=("*",)), []),
        (spec(REPLICAS, group="*", resources=("deployments",)), []),
        (spec(REPLICAS, resources=("deployments/scale",)), []),
        (spec(REPLICAS, group="other.example.com", resources=("things",)), []),
        (spec(f"'{'a' * 16_384}' == object.nothing", resources=("deployments",)), []),
    ],
)
async def test_warnings(api: ApiInProcess, given: Json, said: list[str]) -> None:
    found = warnings(given, api.api.registry)
    assert [one["warning"] for one in found] == said
    assert all(one["fieldRef"].startswith("spec.validations[") for one in found)


async def test_a_messages_expression_is_looked_at(api: ApiInProcess) -> None:
    given = spec("true", resources=("deployments",))
    given["validations"][0]["messageExpression"] = "string(object.replicas)"
    (found,) = warnings(given, api.api.registry)
    assert found["fieldRef"] == "spec.validations[0].messageExpression"


async def test_the_status_is_written_for_each_generation(api: ApiInProcess) -> None:
    await api.create(POLICIES, {"metadata": {"name": "p"}, "spec": spec(REPLICAS, resources=("deployments",))})
    status = PolicyStatus(api.storage, api.api.registry, utc_now)
    await status.look_at("p")
    _, first = await api.send("GET", f"{POLICIES}/p")
    warning = undefined("apps/v1, Kind=Deployment", REPLICAS, 7, "replicas")
    told = [{"fieldRef": "spec.validations[0].expression", "warning": warning}]
    assert first["status"] == {"observedGeneration": 1, "typeChecking": {"expressionWarnings": told}}
    owners = [(owner["manager"], owner["operation"]) for owner in first["metadata"]["managedFields"]]
    assert ("validatingadmissionpolicy-status", "Apply") in owners
    await status.look_at("p")
    assert (await api.send("GET", f"{POLICIES}/p"))[1] == first
    better = {"spec": {"validations": [{"expression": "object.spec.replicas > 1"}]}}
    await api.send("PATCH", f"{POLICIES}/p", better, content_type="application/merge-patch+json")
    await status.look_at("p")
    _, second = await api.send("GET", f"{POLICIES}/p")
    assert second["status"] == {"observedGeneration": 2, "typeChecking": {}}
    await status.look_at("gone")


async def test_a_status_that_cannot_be_stored(api: ApiInProcess) -> None:
    await api.create(POLICIES, {"metadata": {"name": "p"}, "spec": spec("true", resources=("deployments",))})
    told = [{"fieldRef": "spec.[", "warning": ""}, {"fieldRef": " ", "warning": "w"}]
    wrong = {"status": {"typeChecking": {"expressionWarnings": told}}}
    code, answer = await api.send("PATCH", f"{POLICIES}/p/status", wrong, content_type="application/merge-patch+json")
    assert code == 422
    fields = [
        cause["field"].removeprefix("status.typeChecking.expressionWarnings") for cause in answer["details"]["causes"]
    ]
    assert fields == ["[0].warning", "[0].fieldRef", "[1].fieldRef"]
