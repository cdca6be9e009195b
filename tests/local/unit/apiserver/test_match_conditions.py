"""Conditions of webhooks: what cannot be stored, and what they say of a request, in the words of Kubernetes."""

from typing import Any

import pytest

from crossfade_local.apiserver.admission.condition_rules import condition_errors
from crossfade_local.apiserver.crd import conditions
from crossfade_local.apiserver.crd.admission_cel import Evaluation
from crossfade_local.apiserver.crd.rules import Rules

Json = dict[str, Any]
BUDGET = "validation failed due to running out of cost budget, no further validation rules will be run"


def undeclared(name: str, expression: str) -> str:
    said = f"ERROR: <input>:1:1: undeclared reference to '{name}' (in container '')"
    return f"compilation failed: {said}\n | {expression}\n | ^"


@pytest.mark.parametrize(
    ("expression", "fault"),
    [
        ("object.metadata.name == 'a' && oldObject == null", ""),
        ("!has(request.namespace) || namespaceObject == null", ""),
        ("request.userInfo.groups.exists(group, group == 'system:nodes')", ""),
        ("request.object == null", "undefined field 'object'"),
        ("has(request.other)", "undefined field 'other'"),
        ("self == 1", undeclared("self", "self == 1")),
        ("params == 1", undeclared("params", "params == 1")),
        ("variables == 1", undeclared("variables", "variables == 1")),
        (
            "authorizer == 1",
            "found no matching overload for '_==_' applied to '(kubernetes.authorization.Authorizer, int)'",
        ),
        ("authorizer.path('/').check('get').allowed() && authorizer.requestResource.check('get').allowed()", ""),
        ("authorizer.requestResource.resource('a')", "found no matching overload"),
        ("[" + "a, " * 2_000 + "a] == []", "\n1901 more errors were truncated"),
        ("object == ", "Syntax error"),
        ("(" * 200 + "true" + ")" * 200, "recursion limit exceeded"),
        ("object" + ".a" * 8_000 + " == 1", "recursion limit exceeded"),
        ("object.spec.isOn", "must evaluate to bool but got dyn"),
        ("object", "must evaluate to bool but got dyn"),
        ("'it\\'s'", "must evaluate to bool but got string"),
        ("b'a'", "must evaluate to bool but got bytes"),
        ("0x1F", "must evaluate to bool but got int"),
        ("1u", "must evaluate to bool but got uint"),
        ("1e3", "must evaluate to bool but got double"),
        ("null", "must evaluate to bool but got null_type"),
        ("[1, 2]", "must evaluate to bool but got list(int)"),
        ("{'a': 1}", "must evaluate to bool but got map(string, int)"),
    ],
)
def test_what_cannot_be_stored_is_said(expression: str, fault: str) -> None:
    found = conditions.compile_error(expression)
    assert fault in found
    assert bool(fault) == bool(found)


VARIABLES: Json = {
    "object": {"metadata": {"name": "a"}, "data": {}},
    "oldObject": None,
    "namespaceObject": None,
    "request": {
        "name": "a",
        "operation": "CREATE",
        "userInfo": {"username": "u", "groups": ["g"]},
        "requestResource": {"group": "", "version": "v1", "resource": "configmaps"},
    },
}


def failed(expression: str, why: str) -> str:
    return f"expression '{expression}' resulted in error: {why}"


@pytest.mark.parametrize(
    ("expressions", "errors"),
    [
        (["object.metadata.name == 'a'", "request.operation in ['CREATE']", "oldObject == null"], []),
        (["object.metadata.name == 'b'"], None),
        (["object.x == 1"], [failed("object.x == 1", "no such key: x")]),
        (["object.x == 1", "object.x == 1", "false"], None),
        (["object.x == 1", "object.x == 1", "true"], [failed("object.x == 1", "no such key: x")]),
        (["oldObject.x == 1"], [failed("oldObject.x == 1", "no such key: x")]),
        (["request.namespace == 'a'"], [failed("request.namespace == 'a'", "no such key: namespace")]),
        (["size(object.data)"], [failed("size(object.data)", "must evaluate to bool")]),
        (["self == 1"], [failed("self == 1", "no such attribute(s): self")]),
        (["authorizer.group('').resource('pods').check('get').allowed()"], []),
        (["authorizer.requestResource.check('get').allowed()"], None),
        (["authorizer.requestResource.check('get').reason() == 'said'"], []),
        (["authorizer.path('/').check('get').errored()"], None),
    ],
)
def test_a_false_condition_counts_more_than_an_error(expressions: list[str], errors: list[str] | None) -> None:
    assert conditions.errors(expressions, Evaluation(expressions, VARIABLES, decide)) == errors


def decide(about: Json) -> tuple[bool, str]:
    assert about["user"] == {"name": "u", "groups": ["g"]}
    return about.get("resource") == "pods", "said"


async def test_long_work_is_done_by_a_process_that_ends() -> None:
    rules = Rules()
    many = {**VARIABLES, "object": {"data": {f"k{number}": "" for number in range(4_000)}}}
    try:
        assert await rules.condition_errors(["object.data.exists(key, key == 'k3999')"], many, decide) == []
        assert await rules.condition_errors(["object.data.exists(key, key == 'other')"], many, decide) is None
        endless = ["object.data.all(a, !object.data.exists(b, a + b == 'other'))"]
        assert await rules.condition_errors(endless, many, decide) == [BUDGET]
        long = f"'' == '{'a' * 9_000}'"
        assert await rules.condition_faults([long, "x == 1"]) == {"x == 1": undeclared("x", "x == 1")}
    finally:
        await rules.close()


def configuration(*given: Json) -> Json:
    return {"webhooks": [{"name": "a.example.com"}, {"name": "b.example.com", "matchConditions": list(given)}]}


@pytest.mark.parametrize(
    ("given", "faults"),
    [
        ([{"name": "example.com/a", "expression": " true "}], []),
        ([{"name": "", "expression": " "}], ["[0].expression: Required value", "[0].name: Required value"]),
        ([{"name": "a b", "expression": "1"}], ["[0].expression: Invalid value", "[0].name: Invalid value"]),
        ([{"name": "a", "expression": "true"}] * 2, ["[1].name: Duplicate value"]),
        ([{"name": f"n{number}", "expression": "true"} for number in range(65)], [": Too many: 65"]),
    ],
)
async def test_conditions_are_checked_when_they_change(given: list[Json], faults: list[str]) -> None:
    rules, new = Rules(), configuration(*given)
    found = [str(error) for error in await condition_errors(rules, new, configuration())]
    assert len(found) == len(faults)
    for error, fault in zip(found, faults, strict=True):
        assert error.startswith(f"webhooks[1].matchConditions{fault}")
    assert await condition_errors(rules, new, new) == []
