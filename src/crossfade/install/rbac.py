"""Roles and whom they are bound to."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from crossfade_kube.meta import JsonObject

GROUP: Final = "rbac.authorization.k8s.io"


def people(groups: Iterable[str], users: Iterable[str]) -> list[JsonObject]:
    named = [*(("Group", name) for name in groups), *(("User", name) for name in users)]
    return [{"apiGroup": GROUP, "kind": kind, "name": name} for kind, name in named]


def rule(group: str, resources: str | Sequence[str], *verbs: str) -> dict[str, Any]:
    listed = [resources] if isinstance(resources, str) else list(resources)
    return {"apiGroups": [group], "resources": listed, "verbs": list(verbs)}


def granted(namespace: str | None, name: str, rules: list[JsonObject], subjects: list[JsonObject]) -> list[JsonObject]:
    """In one namespace, or in all and for what is in none."""
    metadata = {"name": name, "namespace": namespace} if namespace else {"name": name}
    kind = "Role" if namespace else "ClusterRole"
    return [
        {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": metadata, "rules": rules},
        {
            "apiVersion": f"{GROUP}/v1",
            "kind": f"{kind}Binding",
            "metadata": dict(metadata),
            "roleRef": {"apiGroup": GROUP, "kind": kind, "name": name},
            "subjects": subjects,
        },
    ]
