"""What every Kubernetes object has: names, references, metadata, conditions."""

from typing import Any, NamedTuple, TypeAlias

from msgspec import Struct, field

JsonObject: TypeAlias = dict[str, Any]


class NamespacedName(NamedTuple):
    """Identity of an object within its kind; `namespace` is empty for cluster-scoped kinds."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


class GroupVersionKind(NamedTuple):
    """`group` is empty for the core API."""

    group: str
    version: str
    kind: str

    @property
    def api_version(self) -> str:
        """As written in manifests: `v1`, `apps/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version


class Resource(NamedTuple):
    """How a kind is addressed over HTTP."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool

    @property
    def gvk(self) -> GroupVersionKind:
        return GroupVersionKind(self.group, self.version, self.kind)

    @property
    def api_version(self) -> str:
        # Not by way of `gvk`: compilation asks for this once per object and reference.
        return f"{self.group}/{self.version}" if self.group else self.version


class ObjectRef(NamedTuple):
    """Points at one object, precise enough for an Event's `involvedObject`."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {NamespacedName(self.namespace, self.name)}"


class ObjectMeta(Struct, frozen=True, rename="camel"):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: str = ""
    deletion_timestamp: str | None = None
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    finalizers: tuple[str, ...] = ()

    @property
    def key(self) -> NamespacedName:
        return NamespacedName(self.namespace, self.name)

    @property
    def age(self) -> tuple[str, NamespacedName]:
        """Sorts the oldest first; the name decides between objects of the same second."""
        return self.creation_timestamp, self.key


class Condition(Struct, frozen=True, rename="camel"):
    """`status` is one of "True", "False", "Unknown"; `last_transition_time` is RFC 3339 in UTC."""

    type: str
    status: str
    last_transition_time: str = ""
    reason: str = ""
    message: str = ""
    observed_generation: int | None = None


class LabelSelectorRequirement(Struct, frozen=True):
    key: str
    operator: str
    values: tuple[str, ...] = ()


class LabelSelector(Struct, frozen=True, rename="camel"):
    match_labels: dict[str, str] = field(default_factory=dict)
    match_expressions: tuple[LabelSelectorRequirement, ...] = ()

    def matches(self, labels: dict[str, str]) -> bool:
        """An empty selector matches everything; an absent one is the caller's business (it differs per kind)."""
        return all(labels.get(key) == value for key, value in self.match_labels.items()) and all(
            _requirement_holds(requirement, labels) for requirement in self.match_expressions
        )


def _requirement_holds(requirement: LabelSelectorRequirement, labels: dict[str, str]) -> bool:
    present = requirement.key in labels
    match requirement.operator:
        case "In":
            return present and labels[requirement.key] in requirement.values
        case "NotIn":
            return not present or labels[requirement.key] not in requirement.values
        case "Exists":
            return present
        case "DoesNotExist":
            return not present
    return False
