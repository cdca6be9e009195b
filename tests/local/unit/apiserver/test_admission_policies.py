"""ValidatingAdmissionPolicies decide on requests as on Kubernetes, with its words."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from crossfade_local.apiserver.policies import index as stored
from crossfade_local.apiserver.policies.index import PolicyIndex
from crossfade_local.apiserver.state.database import Database
from crossfade_local.apiserver.state.storage import Storage
from crossfade_local.apiserver.wire.request import User
from tests.support.api_in_process import ApiInProcess, Json

GROUP = "/apis/admissionregistration.k8s.io/v1"
POLICIES = f"{GROUP}/validatingadmissionpolicies"
BINDINGS = f"{GROUP}/validatingadmissionpolicybindings"
MAPS = "/api/v1/namespaces/default/configmaps"
BUDGET = "validation failed due to running out of cost budget, no further validation rules will be run"


@pytest.fixture
async def api() -> AsyncIterator[ApiInProcess]:
    found = ApiInProcess(Storage(Database(None)))
    await found.create("/api/v1/namespaces", {"metadata": {"name": "default", "labels": {"team": "a"}}})
    yield found
    await found.api.rules.close()


def rule(*resources: str, operations: tuple[str, ...] = ("CREATE", "UPDATE"), group: str = "", **more: Any) -> Json:
    return {
        "apiGroups": [group],
        "apiVersions": ["v1"],
        "operations": list(operations),
        "resources": list(resources or ("configmaps",)),
        **more,
    }


def policy(
    *expressions: str, name: str = "p", rules: tuple[Json, ...] = (), match: Json | None = None, **spec: Any
) -> Json:
    validations = [{"expression": expression} for expression in expressions]
    constraints = {"resourceRules": list(rules or (rule(),)), **(match or {})}
    return {
        "metadata": {"name": name},
        "spec": {"matchConstraints": constraints, "validations": validations, **spec},
    }


async def bound(api: ApiInProcess, made: Json, *actions: str, binding: str = "b", **spec: Any) -> None:
    await api.create(POLICIES, made)
    given = {"policyName": made["metadata"]["name"], "validationActions": list(actions or ("Deny",)), **spec}
    await api.create(BINDINGS, {"metadata": {"name": binding}, "spec": given})


def config_map(name: str = "a", **data: str) -> Json:
    return {"metadata": {"name": name}, "data": data}


async def said_of(api: ApiInProcess, obj: Json | None = None, path: str = MAPS) -> str:
    """By the policy `p` with its binding `b`; empty where the object is created."""
    code, answer = await api.send("POST", path, obj or config_map(x="2"))
    if code == 201:
        return ""
    head, _, said = answer["message"].partition(" denied request: ")
    assert head.endswith(" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b'"), answer
    return str(said)


async def test_a_policy_refuses(api: ApiInProcess) -> None:
    await bound(api, policy("object.data.x == '1'"))
    code, answer = await api.send("POST", MAPS, config_map(x="2"))
    said = "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: failed expression: object.data.x == '1'"
    assert (code, answer["reason"], answer["message"]) == (422, "Invalid", f'configmaps "a" is forbidden: {said}')
    assert answer["details"] == {"name": "a", "kind": "configmaps", "causes": [{"message": said}]}
    await api.create(MAPS, config_map(x="1"))
    code, answer = await api.send(
        "PATCH", f"{MAPS}/a", {"data": {"x": "3"}}, content_type="application/merge-patch+json"
    )
    assert (code, answer["message"]) == (422, f'configmaps "a" is forbidden: {said}')


@pytest.mark.parametrize(
    ("validation", "said"),
    [
        ({"message": " no "}, "no"),
        ({"message": "no", "messageExpression": "'x is ' + object.data.x"}, "x is 2"),
        ({"message": "no", "messageExpression": "string(object.data.y)"}, "no"),
        ({"message": "no", "messageExpression": "'  '"}, "no"),
        ({"message": "no", "messageExpression": r"'a\nb'"}, "no"),
        ({"messageExpression": f"'{'m' * 5121}'"}, "failed expression: object.data.x == '1'"),
        ({"expression": " object.data.x ==\n'1' "}, "failed expression: object.data.x ==\n'1'"),
        (
            {"expression": "object.data.y == '1'", "message": "no"},
            "expression 'object.data.y == '1'' resulted in error: no such key: y",
        ),
    ],
)
async def test_what_is_said(api: ApiInProcess, validation: Json, said: str) -> None:
    made = policy(validations=[{"expression": "object.data.x == '1'", **validation}])
    await bound(api, made)
    assert await said_of(api) == said


@pytest.mark.parametrize(("reason", "code"), [("Forbidden", 403), ("RequestEntityTooLarge", 413), ("Invalid", 422)])
async def test_reasons_have_their_codes(api: ApiInProcess, reason: str, code: int) -> None:
    await bound(api, policy(validations=[{"expression": "false", "reason": reason}]))
    found, answer = await api.send("POST", MAPS, config_map())
    assert (found, answer["code"], answer["reason"]) == (code, code, reason)


async def test_a_policy_without_a_binding_does_nothing(api: ApiInProcess) -> None:
    await api.create(POLICIES, policy("false"))
    await api.create(MAPS, config_map())


async def test_who_warns_refuses_nothing(api: ApiInProcess) -> None:
    await bound(api, policy("false", "object.data.y == ''"), "Warn", "Audit")
    await api.create(MAPS, config_map())
    head = "Validation failed for ValidatingAdmissionPolicy 'p' with binding 'b': "
    assert api.warnings == (
        f"{head}failed expression: false",
        f"{head}expression 'object.data.y == ''' resulted in error: no such key: data",
    )
    await bound(api, policy("false", name="q"), "Audit", binding="c")
    await api.create(MAPS, config_map("b"))
    assert len(api.warnings) == 2


async def test_all_policies_are_asked_and_the_first_denial_counts(api: ApiInProcess) -> None:
    await bound(api, policy("false", name="z"), "Warn", binding="z")
    await bound(api, policy("true", "false", name="p"))
    await bound(api, policy("false", name="r"), binding="a")
    assert await said_of(api) == "failed expression: false"
    assert api.warnings == (
        "Validation failed for ValidatingAdmissionPolicy 'z' with binding 'z': failed expression: false",
    )


@pytest.mark.parametrize(
    ("variables", "expression", "said"),
    [
        ({"x": "object.data.x"}, "variables.x == '2'", ""),
        ({"x": "object.data.x", "y": "variables.x + '!'"}, "variables.y == '2!'", ""),
        ({"x": "object.data.absent", "y": "variables.x + '!'"}, "true || variables.y == ''", ""),
        ({"x": "object.data.absent"}, "has(object.data.absent) ? variables.x == '' : true", ""),
        ({"x": "null"}, "variables.x == null && has(variables.x)", ""),
        ({"x": "optional.none()"}, "!variables.x.hasValue()", ""),
        ({"x": "quantity('1Ki')"}, "variables.x.isGreaterThan(quantity('1k'))", ""),
        ({"x": "[1, 2]"}, "variables.x.all(variable, variable < 3)", ""),
        (
            {"x": "object.data.absent", "y": "variables.x + '!'"},
            "variables.y == ''",
            (
                "expression 'variables.y == ''' resulted in error: composited variable \"y\" fails to evaluate:"
                ' composited variable "x" fails to evaluate: no such key: absent'
            ),
        ),
    ],
)
async def test_variables_are_evaluated_where_they_are_reached(
    api: ApiInProcess, variables: dict[str, str], expression: str, said: str
) -> None:
    declared = [{"name": name, "expression": text} for name, text in variables.items()]
    await bound(api, policy(expression, variables=declared))
    assert await said_of(api) == said


async def test_a_long_chain_of_variables(api: ApiInProcess) -> None:
    chain = [{"name": f"v{number}", "expression": f"variables.v{number - 1} + 1"} for number in range(1, 400)]
    await bound(api, policy("variables.v399 == 400", variables=[{"name": "v0", "expression": "1"}, *chain]))
    assert await said_of(api) == ""


async def test_a_variable_of_the_same_name_twice_does_not_go_round(api: ApiInProcess) -> None:
    twice = [{"name": "x", "expression": "1"}, {"name": "x", "expression": "variables.x + 1"}]
    await bound(api, policy("variables.x == 2", variables=twice))
    assert "fails to evaluate" in await said_of(api)


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("request.operation == 'CREATE' && request.name == 'a' && request.namespace == 'default'", ""),
        ("request.kind.kind == 'ConfigMap' && request.resource.resource == 'configmaps' && !request.dryRun", ""),
        ("request.userInfo.username == 'admin'", ""),
        ("namespaceObject.metadata.labels.team == 'a' && namespaceObject.status.phase == 'Active'", ""),
        ("oldObject == null && object.metadata.name == 'a'", ""),
        ("authorizer.group('apps').resource('deployments').namespace('default').check('create').allowed()", ""),
        ("authorizer.requestResource.check('delete').allowed()", ""),
        ("authorizer.path('/metrics').check('get').allowed()", ""),
        ("!authorizer.serviceAccount('default', 'web').group('').resource('pods').check('get').allowed()", ""),
        (
            "authorizer.group('').resource(' ').check('get').allowed()",
            (
                "expression 'authorizer.group('').resource(' ').check('get').allowed()' resulted in error:"
                " resource must not be empty"
            ),
        ),
    ],
)
async def test_what_expressions_see(api: ApiInProcess, expression: str, said: str) -> None:
    await bound(api, policy(expression))
    assert await said_of(api) == said


@pytest.mark.parametrize(
    ("match", "is_asked"),
    [
        ({}, True),
        ({"namespaceSelector": {"matchLabels": {"team": "a"}}}, True),
        ({"namespaceSelector": {"matchLabels": {"team": "b"}}}, False),
        ({"objectSelector": {"matchLabels": {"app": "web"}}}, True),
        ({"objectSelector": {"matchLabels": {"app": "other"}}}, False),
        ({"excludeResourceRules": [rule()]}, False),
        ({"excludeResourceRules": [rule(resourceNames=["b"])]}, True),
        ({"resourceRules": [rule(resourceNames=["a"])]}, True),
        ({"resourceRules": [rule(resourceNames=["b"])]}, False),
        ({"resourceRules": [rule("*", scope="Namespaced")]}, True),
        ({"resourceRules": [rule("*", scope="Cluster")]}, False),
        ({"resourceRules": [rule("*/*", group="*")]}, True),
        ({"resourceRules": [rule("configmaps/status")]}, False),
        ({"resourceRules": [rule(operations=("DELETE",))]}, False),
    ],
)
async def test_which_requests_a_policy_and_a_binding_are_about(api: ApiInProcess, match: Json, is_asked: bool) -> None:
    obj = {"metadata": {"name": "a", "labels": {"app": "web"}}}
    await bound(api, policy("false", match=match))
    assert bool(await said_of(api, obj)) == is_asked
    for path in (f"{POLICIES}/p", f"{BINDINGS}/b", f"{MAPS}/a"):
        await api.send("DELETE", path)
    await bound(api, policy("false"), matchResources={"resourceRules": [rule()], **match})
    assert bool(await said_of(api, obj)) == is_asked


@pytest.mark.parametrize(("match_policy", "said"), [("Equivalent", "failed expression: false"), ("Exact", "")])
async def test_other_versions_of_a_resource(api: ApiInProcess, match_policy: str, said: str) -> None:
    modern = rule("ingresses", group="networking.k8s.io")
    shown = "has(object.spec.rules[0].http.paths[0].backend.service) && request.kind.group == 'networking.k8s.io'"
    asked = "request.requestKind.version == 'v1beta1'"
    await bound(api, policy(shown, asked, "false", rules=(modern,), match={"matchPolicy": match_policy}))
    paths = [{"path": "/", "backend": {"serviceName": "web", "servicePort": 80}}]
    old = {"metadata": {"name": "a"}, "spec": {"rules": [{"http": {"paths": paths}}]}}
    assert await said_of(api, old, "/apis/extensions/v1beta1/namespaces/default/ingresses") == said


async def test_what_is_deleted_is_shown_as_the_old_object(api: ApiInProcess) -> None:
    await api.create(MAPS, config_map("keep"))
    await api.create(MAPS, config_map("drop"))
    about = (rule(operations=("DELETE",)),)
    await bound(api, policy("object == null && oldObject.metadata.name != 'keep'", rules=about))
    assert (await api.send("DELETE", f"{MAPS}/keep"))[0] == 422
    assert (await api.send("DELETE", f"{MAPS}/drop"))[0] == 200


async def test_a_namespace_has_no_namespace_object(api: ApiInProcess) -> None:
    await bound(api, policy("namespaceObject == null && request.namespace == 'b'", rules=(rule("namespaces"),)))
    assert await said_of(api, {"metadata": {"name": "b"}}, "/api/v1/namespaces") == ""


ABSENT = "object.data.absent == ''"
NO_KEY = f"expression '{ABSENT}' resulted in error: no such key: absent"


@pytest.mark.parametrize(("failure", "said"), [("Fail", NO_KEY), ("Ignore", "")])
async def test_the_failure_policy_decides_on_errors(api: ApiInProcess, failure: str, said: str) -> None:
    await bound(api, policy(ABSENT, failurePolicy=failure))
    assert await said_of(api) == said


@pytest.mark.parametrize(("failure", "said"), [("Fail", NO_KEY), ("Ignore", "")])
async def test_the_failure_policy_decides_on_errors_of_conditions(api: ApiInProcess, failure: str, said: str) -> None:
    conditions = [{"name": "c", "expression": ABSENT}]
    await bound(api, policy("false", failurePolicy=failure, matchConditions=conditions))
    assert await said_of(api) == said


async def test_match_conditions_choose(api: ApiInProcess) -> None:
    conditions = [
        {"name": "fails", "expression": ABSENT},
        {"name": "only", "expression": "object.metadata.name == 'a' && authorizer.path('/').check('get').allowed()"},
    ]
    await bound(api, policy("false", matchConditions=conditions))
    await api.create(MAPS, config_map("b"))
    assert await said_of(api) == NO_KEY


async def test_an_audit_annotation_that_fails_refuses_whatever_the_actions_are(api: ApiInProcess) -> None:
    annotations = [{"key": "k", "valueExpression": "string(object.data.absent)"}]
    await bound(api, policy(auditAnnotations=annotations), "Audit")
    said = "expression 'string(object.data.absent)' resulted in error: no such key: absent"
    assert await said_of(api) == said
    assert await said_of(api, config_map(absent="x")) == ""


WANTED = "params == null || params.data.x == object.metadata.name"
NONE = "failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction"


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ({"name": "one"}, ""),
        ({"name": "two"}, f"failed expression: {WANTED}"),
        ({"name": "one", "namespace": "default"}, ""),
        ({"name": "one", "namespace": "other"}, NONE),
        ({"name": "absent"}, NONE),
        ({"name": "absent", "parameterNotFoundAction": "Allow"}, ""),
        ({"selector": {"matchLabels": {"for": "one"}}}, ""),
        ({"selector": {}}, f"failed expression: {WANTED}"),
        ({"selector": {"matchLabels": {"for": "nobody"}}}, NONE),
        (None, ""),
    ],
)
async def test_parameters(api: ApiInProcess, reference: Json | None, said: str) -> None:
    for name in ("one", "two"):
        await api.create(MAPS, {"metadata": {"name": name, "labels": {"for": name}}, "data": {"x": name}})
    made = policy(WANTED, paramKind={"apiVersion": "v1", "kind": "ConfigMap"}, rules=(rule("secrets"),))
    more = {"paramRef": {"parameterNotFoundAction": "Deny", **reference}} if reference is not None else {}
    await bound(api, made, **more)
    assert await said_of(api, {"metadata": {"name": "one"}}, "/api/v1/namespaces/default/secrets") == said


async def test_a_kind_of_parameters_that_is_not_known(api: ApiInProcess) -> None:
    kind = {"apiVersion": "example.com/v1", "kind": "Limit"}
    await bound(api, policy("true", paramKind=kind), paramRef={"name": "a", "parameterNotFoundAction": "Allow"})
    code, answer = await api.send("POST", MAPS, config_map())
    named = "'example.com/v1, Kind=Limit'"
    why = f"failed to configure policy: failed to find resource referenced by paramKind: {named}"
    said = f"ValidatingAdmissionPolicy 'p' denied request: {why}"
    assert (code, answer["message"]) == (422, f'configmaps "a" is forbidden: {said}')


async def test_cluster_scoped_requests_have_no_namespaced_parameters(api: ApiInProcess) -> None:
    made = policy("true", paramKind={"apiVersion": "v1", "kind": "ConfigMap"}, rules=(rule("nodes"),))
    await bound(api, made, paramRef={"name": "a", "parameterNotFoundAction": "Allow"})
    said = await said_of(api, {"metadata": {"name": "n"}}, "/api/v1/nodes")
    why = "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources"
    assert said == f"failed to configure binding: {why}"


async def test_policies_are_not_asked_about_policies_and_reviews(api: ApiInProcess) -> None:
    everything = rule("*/*", group="*", operations=("*",), apiVersions=["*"])
    await bound(api, policy("false", rules=(everything,)))
    assert (await api.send("POST", MAPS, config_map()))[0] == 422
    review = {"spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}}
    assert (await api.send("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review))[0] == 201
    assert (await api.send("DELETE", f"{BINDINGS}/b"))[0] == 200
    assert (await api.send("DELETE", f"{POLICIES}/p"))[0] == 200
    await api.create(MAPS, config_map())


async def test_a_dry_run_is_refused_as_well(api: ApiInProcess) -> None:
    await bound(api, policy("!request.dryRun"))
    code, _ = await api.send("POST", MAPS, config_map(), dryRun="All")
    assert code == 422
    await api.create(MAPS, config_map())


async def test_an_expression_that_takes_too_long_is_given_up(api: ApiInProcess) -> None:
    numbers = f"[{', '.join(map(str, range(20)))}]"
    loops = "true"
    for name in "abcdefg":
        loops = f"{numbers}.all({name}, {loops})"
    await bound(api, policy(loops))
    assert await said_of(api) == BUDGET


async def test_a_process_asks_back_who_may_do_what(api: ApiInProcess) -> None:
    asked = "authorizer.group('').resource(word).check('get').allowed()"
    await bound(api, policy(f"['pods', 'secrets'].all(word, {asked})"))
    assert await said_of(api) == ""
    role = {"metadata": {"name": "writes"}, "rules": [{"verbs": ["create"], "apiGroups": [""], "resources": ["*"]}]}
    await api.create("/apis/rbac.authorization.k8s.io/v1/clusterroles", role)
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "writes"}
    subjects = [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "lena"}]
    binding = {"metadata": {"name": "lena"}, "roleRef": reference, "subjects": subjects}
    await api.create("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding)
    api.user = User("lena")
    assert (await said_of(api, config_map("b"))).startswith("failed expression: ['pods'")


async def test_only_policies_about_a_resource_are_looked_at(api: ApiInProcess) -> None:
    for number in range(100):
        other = policy("false", name=f"p{number}", rules=(rule("secrets", "pods/exec", "apps/*"),))
        await bound(api, other, binding=f"b{number}")
    await bound(api, policy("false", name="wide", rules=(rule("*", group="*"),)), binding="wide")
    index = PolicyIndex(api.storage, stored.POLICIES, stored.BINDINGS)
    assert [one.policy["metadata"]["name"] for one in index.about([("", "configmaps")])] == ["wide"]
    assert len(index.about([("", "pods")])) == 101
    await api.send("DELETE", f"{BINDINGS}/wide")
    assert index.about([("", "configmaps")]) == []
