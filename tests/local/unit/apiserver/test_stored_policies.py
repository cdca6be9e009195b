"""Policies and bindings as they are stored: defaults, columns, and what is refused in Kubernetes' words."""

from typing import Any

import pytest

from crossfade_local.apiserver.state.database import Database
from crossfade_local.apiserver.state.storage import Storage
from crossfade_local.apiserver.wire.request import User
from tests.support.api_in_process import ApiInProcess, Json

GROUP = "/apis/admissionregistration.k8s.io/v1"
POLICIES = f"{GROUP}/validatingadmissionpolicies"
BINDINGS = f"{GROUP}/validatingadmissionpolicybindings"
RULE = {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["deployments"]}
GOOD = {"matchConstraints": {"resourceRules": [RULE]}, "validations": [{"expression": "true"}]}
BOUND = {"policyName": "p", "validationActions": ["Deny"]}
NOTHING = "validations or auditAnnotations must contain at least one item"
BOTH = (
    "must not contain both Deny and Warn (repeating the same validation failure information in the API response and"
    " headers serves no purpose)"
)


@pytest.fixture
def api() -> ApiInProcess:
    return ApiInProcess(Storage(Database(None)))


def compilation(expression: str, column: int, said: str) -> str:
    return f"compilation failed: ERROR: <input>:1:{column}: {said}\n | {expression}\n | {'.' * (column - 1)}^"


async def test_defaults_and_columns(api: ApiInProcess) -> None:
    made = await api.create(POLICIES, {"metadata": {"name": "p"}, "spec": GOOD})
    assert made["spec"] == {
        "failurePolicy": "Fail",
        "matchConstraints": {
            "matchPolicy": "Equivalent",
            "namespaceSelector": {},
            "objectSelector": {},
            "resourceRules": [{**RULE, "scope": "*"}],
        },
        "validations": [{"expression": "true"}],
    }
    assert made["metadata"]["generation"] == 1
    resources = {"excludeResourceRules": [RULE]}
    bound = await api.create(BINDINGS, {"metadata": {"name": "b"}, "spec": {**BOUND, "matchResources": resources}})
    assert bound["spec"]["matchResources"]["matchPolicy"] == "Equivalent"
    assert bound["spec"]["matchResources"]["excludeResourceRules"] == [{**RULE, "scope": "*"}]


def validations(**validation: Any) -> Json:
    return {**GOOD, "validations": [{"expression": "true", **validation}]}


@pytest.mark.parametrize(
    ("spec", "errors"),
    [
        (
            {},
            [
                "spec.matchConstraints: Required value",
                f"spec.validations: Required value: {NOTHING}",
                f"spec.auditAnnotations: Required value: {NOTHING}",
            ],
        ),
        ({**GOOD, "matchConstraints": {}}, ["spec.matchConstraints.resourceRules: Required value"]),
        (
            {**GOOD, "failurePolicy": "Maybe"},
            ['spec.failurePolicy: Unsupported value: "Maybe": supported values: "Fail", "Ignore"'],
        ),
        (
            {**GOOD, "matchConstraints": {"resourceRules": [{**RULE, "resourceNames": ["a/b", "c", "c"]}]}},
            [
                "spec.matchConstraints.resourceRules[0].resourceNames[0]: Invalid value: \"a/b\": may not contain '/'",
                'spec.matchConstraints.resourceRules[0].resourceNames[2]: Duplicate value: "c"',
            ],
        ),
        (
            {**GOOD, "paramKind": {"apiVersion": "a/b/c", "kind": "1"}},
            [
                'spec.paramKind.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c',
                'spec.paramKind.kind: Invalid value: "1": may have mixed case, but should otherwise match: a DNS-1035',
            ],
        ),
        (validations(expression=" "), ["spec.validations[0].expression: Required value: expression is not specified"]),
        (
            validations(expression="object.x", message="a\nb", reason="Gone"),
            [
                'spec.validations[0].expression: Invalid value: "object.x": must evaluate to bool but got dyn',
                r'spec.validations[0].message: Invalid value: "a\nb": message must not contain line breaks',
                (
                    'spec.validations[0].reason: Unsupported value: "Gone": supported values: "Forbidden", "Invalid",'
                    ' "RequestEntityTooLarge"'
                ),
            ],
        ),
        (
            validations(expression="self == 1"),
            [compilation("self == 1", 1, "undeclared reference to 'self' (in container '')")],
        ),
        (
            validations(expression="params == 1"),
            [compilation("params == 1", 1, "undeclared reference to 'params' (in container '')")],
        ),
        (
            validations(expression="variables.x"),
            [compilation("variables.x", 1, "undeclared reference to 'variables' (in container '')")],
        ),
        (
            validations(messageExpression="authorizer.path('/').check('get').reason()"),
            ["undeclared reference to 'authorizer'"],
        ),
        (
            validations(messageExpression="1", message=" "),
            [
                'spec.validations[0].messageExpression: Invalid value: "1": must evaluate to string but got int',
                'spec.validations[0].message: Invalid value: " ": message must be non-empty if specified',
            ],
        ),
        (validations(messageExpression=" "), ['messageExpression: Invalid value: " ": must be non-empty if specified']),
        (
            {**validations(expression="variables.y"), "variables": [{"name": "x", "expression": "variables.y"}]},
            [
                compilation("variables.y", 10, "undefined field 'y'"),
                'spec.validations[0].expression: Invalid value: "variables.y": compilation failed',
            ],
        ),
        (
            {**validations(expression="variables.x"), "variables": [{"name": "x", "expression": "[1]"}]},
            ['spec.validations[0].expression: Invalid value: "variables.x": must evaluate to bool but got list(int)'],
        ),
        (
            {**GOOD, "variables": [{"name": "a-b", "expression": "1"}, {"name": "in", "expression": ""}]},
            [
                'spec.variables[0].name: Invalid value: "a-b": must be a valid CEL identifier',
                'spec.variables[1].name: Invalid value: "in": must be a valid CEL identifier',
                "spec.variables[1].expression: Required value: expression is not specified",
            ],
        ),
        (
            {
                **GOOD,
                "matchConditions": [{"name": "a", "expression": "variables.x"}, {"name": "a", "expression": "true"}],
            },
            [
                "undeclared reference to 'variables'",
                'spec.matchConditions[1].name: Duplicate value: "a"',
            ],
        ),
        (
            {**GOOD, "auditAnnotations": [{"key": "k", "valueExpression": "1"}, {"key": "k", "valueExpression": ""}]},
            [
                (
                    'spec.auditAnnotations[0].valueExpression: Invalid value: "1": must evaluate to one of'
                    " [string null_type] but got int"
                ),
                "spec.auditAnnotations[1].valueExpression: Required value: valueExpression is not specified",
                'spec.auditAnnotations[1].key: Duplicate value: "k"',
            ],
        ),
        (
            {**GOOD, "auditAnnotations": [{"key": "a b", "valueExpression": f"'{'a' * 5120}'"}]},
            [
                'spec.auditAnnotations[0].key: Invalid value: "p/a b"',
                "spec.auditAnnotations[0].valueExpression: Required value: must not exceed 5120 bytes in length",
            ],
        ),
        (
            {**GOOD, "auditAnnotations": [{"key": f"k{n}", "valueExpression": "null"} for n in range(21)]},
            ["must not have more than 20 auditAnnotations"],
        ),
    ],
)
async def test_policies_that_are_refused(api: ApiInProcess, spec: Json, errors: list[str]) -> None:
    code, answer = await api.send("POST", POLICIES, {"metadata": {"name": "p"}, "spec": spec})
    assert code == 422
    said = [f"{cause['field']}: {cause['message']}" for cause in answer["details"]["causes"]]
    assert len(said) == len(errors), said
    for text, error in zip(said, errors, strict=True):
        assert error in text
    assert answer["message"].startswith('ValidatingAdmissionPolicy.admissionregistration.k8s.io "p" is invalid: ')


@pytest.mark.parametrize(
    ("spec", "errors"),
    [
        (
            {},
            [
                "spec.policyName: Required value",
                "spec.validationActions: Required value: at least one validation action",
            ],
        ),
        ({**BOUND, "policyName": "A"}, ['spec.policyName: Invalid value: "A"']),
        (
            {**BOUND, "validationActions": ["Deny", "Warn", "Deny", "Log"]},
            [
                'spec.validationActions[2]: Duplicate value: "Deny"',
                'spec.validationActions[3]: Unsupported value: "Log": supported values: "Audit", "Deny", "Warn"',
                f'spec.validationActions: Invalid value: ["Deny","Warn","Deny","Log"]: {BOTH}',
            ],
        ),
        (
            {**BOUND, "paramRef": {"name": "a", "selector": {}}},
            [
                "spec.paramRef.name: Forbidden: name and selector are mutually exclusive",
                "spec.paramRef.selector: Forbidden: name and selector are mutually exclusive",
                "spec.paramRef.parameterNotFoundAction: Required value",
            ],
        ),
        (
            {**BOUND, "paramRef": {"parameterNotFoundAction": "Warn"}},
            [
                "spec.paramRef: Required value: one of name or selector must be specified",
                'parameterNotFoundAction: Unsupported value: "Warn": supported values: "Deny", "Allow"',
            ],
        ),
        (
            {**BOUND, "matchResources": {"matchPolicy": "Some"}},
            ['spec.matchResources.matchPolicy: Unsupported value: "Some": supported values: "Equivalent", "Exact"'],
        ),
    ],
)
async def test_bindings_that_are_refused(api: ApiInProcess, spec: Json, errors: list[str]) -> None:
    code, answer = await api.send("POST", BINDINGS, {"metadata": {"name": "b"}, "spec": spec})
    assert code == 422
    said = [f"{cause['field']}: {cause['message']}" for cause in answer["details"]["causes"]]
    assert len(said) == len(errors), said
    for text, error in zip(said, errors, strict=True):
        assert error in text


async def test_long_expressions_are_compiled_by_a_process(api: ApiInProcess) -> None:
    long = f"object.x == '{'a' * 3_000}'"
    code, answer = await api.send(
        "POST", POLICIES, {"metadata": {"name": "p"}, "spec": validations(expression=f"{long} && self == 1")}
    )
    await api.api.rules.close()
    assert code == 422
    assert "undeclared reference to 'self'" in answer["message"]


async def test_nobody_has_a_policy_read_what_he_may_not_read(api: ApiInProcess) -> None:
    role = {"metadata": {"name": "r"}, "rules": [{"verbs": ["create"], "apiGroups": ["*"], "resources": ["*"]}]}
    await api.create("/apis/rbac.authorization.k8s.io/v1/clusterroles", role)
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "r"}
    subjects = [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "lena"}]
    binding = {"metadata": {"name": "r"}, "roleRef": reference, "subjects": subjects}
    await api.create("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding)
    made = {"metadata": {"name": "p"}, "spec": {**GOOD, "paramKind": {"apiVersion": "v1", "kind": "Secret"}}}
    bound = {**BOUND, "paramRef": {"name": "s", "namespace": "default", "parameterNotFoundAction": "Deny"}}
    api.user = User("lena", ("devs",))
    code, answer = await api.send("POST", POLICIES, made)
    user = "&{lena  [devs] map[]}"
    head = 'ValidatingAdmissionPolicy.admissionregistration.k8s.io "p" is invalid: spec.paramKind: Forbidden: user'
    said = 'must have "get" permission on all objects of the referenced paramKind (kind=Secret, apiVersion=v1)'
    assert (code, answer["message"]) == (422, f"{head} {user} {said}")
    code, answer = await api.send("POST", BINDINGS, {"metadata": {"name": "b"}, "spec": bound})
    said = f'user {user} does not have "get" permission on the object referenced by paramRef'
    assert (code, answer["details"]["causes"][0]["message"]) == (422, f"Forbidden: {said}")
    await api.create(POLICIES, {"metadata": {"name": "p"}, "spec": GOOD})
