"""What rules cover, and who may do what through which binding."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from crossfade_local.apiserver.security.rbac import (
    Authorizer,
    RuleIndex,
    TooManyPermissionsError,
    atoms,
    covers,
    covers_atom,
)
from crossfade_local.apiserver.state.database import Database
from crossfade_local.apiserver.state.storage import Storage
from crossfade_local.apiserver.wire.request import RequestInfo, User

GROUP = "rbac.authorization.k8s.io"
PODS = {"apiGroups": [""], "resources": ["pods", "pods/log"], "verbs": ["get", "list"]}
CASES = [
    (PODS, RequestInfo("get", "", "", "v1", "pods", namespace="a"), True),
    (PODS, RequestInfo("get", "", "", "v1", "pods", "log", "a"), True),
    (PODS, RequestInfo("get", "", "", "v1", "pods", "exec", "a"), False),
    (PODS, RequestInfo("delete", "", "", "v1", "pods", namespace="a"), False),
    (PODS, RequestInfo("get", "", "metrics.k8s.io", "v1", "pods"), False),
    ({**PODS, "resources": ["*/scale"]}, RequestInfo("get", "", "", "v1", "things", "scale"), True),
    ({**PODS, "resources": ["*/scale"]}, RequestInfo("get", "", "", "v1", "things"), False),
    ({**PODS, "resourceNames": ["p"]}, RequestInfo("get", "", "", "v1", "pods", name="p"), True),
    ({**PODS, "resourceNames": ["p"]}, RequestInfo("list", "", "", "v1", "pods"), False),
    ({"nonResourceURLs": ["/healthz/*"], "verbs": ["get"]}, RequestInfo("get", "/healthz/etcd"), True),
    ({"nonResourceURLs": ["/healthz/*"], "verbs": ["get"]}, RequestInfo("get", "/metrics"), False),
    ({"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}, RequestInfo("get", "/healthz"), False),
]


@pytest.mark.parametrize(("rule", "info", "expected"), CASES)
def test_rule_covers_request(rule: dict[str, list[str]], info: RequestInfo, *, expected: bool) -> None:
    assert covers(rule, info) is expected


NAMES = st.lists(st.sampled_from(("*", "a", "b", "a/s", "*/s")), max_size=3)
RULES = st.lists(
    st.fixed_dictionaries({"verbs": NAMES, "apiGroups": NAMES, "resources": NAMES})
    | st.fixed_dictionaries(
        {"verbs": NAMES, "nonResourceURLs": st.lists(st.sampled_from(("*", "/a", "/b*")), max_size=2)}
    ),
    max_size=6,
)
INFOS = st.builds(
    lambda verb, group, resource, sub: RequestInfo(verb, "", group, "v1", resource, sub),
    *map(st.sampled_from, ("ab", "ab", "ab", ("", "s", "t"))),
) | st.builds(lambda verb, path: RequestInfo(verb, path), st.sampled_from("ab"), st.sampled_from(("/a", "/b/c")))


@given(rules=RULES, info=INFOS)
def test_an_index_finds_all_rules_that_cover(rules: list[dict[str, list[str]]], info: RequestInfo) -> None:
    found = RuleIndex(rules).about(info.resource if info.is_resource else "", info.subresource)
    assert [rule for rule in found if covers(rule, info)] == [rule for rule in rules if covers(rule, info)]


def test_an_index_leaves_out_the_others() -> None:
    rules = [{**PODS, "resources": [f"r{number}"]} for number in range(1_000)]
    assert RuleIndex(rules).about("r7", "") == [rules[7]]


def test_rule_covers_exactly_its_own_atoms() -> None:
    assert all(covers_atom(PODS, atom) for atom in atoms(PODS))
    wider = {**PODS, "verbs": ["get", "delete"]}
    assert [atom["verbs"] for atom in atoms(wider) if not covers_atom(PODS, atom)] == [["delete"], ["delete"]]
    named = {**PODS, "resourceNames": ["p"]}
    assert not any(covers_atom(named, atom) for atom in atoms(PODS))


async def test_binding_in_a_namespace_reaches_no_further() -> None:
    storage = Storage(Database(None))
    authorizer = Authorizer(storage)
    role = {"metadata": {"name": "reader"}, "rules": [PODS]}
    await storage.create(f"{GROUP}/clusterroles", "", "reader", role)
    subject = {"kind": "ServiceAccount", "namespace": "a", "name": "robot"}
    binding = {
        "metadata": {"name": "b", "namespace": "a"},
        "roleRef": {"kind": "ClusterRole", "name": "reader"},
        "subjects": [subject],
    }
    robot = User("system:serviceaccount:a:robot")
    there, elsewhere = (RequestInfo("list", "", "", "v1", "pods", namespace=name) for name in "ab")
    assert authorizer.allows(robot, there) == (False, "")
    stored = await storage.create(f"{GROUP}/rolebindings", "a", "b", binding)
    reason = 'RBAC: allowed by RoleBinding "b/a" of ClusterRole "reader" to ServiceAccount "robot/a"'
    assert authorizer.allows(robot, there) == (True, reason)
    assert authorizer.allows(robot, elsewhere) == (False, "")
    assert authorizer.allows(User("admin", ("system:masters",)), elsewhere) == (True, "")
    await storage.delete(f"{GROUP}/rolebindings", stored)
    assert authorizer.allows(robot, there) == (False, "")
    storage.close()


async def granted(*rules: dict[str, list[str]]) -> tuple[Storage, Authorizer]:
    """To the user eve, by as many bindings as there are rules, all to one role."""
    storage = Storage(Database(None))
    await storage.create(f"{GROUP}/clusterroles", "", "held", {"metadata": {"name": "held"}, "rules": list(rules)})
    for number in range(len(rules)):
        binding = {
            "metadata": {"name": f"b{number}"},
            "roleRef": {"kind": "ClusterRole", "name": "held"},
            "subjects": [{"kind": "User", "name": "eve"}],
        }
        await storage.create(f"{GROUP}/clusterrolebindings", "", f"b{number}", binding)
    return storage, Authorizer(storage)


async def test_a_role_counts_once_however_often_it_is_bound() -> None:
    storage, authorizer = await granted(PODS, {**PODS, "resources": ["secrets"]})
    assert [grant.rule["resources"] for grant in authorizer.grants(User("eve"), "a")] == [
        PODS["resources"],
        ["secrets"],
    ]
    info = RequestInfo("get", "", "", "v1", "secrets", namespace="a")
    assert authorizer.allows(User("eve"), info)[0]
    stored = storage.get(f"{GROUP}/clusterroles", "", "held")
    assert stored is not None
    await storage.update(f"{GROUP}/clusterroles", stored, {"metadata": {"name": "held"}, "rules": [PODS]})
    assert not authorizer.allows(User("eve"), info)[0]
    storage.close()


async def test_more_permissions_than_can_be_compared_are_not_granted() -> None:
    storage, authorizer = await granted(PODS)
    names = [f"n{number}" for number in range(1_000)]
    rule = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}
    assert authorizer.may_escalate(User("eve"), [{**rule, "resourceNames": names}], "a") == []
    with pytest.raises(TooManyPermissionsError):
        authorizer.may_escalate(User("eve"), [{**rule, "verbs": names, "resourceNames": names}], "a")
    storage.close()


async def test_who_may_do_all_may_grant_all() -> None:
    storage, authorizer = await granted({"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]})
    names = [f"n{number}" for number in range(1_000)]
    path = {"verbs": ["get"], "nonResourceURLs": ["/metrics"]}
    assert authorizer.may_escalate(User("eve"), [{**PODS, "verbs": names, "resourceNames": names}, path], "a") == [path]
    storage.close()
