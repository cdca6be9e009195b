"""What rules cover, and who may do what through which binding."""

import pytest

from crossfade_local.apiserver.security.rbac import Authorizer, atoms, covers, covers_atom
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
