"""What lets people see the requests of one namespace: they make tokens of its service account, which may see them."""

from collections.abc import Sequence
from typing import Any, Final

from crossfade.observe.access import ACCOUNT, RESOURCE, SUBRESOURCE, VERB
from crossfade_kube.meta import JsonObject

_RBAC: Final = "rbac.authorization.k8s.io"


def tap_manifests(
    namespace: str, groups: Sequence[str], users: Sequence[str], control_planes: Sequence[str]
) -> list[JsonObject]:
    """`control_planes` are namespaces."""
    account = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": namespace}
    named = [*(("Group", name) for name in groups), *(("User", name) for name in users)]
    people = [{"apiGroup": _RBAC, "kind": kind, "name": name} for kind, name in named]
    sees = [_rule("", f"{RESOURCE}/{SUBRESOURCE}", VERB)]
    proves = [
        {**_rule("", "serviceaccounts/token", "create"), "resourceNames": [ACCOUNT]},
        # Which proxies are those of a Deployment.
        _rule("", "pods", "get", "list"),
        _rule("apps", "deployments", "get"),
    ]
    reaches = [_rule("", "pods", "list"), _rule("", "pods/proxy", "get")]
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT, "namespace": namespace}},
        *_granted(namespace, ACCOUNT, sees, [account]),
        *_granted(namespace, f"{ACCOUNT}-for-people", proves, people),
        *(
            one
            for where in dict.fromkeys(control_planes)
            for one in _granted(where, f"{ACCOUNT}-for-{namespace}", reaches, people)
        ),
    ]


def _granted(namespace: str, name: str, rules: list[JsonObject], subjects: list[JsonObject]) -> list[JsonObject]:
    metadata = {"name": name, "namespace": namespace}
    role_ref = {"apiGroup": _RBAC, "kind": "Role", "name": name}
    return [
        {"apiVersion": f"{_RBAC}/v1", "kind": "Role", "metadata": metadata, "rules": rules},
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": dict(metadata),
            "roleRef": role_ref,
            "subjects": subjects,
        },
    ]


def _rule(group: str, resource: str, *verbs: str) -> dict[str, Any]:
    return {"apiGroups": [group], "resources": [resource], "verbs": list(verbs)}
