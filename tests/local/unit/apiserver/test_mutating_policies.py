"""MutatingAdmissionPolicies change objects as on Kubernetes, with its words."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from crossfade_local.apiserver.state.database import Database
from crossfade_local.apiserver.state.storage import Storage
from tests.support.api_in_process import ApiInProcess, Json

GROUP = "/apis/admissionregistration.k8s.io/v1"
POLICIES = f"{GROUP}/mutatingadmissionpolicies"
BINDINGS = f"{GROUP}/mutatingadmissionpolicybindings"
MAPS = "/api/v1/namespaces/default/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
RULE = {
    "apiGroups": ["", "apps"],
    "apiVersions": ["v1"],
    "operations": ["*"],
    "resources": ["configmaps", "deployments"],
}
ABSENT = "Object{spec: Object.spec{replicas: object.spec.absent}}"
NO_PATCH = "error applying patch"
MISMATCH = "which matches field name path from root Object type"


@pytest.fixture
async def api() -> AsyncIterator[ApiInProcess]:
    found = ApiInProcess(Storage(Database(None)))
    await found.create("/api/v1/namespaces", {"metadata": {"name": "default"}})
    yield found
    await found.api.rules.close()


def applied(expression: str) -> Json:
    return {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}}


def patch(expression: str) -> Json:
    return {"patchType": "JSONPatch", "jsonPatch": {"expression": expression}}


def spec(*mutations: Json, **more: Any) -> Json:
    return {
        "matchConstraints": {"resourceRules": [RULE]},
        "reinvocationPolicy": "Never",
        "mutations": list(mutations),
        **more,
    }


async def bound(api: ApiInProcess, given: Json, name: str = "p", **binding: Any) -> None:
    await api.create(POLICIES, {"metadata": {"name": name}, "spec": given})
    await api.create(BINDINGS, {"metadata": {"name": name}, "spec": {"policyName": name, **binding}})


def config_map(**data: str) -> Json:
    return {"metadata": {"name": "a", "labels": {"app": "web"}}, "data": data}


def deployment(**spec_: Any) -> Json:
    containers = [{"name": "web", "image": "web:1"}, {"name": "side", "image": "side:1"}]
    template = {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": containers}}
    return {
        "metadata": {"name": "a"},
        "spec": {"selector": {"matchLabels": {"app": "a"}}, "template": template, **spec_},
    }


async def refused(api: ApiInProcess, obj: Json, path: str = MAPS) -> str:
    """By the policy `p` with its binding `p`."""
    code, answer = await api.send("POST", path, obj)
    assert (code, answer["code"], answer["reason"]) == (403, 403, "Invalid"), answer
    head, _, said = answer["message"].partition(" denied request: ")
    assert head == "policy 'p' with binding 'p'"
    assert answer["details"]["causes"][0] == {"message": answer["message"]}
    return str(said)


@pytest.mark.parametrize(
    ("mutation", "data"),
    [
        (applied("Object{data: {'y': '2'}}"), {"x": "1", "y": "2"}),
        (applied("Object{data: {'x': object.data.x + '!'}}"), {"x": "1!"}),
        (applied("Object{}"), {"x": "1"}),
        (applied("has(object.data.z) ? Object{data: {'y': '2'}} : Object{}"), {"x": "1"}),
        (applied("Object{?data: optional.of({'y': '2'})}"), {"x": "1", "y": "2"}),
        (patch("[JSONPatch{op: 'add', path: '/data/y', value: '2'}]"), {"x": "1", "y": "2"}),
        (
            patch("[JSONPatch{op: 'remove', path: '/data/x'}, JSONPatch{op: 'add', path: '/data/y', value: '2'}]"),
            {"y": "2"},
        ),
        (patch("[JSONPatch{op: 'move', from: '/data/x', path: '/data/y'}]"), {"y": "1"}),
        (patch("[JSONPatch{op: 'add', path: '/data', value: {'y': '2'}}]"), {"y": "2"}),
        (
            patch("[JSONPatch{op: 'test', path: '/data/x', value: '9'}, JSONPatch{op: 'remove', path: '/data/x'}]"),
            {"x": "1"},
        ),
        (patch("object.data.map(key, JSONPatch{op: 'replace', path: '/data/' + key, value: 'seen'})"), {"x": "seen"}),
        (patch("has(object.data.z) ? [JSONPatch{op: 'remove', path: '/data/z'}] : []"), {"x": "1"}),
    ],
)
async def test_what_becomes_of_an_object(api: ApiInProcess, mutation: Json, data: Json) -> None:
    await bound(api, spec(mutation))
    made = await api.create(MAPS, config_map(x="1"))
    assert made["data"] == data
    assert made["metadata"]["labels"] == {"app": "web"}


async def test_keys_of_paths_are_escaped(api: ApiInProcess) -> None:
    path = "'/metadata/labels/' + jsonpatch.escapeKey('example.com/a')"
    await bound(api, spec(patch(f"[JSONPatch{{op: 'add', path: {path}, value: 'x'}}]")))
    made = await api.create(MAPS, config_map(x="1"))
    assert made["metadata"]["labels"]["example.com/a"] == "x"


async def test_items_of_lists_are_merged_by_their_keys_and_defaults_are_filled_in(api: ApiInProcess) -> None:
    container = (
        "Object.spec.template.spec.containers{name: 'web', imagePullPolicy: 'Always',"
        " ports: [Object.spec.template.spec.containers.ports{containerPort: 80}]}"
    )
    inner = f"Object.spec.template.spec{{containers: [{container}]}}"
    await bound(api, spec(applied(f"Object{{spec: Object.spec{{template: Object.spec.template{{spec: {inner}}}}}}}")))
    made = await api.create(DEPLOYMENTS, deployment())
    web, side = made["spec"]["template"]["spec"]["containers"]
    assert (web["image"], web["imagePullPolicy"]) == ("web:1", "Always")
    assert web["ports"] == [{"containerPort": 80, "protocol": "TCP"}]
    assert side["image"] == "side:1"


@pytest.mark.parametrize(
    ("mutation", "said"),
    [
        (
            applied("Object{spec: Object.spec{replica: 2}}"),
            f"{NO_PATCH}: failed to convert patch object to typed object: .spec.replica: field not declared in schema",
        ),
        (
            applied("Object{spec: Object.spec{replicas: 'a'}}"),
            (
                f"{NO_PATCH}: failed to convert patch object to typed object: .spec.replicas: expected numeric"
                " (int or float), got string"
            ),
        ),
        (
            applied("Object{spec: Object.spec{selector: Object.spec.selector{matchLabels: {'a': 'b'}}}}"),
            f"{NO_PATCH}: invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: .spec.selector",
        ),
        (
            applied("Object{spec: Object.other{replicas: 2}}"),
            f'type mismatch: unexpected type name "Object.other", expected "Object.spec", {MISMATCH}',
        ),
        (
            applied(ABSENT),
            f"expression '{ABSENT}' resulted in error: no such key: absent",
        ),
        (
            patch("[JSONPatch{op: 'add', path: '/spec', value: Object.spec{template: Object.spec{}}}]"),
            f'type mismatch: unexpected type name "Object.spec", expected "Object.spec.template", {MISMATCH}',
        ),
        (
            patch("[JSONPatch{op: 'remove', path: '/spec/absent'}]"),
            'JSON Patch: remove operation does not apply: "/spec/absent"',
        ),
        (
            patch("[JSONPatch{op: 'add', path: '/spec/replicas', value: quantity('1')}]"),
            "JSONPath valueExpression evaluated to a type that could not marshal to JSON",
        ),
        (applied("Object{spec: Object.spec{replicas: 0.0 / 0.0}}"), NO_PATCH),
        (applied("Object{metadata: Object.metadata{annotations: {1: 'a'}}}"), NO_PATCH),
    ],
)
async def test_what_goes_wrong(api: ApiInProcess, mutation: Json, said: str) -> None:
    await bound(api, spec(mutation))
    assert (await refused(api, deployment(), DEPLOYMENTS)).startswith(said)


async def test_a_failure_that_is_ignored_leaves_the_rest(api: ApiInProcess) -> None:
    broken = patch("[JSONPatch{op: 'remove', path: '/data/absent'}]")
    await bound(api, spec(broken, applied("Object{data: {'y': '2'}}"), failurePolicy="Ignore"))
    assert (await api.create(MAPS, config_map(x="1")))["data"] == {"x": "1", "y": "2"}


@pytest.mark.parametrize("value", ["[1]", "'text'", "{'a': 1}"])
async def test_a_patch_to_another_form_is_a_fault_of_the_policy(api: ApiInProcess, value: str) -> None:
    await bound(api, spec(patch(f"[JSONPatch{{op: 'add', path: '/data', value: {value}}}]")))
    code, answer = await api.send("POST", MAPS, config_map(x="1"))
    assert (code, answer["reason"]) == (500, "InternalError")


async def test_an_unknown_field_is_a_fault_of_the_policy(api: ApiInProcess) -> None:
    await bound(api, spec(patch("[JSONPatch{op: 'add', path: '/oops', value: 1}]")))
    code, answer = await api.send("POST", MAPS, config_map(x="1"))
    assert code == 500
    assert answer["message"] == 'Internal error occurred: strict decoding error: unknown field "oops"'


async def test_conditions_variables_parameters_and_updates(api: ApiInProcess) -> None:
    await api.create(MAPS, {"metadata": {"name": "limits"}, "data": {"team": "jazz"}})
    given = spec(
        applied("Object{metadata: Object.metadata{labels: {'team': variables.team}}}"),
        paramKind={"apiVersion": "v1", "kind": "ConfigMap"},
        variables=[{"name": "team", "expression": "params.data.team + '-' + request.operation"}],
        matchConditions=[{"name": "only", "expression": "object.metadata.name == 'a'"}],
    )
    await bound(api, given, paramRef={"name": "limits", "parameterNotFoundAction": "Deny"})
    assert (await api.create(MAPS, config_map()))["metadata"]["labels"] == {"app": "web", "team": "jazz-CREATE"}
    _, made = await api.send("PATCH", f"{MAPS}/a", {"data": {"x": "1"}}, content_type="application/merge-patch+json")
    assert made["metadata"]["labels"]["team"] == "jazz-UPDATE"
    other = {"metadata": {"name": "b"}}
    assert "labels" not in (await api.create(MAPS, other))["metadata"]
    await api.send("DELETE", f"{MAPS}/limits")
    code, answer = await api.send("POST", MAPS, {**config_map(), "metadata": {"name": "c"}})
    why = "failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction"
    assert (code, answer["reason"]) == (403, "Forbidden")
    assert answer["message"] == f"policy 'p' with binding 'p' denied request: {why}"


async def test_each_policy_sees_what_those_before_it_did(api: ApiInProcess) -> None:
    for name in ("a", "b"):
        given = spec(applied(f"Object{{data: {{'x': object.data.x + '{name}'}}}}"))
        await bound(api, given, name)
    assert (await api.create(MAPS, config_map(x="1")))["data"] == {"x": "1ab"}


async def test_who_asks_for_it_sees_later_changes(api: ApiInProcess) -> None:
    counted = "Object{data: {'count': string(object.data.size())}}"
    await bound(api, spec(applied(counted), reinvocationPolicy="IfNeeded"), "a")
    await bound(api, spec(applied("Object{data: {'y': '2'}}")), "b")
    assert (await api.create(MAPS, config_map(x="1")))["data"] == {"x": "1", "y": "2", "count": "3"}


async def test_validating_policies_see_what_mutating_ones_made(api: ApiInProcess) -> None:
    await bound(api, spec(applied("Object{data: {'y': '2'}}")))
    validating = {"matchConstraints": {"resourceRules": [RULE]}, "validations": [{"expression": "has(object.data.y)"}]}
    await api.create(f"{GROUP}/validatingadmissionpolicies", {"metadata": {"name": "v"}, "spec": validating})
    binding = {"policyName": "v", "validationActions": ["Deny"]}
    await api.create(f"{GROUP}/validatingadmissionpolicybindings", {"metadata": {"name": "v"}, "spec": binding})
    await api.create(MAPS, config_map(x="1"))


async def test_a_scale_is_changed_as_a_scale(api: ApiInProcess) -> None:
    await api.create(DEPLOYMENTS, deployment(replicas=1))
    rule = {**RULE, "resources": ["deployments/scale"]}
    limited = "Object{spec: Object.spec{replicas: object.spec.replicas > 3 ? 3 : object.spec.replicas}}"
    await bound(api, {**spec(applied(limited)), "matchConstraints": {"resourceRules": [rule]}})
    merge = "application/merge-patch+json"
    _, scaled = await api.send("PATCH", f"{DEPLOYMENTS}/a/scale", {"spec": {"replicas": 9}}, content_type=merge)
    assert scaled["spec"]["replicas"] == 3


@pytest.mark.parametrize("change", ["path: '/spec', value: 'text'", "path: '/spec/replicas', value: 2.5"])
async def test_a_scale_of_another_form_is_a_fault_of_the_policy(api: ApiInProcess, change: str) -> None:
    made = await api.create(DEPLOYMENTS, deployment(replicas=1))
    rule = {**RULE, "resources": ["deployments/scale"]}
    broken = patch(f"[JSONPatch{{op: 'replace', {change}}}]")
    await bound(api, {**spec(broken), "matchConstraints": {"resourceRules": [rule]}})
    scale = {"metadata": made["metadata"] | {"managedFields": None}, "spec": {"replicas": 2}}
    code, answer = await api.send("PUT", f"{DEPLOYMENTS}/a/scale", scale)
    assert (code, answer["reason"]) == (500, "InternalError")


async def test_long_work_is_done_by_a_process(api: ApiInProcess) -> None:
    numbers = f"[{', '.join(map(str, range(20)))}]"
    loops = f"{numbers}.all(a, {numbers}.all(b, a < 20 && b < 20)) ? '2' : '3'"
    await bound(api, spec(applied(f"Object{{data: {{'y': {loops}}}}}")))
    assert (await api.create(MAPS, config_map(x="1")))["data"] == {"x": "1", "y": "2"}
    broken = applied("Object{data: {'y': [1].map(n, object.data.absent)[0]}}")
    await bound(api, spec(broken), "q")
    code, answer = await api.send("POST", MAPS, {"metadata": {"name": "b"}})
    assert code == 403
    assert answer["message"].endswith("no such key: absent")


@pytest.mark.parametrize(
    ("given", "errors"),
    [
        (
            {"matchConstraints": {"resourceRules": [RULE]}},
            [
                "spec.mutations: Required value: mutations must contain at least one item",
                "spec.reinvocationPolicy: Required",
            ],
        ),
        (
            spec(applied("Object{}"), reinvocationPolicy="other"),
            ['Unsupported value: "other": supported values: "IfNeeded", "Never"'],
        ),
        (
            spec({"patchType": "JSONPatch", "applyConfiguration": {"expression": "Object{}"}}),
            [
                (
                    'mutations[0].applyConfiguration: Invalid value: "{applyConfiguration}": must not be specified when'
                    " patchType is JSONPatch"
                ),
                "spec.mutations[0].jsonPatch: Required value: must be specified when patchType is JSONPatch",
            ],
        ),
        (
            spec({"patchType": "Other"}, {}),
            [
                'patchType: Unsupported value: "Other": supported values: "ApplyConfiguration", "JSONPatch"',
                "spec.mutations[1].patchType: Required value",
            ],
        ),
        (spec(applied(" ")), ["spec.mutations[0].applyConfiguration.expression: Required value"]),
        (
            spec(applied("{'a': 1}"), patch("[1]")),
            ["must evaluate to Object but got map(string, int)", "must evaluate to list(JSONPatch) but got list(int)"],
        ),
        (
            spec(applied("Foo{a: 1}"), patch("[JSONPatch{oops: 1}]")),
            ["undeclared reference to 'Foo' (in container '')", "undefined field 'oops'"],
        ),
        (
            spec(applied("Object{}"), matchConstraints={"resourceRules": [{**RULE, "operations": ["DELETE"]}]}),
            [
                (
                    'spec.matchConstraints.resourceRules.operations: Unsupported value: "DELETE": supported values:'
                    ' "*", "CONNECT", "CREATE", "UPDATE"'
                )
            ],
        ),
    ],
)
async def test_policies_that_are_refused(api: ApiInProcess, given: Json, errors: list[str]) -> None:
    code, answer = await api.send("POST", POLICIES, {"metadata": {"name": "p"}, "spec": given})
    assert code == 422
    said = [f"{cause['field']}: {cause['message']}" for cause in answer["details"]["causes"]]
    assert len(said) == len(errors), said
    for text, error in zip(said, errors, strict=True):
        assert error in text


async def test_no_other_expression_makes_messages(api: ApiInProcess) -> None:
    validating = {
        "matchConstraints": {"resourceRules": [RULE]},
        "validations": [{"expression": "Object{} == Object{}"}, {"expression": "jsonpatch.escapeKey('a') == 'a'"}],
    }
    code, answer = await api.send(
        "POST", f"{GROUP}/validatingadmissionpolicies", {"metadata": {"name": "v"}, "spec": validating}
    )
    assert code == 422
    assert "undeclared reference to 'Object'" in answer["message"]
    assert "undeclared reference to 'jsonpatch'" in answer["message"]
