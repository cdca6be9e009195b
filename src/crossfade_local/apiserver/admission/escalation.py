"""Nobody grants permissions that they don't have: checked when roles and bindings are written."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.admission.attributes import Attributes
from crossfade_local.apiserver.security.rbac import MASTERS, Authorizer, TooManyPermissionsError
from crossfade_local.apiserver.state.storage import Storage
from crossfade_local.apiserver.values.gotext import quoted
from crossfade_local.apiserver.wire.request import RequestInfo, User
from crossfade_local.apiserver.wire.status import forbidden, not_found

_GROUP: Final = "rbac.authorization.k8s.io"
_ROLES: Final = frozenset({f"{_GROUP}/roles", f"{_GROUP}/clusterroles"})
_BINDINGS: Final = frozenset({f"{_GROUP}/rolebindings", f"{_GROUP}/clusterrolebindings"})
_TOO_MANY: Final = (
    "the rules grant more single permissions (a verb on a resource of a group) than can be compared with those of who"
    " writes them: name fewer in one role, or let somebody of system:masters write it"
)
_GO_FIELDS: Final = (
    ("APIGroups", "apiGroups"),
    ("Resources", "resources"),
    ("NonResourceURLs", "nonResourceURLs"),
    ("ResourceNames", "resourceNames"),
    ("Verbs", "verbs"),
)


def no_escalation(storage: Storage, authorizer: Authorizer) -> Callable[[Attributes], None]:
    def step(attributes: Attributes) -> None:
        user, obj = attributes.call.user, attributes.new
        if obj is None or MASTERS in user.groups or attributes.bucket not in _ROLES | _BINDINGS:
            return
        is_role = attributes.bucket in _ROLES
        if is_role and obj.get("rules") == (attributes.old or {}).get("rules"):
            return
        if _is_exempt(authorizer, attributes, user, is_role=is_role):
            return
        rules = obj.get("rules") or [] if is_role else _rules_of(storage, attributes, obj)
        try:
            lacking = authorizer.may_escalate(user, rules, attributes.namespace)
            problem = lacking and _said(user, lacking)
        except TooManyPermissionsError:
            problem = _TOO_MANY
        if problem:
            raise forbidden(attributes.resource.plural, _GROUP, attributes.name, problem)

    return step


def _is_exempt(authorizer: Authorizer, attributes: Attributes, user: User, *, is_role: bool) -> bool:
    """The verbs `escalate` (on roles) and `bind` (on the role of a binding) lift the rule."""
    namespace = attributes.namespace
    if is_role:
        plural = attributes.resource.plural
        asked = RequestInfo("escalate", "", _GROUP, "v1", plural, "", namespace, attributes.name)
    else:
        reference = (attributes.new or {})["roleRef"]
        plural = "clusterroles" if reference["kind"] == "ClusterRole" else "roles"
        asked = RequestInfo("bind", "", _GROUP, "v1", plural, "", namespace, reference["name"])
    return authorizer.allows(user, asked)[0]


def _rules_of(storage: Storage, attributes: Attributes, binding: JsonObject) -> list[JsonObject]:
    reference = binding["roleRef"]
    plural = "clusterroles" if reference["kind"] == "ClusterRole" else "roles"
    namespace = "" if plural == "clusterroles" else attributes.namespace
    stored = storage.get(f"{_GROUP}/{plural}", namespace, reference["name"])
    if stored is None:
        raise not_found(attributes.resource.plural, _GROUP, reference["name"])
    return stored.object.get("rules") or []


def _said(user: User, lacking: list[JsonObject]) -> str:
    rules = "\n".join(sorted({_go_rule(rule) for rule in compacted(lacking)}))
    groups = _go_list(user.groups)
    return f'user "{user.name}" (groups={groups}) is attempting to grant RBAC permissions not currently held:\n{rules}'


def compacted(permissions: Iterable[JsonObject]) -> Iterator[JsonObject]:
    """Single permissions, those on one resource as one rule with all of their verbs (RBAC's `CompactRules`)."""
    verbs: dict[tuple[str, ...], list[str]] = {}
    for permission in permissions:
        if "nonResourceURLs" in permission:
            yield permission
        else:
            place = (*permission["apiGroups"], *permission["resources"], *permission.get("resourceNames", ()))
            verbs.setdefault(place, []).extend(permission["verbs"])
    for (group, resource, *names), granted in verbs.items():
        yield {"apiGroups": [group], "resources": [resource], "resourceNames": names, "verbs": granted}


def _go_rule(rule: JsonObject) -> str:
    parts = []
    for label, name in _GO_FIELDS:
        if rule.get(name):
            parts.append(f"{label}:{_go_list(rule[name])}")
    return "{" + ", ".join(parts) + "}"


def _go_list(values: Iterable[str]) -> str:
    return f"[{' '.join(map(quoted, values))}]"
