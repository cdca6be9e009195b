"""The RBAC authorizer: who may do what, from Roles, ClusterRoles and their bindings in the store."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.state.storage import Event, Storage
from crossfade_local.apiserver.wire.request import RequestInfo, User

MASTERS: Final = "system:masters"
_GROUP: Final = "rbac.authorization.k8s.io"
_BUCKETS: Final = tuple(f"{_GROUP}/{name}" for name in ("roles", "clusterroles", "rolebindings", "clusterrolebindings"))
_ACCOUNT_PREFIX: Final = "system:serviceaccount:"


@dataclass(frozen=True)
class Grant:
    """A rule that applies to a user, and where it comes from."""

    rule: JsonObject
    namespace: str
    """Empty: everywhere."""
    binding: str
    role: str
    subject: str

    @property
    def reason(self) -> str:
        kind = "RoleBinding" if "/" in self.binding else "ClusterRoleBinding"
        return f'RBAC: allowed by {kind} "{self.binding}" of {self.role} to {self.subject}'


class Authorizer:
    """Reads the store on every question; bindings are indexed by subject until one changes."""

    def __init__(self, storage: Storage) -> None:
        self._storage: Final = storage
        self._index: dict[tuple[str, str], list[tuple[JsonObject, str, JsonObject]]] | None = None
        storage.on_change(self._changed)

    def _changed(self, bucket: str, event: Event) -> None:  # noqa: ARG002 - the store's signature
        if bucket in _BUCKETS:
            self._index = None

    def allows(self, user: User, info: RequestInfo) -> tuple[bool, str]:
        """Whether the request is allowed, and why."""
        if MASTERS in user.groups:
            return True, ""
        for grant in self.grants(user, info.namespace):
            if covers(grant.rule, info):
                return True, grant.reason
        return False, ""

    def decide(self, about: JsonObject) -> tuple[bool, str]:
        """What `authorizer` is asked in CEL: names of `RequestInfo`, and the user. RBAC knows no selectors."""
        user = User(about["user"]["name"], tuple(about["user"]["groups"]))
        names = ("group", "resource", "subresource", "namespace", "name")
        return self.allows(
            user, RequestInfo(about["verb"], about.get("path", ""), **{name: about.get(name, "") for name in names})
        )

    def grants(self, user: User, namespace: str) -> Iterator[Grant]:
        """The rules that apply to a user cluster-wide and in a namespace."""
        for kind, name in _identities(user):
            for binding, place, subject in self._bindings().get((kind, name), ()):
                if place and place != namespace:
                    continue
                reference = binding["roleRef"]
                role = self._role(reference, place)
                if role is None:
                    continue
                label = f"{binding['metadata']['name']}/{place}" if place else binding["metadata"]["name"]
                for rule in role.get("rules") or ():
                    yield Grant(rule, place, label, f'{reference["kind"]} "{reference["name"]}"', _said(subject, place))

    def _role(self, reference: JsonObject, namespace: str) -> JsonObject | None:
        bucket = "clusterroles" if reference["kind"] == "ClusterRole" else "roles"
        place = "" if bucket == "clusterroles" else namespace
        stored = self._storage.get(f"{_GROUP}/{bucket}", place, reference["name"])
        return stored.object if stored else None

    def _bindings(self) -> dict[tuple[str, str], list[tuple[JsonObject, str, JsonObject]]]:
        """(subject kind, name) → bindings, each with the namespace it is limited to and the subject."""
        if self._index is None:
            self._index = {}
            for bucket in ("clusterrolebindings", "rolebindings"):
                for stored in self._storage.scan(f"{_GROUP}/{bucket}"):
                    for subject in stored.object.get("subjects") or ():
                        key = _subject_key(subject)
                        self._index.setdefault(key, []).append((stored.object, stored.key[0], subject))
        return self._index

    def may_escalate(self, user: User, rules: list[JsonObject], namespace: str) -> list[JsonObject]:
        """The single permissions of `rules` that the user does not hold; nobody may grant those."""
        if MASTERS in user.groups:
            return []
        held = [grant.rule for grant in self.grants(user, namespace)]
        wanted = (atom for rule in rules for atom in atoms(rule))
        return [atom for atom in wanted if not any(covers_atom(own, atom) for own in held)]


def _said(subject: JsonObject, place: str) -> str:
    if subject["kind"] == "ServiceAccount":
        return f'ServiceAccount "{subject["name"]}/{subject.get("namespace") or place}"'
    return f'{subject["kind"]} "{subject["name"]}"'


def _subject_key(subject: JsonObject) -> tuple[str, str]:
    if subject["kind"] == "ServiceAccount":
        return "User", f"{_ACCOUNT_PREFIX}{subject.get('namespace', '')}:{subject['name']}"
    return subject["kind"], subject["name"]


def _identities(user: User) -> Iterator[tuple[str, str]]:
    yield "User", user.name
    for group in user.groups:
        yield "Group", group


def covers(rule: JsonObject, info: RequestInfo) -> bool:
    """Whether a PolicyRule allows a request."""
    verbs = rule.get("verbs") or ()
    if info.verb not in verbs and "*" not in verbs:
        return False
    if not info.is_resource:
        return any(_path_matches(path, info.path) for path in rule.get("nonResourceURLs") or ())
    groups = rule.get("apiGroups") or ()
    if info.group not in groups and "*" not in groups:
        return False
    names = rule.get("resourceNames") or ()
    if names and info.name not in names:
        return False
    return any(_resource_matches(entry, info) for entry in rule.get("resources") or ())


def _resource_matches(entry: str, info: RequestInfo) -> bool:
    combined = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
    return entry in ("*", combined) or (bool(info.subresource) and entry == f"*/{info.subresource}")


def _path_matches(pattern: str, path: str) -> bool:
    return pattern in ("*", path) or (pattern.endswith("*") and path.startswith(pattern[:-1]))


def atoms(rule: JsonObject) -> Iterator[JsonObject]:
    """A rule taken apart into single permissions."""
    for verb in rule.get("verbs") or ():
        for path in rule.get("nonResourceURLs") or ():
            yield {"verbs": [verb], "nonResourceURLs": [path]}
        for group in rule.get("apiGroups") or ():
            for resource in rule.get("resources") or ():
                base = {"verbs": [verb], "apiGroups": [group], "resources": [resource]}
                names = rule.get("resourceNames") or ()
                yield from ({**base, "resourceNames": [name]} for name in names)
                if not names:
                    yield base


def covers_atom(rule: JsonObject, atom: JsonObject) -> bool:
    """Whether a rule grants a single permission, wildcards included."""
    for field in ("verbs", "apiGroups"):
        own = rule.get(field) or ()
        if field in atom and atom[field][0] not in own and "*" not in own:
            return False
    if "nonResourceURLs" in atom:
        return any(_path_matches(path, atom["nonResourceURLs"][0]) for path in rule.get("nonResourceURLs") or ())
    names = rule.get("resourceNames") or ()
    if names and not set(atom.get("resourceNames") or ("",)) <= set(names):
        return False
    resource = atom["resources"][0]
    sub = resource.partition("/")[2]
    own = rule.get("resources") or ()
    return "*" in own or resource in own or bool(sub and f"*/{sub}" in own)
