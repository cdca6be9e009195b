"""Kubernetes' questions of who may do what (`authorizer`). What decides them is given with each evaluation."""

from collections.abc import Callable
from typing import Any, Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.crd.cel_library.values import content_of, kind_of, made, text
from crossfade_local.apiserver.validation import names

Decide = Callable[[JsonObject], tuple[bool, str]]
"""Whether what is asked is allowed, and why. The question has the names of `RequestInfo`, and `user`."""

_AUTHORIZER: Final = "authorizer"
_PATH: Final = "path check"
_GROUP: Final = "group check"
_RESOURCE: Final = "resource check"
_DECISION: Final = "decision"


def authorizer_of(user: JsonObject) -> dict[str, Any]:
    """`user` has a name, and groups."""
    return made(_AUTHORIZER, {"user": user})


def request_resource(user: JsonObject, about: JsonObject) -> dict[str, Any]:
    """`about` has the resource's group, its name, and what else the request names."""
    return made(_RESOURCE, {"user": user, **about})


def functions(decide: Decide) -> dict[str, Callable[..., Any]]:
    """What has to be asked of whom knows the roles, beside `FUNCTIONS`."""

    def check(value: Any, verb: Any) -> dict[str, Any]:
        kind = _PATH if kind_of(value) == _PATH else _RESOURCE
        allowed, reason = decide({**content_of(kind, value), "verb": text(verb)})
        return made(_DECISION, {"allowed": allowed, "reason": reason})

    return {"check": check}


def _path(value: Any, path: Any) -> dict[str, Any]:
    if not text(path).strip():
        raise ValueError("path must not be empty")
    return made(_PATH, {**content_of(_AUTHORIZER, value), "path": path})


def _group(value: Any, group: Any) -> dict[str, Any]:
    return made(_GROUP, {**content_of(_AUTHORIZER, value), "group": text(group)})


def _service_account(value: Any, namespace: Any, name: Any) -> dict[str, Any]:
    content_of(_AUTHORIZER, value)
    if names.dns_subdomain(text(name)):
        raise ValueError("Invalid service account name")
    if names.dns_label(text(namespace)):
        raise ValueError("Invalid service account namespace")
    groups = ["system:serviceaccounts", f"system:serviceaccounts:{namespace}"]
    return authorizer_of({"name": f"system:serviceaccount:{namespace}:{name}", "groups": groups})


def _resource(value: Any, resource: Any) -> dict[str, Any]:
    if not text(resource).strip():
        raise ValueError("resource must not be empty")
    return made(_RESOURCE, {**content_of(_GROUP, value), "resource": resource})


def _narrowed(field: str) -> Callable[[Any, Any], dict[str, Any]]:
    def narrowed(value: Any, to: Any) -> dict[str, Any]:
        return made(_RESOURCE, {**content_of(_RESOURCE, value), field: text(to)})

    narrowed.__name__ = field
    return narrowed


FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "path": _path,
    "group": _group,
    "serviceAccount": _service_account,
    "resource": _resource,
    **{field: _narrowed(field) for field in ("subresource", "namespace", "name", "fieldSelector", "labelSelector")},
    "allowed": lambda value: content_of(_DECISION, value)["allowed"],
    "reason": lambda value: content_of(_DECISION, value)["reason"],
    # Whoever knows the roles always comes to a decision.
    "errored": lambda value: "error" in content_of(_DECISION, value),
    "error": lambda value: content_of(_DECISION, value).get("error", ""),
}
