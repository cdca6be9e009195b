"""The RBAC authorizer: who may do what, from Roles, ClusterRoles and their bindings in the store."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.state.storage import Event, Storage, Stored
from crossfade_local.apiserver.wire.request import RequestInfo, User

MASTERS: Final = "system:masters"
_GROUP: Final = "rbac.authorization.k8s.io"
_BUCKETS: Final = tuple(f"{_GROUP}/{name}" for name in ("roles", "clusterroles", "rolebindings", "clusterrolebindings"))
_ACCOUNT_PREFIX: Final = "system:serviceaccount:"
_MOST_COMPARED: Final = 200_000
"""Permissions that are to be granted with rules that are held: less than a tenth of a second."""


class TooManyPermissionsError(Exception):
    """There are more of them than can be compared."""


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


@dataclass(frozen=True)
class _Bound:
    """A role that a user has, by the first binding that gives it."""

    role: Stored
    bucket: str
    namespace: str
    binding: JsonObject
    subject: JsonObject

    def grant(self, rule: JsonObject) -> Grant:
        name, reference = self.binding["metadata"]["name"], self.binding["roleRef"]
        label = f"{name}/{self.namespace}" if self.namespace else name
        role = f'{reference["kind"]} "{reference["name"]}"'
        return Grant(rule, self.namespace, label, role, _said(self.subject, self.namespace))


class RuleIndex:
    """Rules by the resources that they name: a role may have thousands."""

    def __init__(self, rules: list[JsonObject]) -> None:
        self._rules: Final = rules
        self._by_resource: Final[dict[str, list[int]]] = {}
        self._of_paths: Final = [place for place, rule in enumerate(rules) if rule.get("nonResourceURLs")]
        for place, rule in enumerate(rules):
            for name in rule.get("resources") or ():
                self._by_resource.setdefault(name, []).append(place)

    def about(self, resource: str, subresource: str) -> list[JsonObject]:
        """Those that may say something of it, in their order; of a path where the resource is empty."""
        if not resource:
            return [self._rules[place] for place in self._of_paths]
        names = ("*", f"{resource}/{subresource}", f"*/{subresource}") if subresource else ("*", resource)
        places = {place for name in names for place in self._by_resource.get(name, ())}
        return [self._rules[place] for place in sorted(places)]


class Authorizer:
    """Reads the store on every question; bindings and rules are indexed until one changes."""

    def __init__(self, storage: Storage) -> None:
        self._storage: Final = storage
        self._index: dict[tuple[str, str], list[tuple[JsonObject, str, JsonObject]]] | None = None
        self._rules: Final[dict[tuple[str, str, str], RuleIndex]] = {}
        storage.on_change(self._changed)

    def _changed(self, bucket: str, event: Event) -> None:
        if bucket in _BUCKETS:
            self._index = None
            self._rules.pop((bucket, *event.after.key), None)

    def allows(self, user: User, info: RequestInfo) -> tuple[bool, str]:
        """Whether the request is allowed, and why."""
        if MASTERS in user.groups:
            return True, ""
        resource = info.resource if info.is_resource else ""
        for bound in self._bound(user, info.namespace):
            for rule in self._rules_of(bound).about(resource, info.subresource):
                if covers(rule, info):
                    return True, bound.grant(rule).reason
        return False, ""

    def _rules_of(self, bound: _Bound) -> RuleIndex:
        key = (bound.bucket, *bound.role.key)
        found = self._rules.get(key)
        if found is None:
            found = self._rules[key] = RuleIndex(bound.role.object.get("rules") or [])
        return found

    def decide(self, about: JsonObject) -> tuple[bool, str]:
        """What `authorizer` is asked in CEL: names of `RequestInfo`, and the user. RBAC knows no selectors."""
        user = User(about["user"]["name"], tuple(about["user"]["groups"]))
        names = ("group", "resource", "subresource", "namespace", "name")
        return self.allows(
            user, RequestInfo(about["verb"], about.get("path", ""), **{name: about.get(name, "") for name in names})
        )

    def grants(self, user: User, namespace: str) -> Iterator[Grant]:
        """The rules that apply to a user cluster-wide and in a namespace."""
        for bound in self._bound(user, namespace):
            yield from map(bound.grant, bound.role.object.get("rules") or ())

    def _bound(self, user: User, namespace: str) -> Iterator[_Bound]:
        """Each role once for the cluster, and once for the namespace."""
        seen: set[tuple[str, str, str]] = set()
        for kind, name in _identities(user):
            for binding, place, subject in self._bindings().get((kind, name), ()):
                if place and place != namespace:
                    continue
                reference = binding["roleRef"]
                key = (reference["kind"], reference["name"], place)
                if key in seen:
                    continue
                seen.add(key)
                plural = "clusterroles" if reference["kind"] == "ClusterRole" else "roles"
                bucket = f"{_GROUP}/{plural}"
                role = self._storage.get(bucket, "" if plural == "clusterroles" else place, reference["name"])
                if role is not None:
                    yield _Bound(role, bucket, place, binding, subject)

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
        """The single permissions of `rules` that the user does not hold; nobody may grant those.

        Raises TooManyPermissionsError.
        """
        if MASTERS in user.groups:
            return []
        held = [grant.rule for grant in self.grants(user, namespace)]
        if any(map(_covers_resources, held)):
            rules = [rule for rule in rules if rule.get("nonResourceURLs")]
        index, left, lacking = RuleIndex(held), _MOST_COMPARED, []
        for atom in (atom for rule in rules for atom in atoms(rule)):
            resource, _, subresource = (atom.get("resources") or [""])[0].partition("/")
            found = index.about(resource, subresource)
            left -= 1 + len(found)
            if left < 0:
                raise TooManyPermissionsError
            if not any(covers_atom(own, atom) for own in found):
                lacking.append(atom)
        return lacking


def _covers_resources(rule: JsonObject) -> bool:
    """Whether it grants whatever can be done with a resource."""
    return not rule.get("resourceNames") and all(
        "*" in (rule.get(name) or ()) for name in ("verbs", "apiGroups", "resources")
    )


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
