"""Who owns whom, by uid; pure bookkeeping that answers what may have become garbage after a change."""

from collections import defaultdict
from typing import Final, NamedTuple

from crossfade_kube.meta import JsonObject, NamespacedName, Resource
from crossfade_local.controllers.objects import is_being_deleted, key_of, uid_of

FOREGROUND: Final = "foregroundDeletion"
ORPHAN: Final = "orphan"


class Owner(NamedTuple):
    """An owner reference."""

    uid: str
    api_version: str
    kind: str
    name: str
    blocks: bool


class Node(NamedTuple):
    """An object, reduced to what ownership needs."""

    uid: str
    resource: Resource
    key: NamespacedName
    owners: tuple[Owner, ...]
    finalizers: tuple[str, ...]
    is_being_deleted: bool

    @property
    def waits_for_dependents(self) -> bool:
        return self.is_being_deleted and FOREGROUND in self.finalizers

    @property
    def orphans_dependents(self) -> bool:
        return self.is_being_deleted and ORPHAN in self.finalizers


def node_of(resource: Resource, obj: JsonObject) -> Node:
    metadata = obj["metadata"]
    owners = tuple(
        Owner(item["uid"], item["apiVersion"], item["kind"], item["name"], bool(item.get("blockOwnerDeletion")))
        for item in metadata.get("ownerReferences") or ()
    )
    finalizers = tuple(metadata.get("finalizers") or ())
    return Node(uid_of(obj), resource, key_of(obj), owners, finalizers, is_being_deleted(obj))


class OwnerGraph:
    """Objects and their dependents; an owner may be known only by the references to it."""

    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}
        self._dependents: defaultdict[str, set[str]] = defaultdict(set)

    def get(self, uid: str) -> Node | None:
        return self._nodes.get(uid)

    def dependents(self, uid: str) -> list[Node]:
        return [self._nodes[item] for item in sorted(self._dependents.get(uid, ()))]

    def put(self, node: Node) -> set[str]:
        """The uids to look at because of this new or changed object."""
        before = self._nodes.get(node.uid)
        self._nodes[node.uid] = node
        former = set(before.owners) if before is not None else set()
        for owner in former - set(node.owners):
            self._unlink(owner.uid, node.uid)
        for owner in node.owners:
            self._dependents[owner.uid].add(node.uid)
        due = {owner.uid for owner in former ^ set(node.owners) if self._waits(owner.uid)}
        if node.waits_for_dependents or node.orphans_dependents:
            due.add(node.uid)
        if any(owner.uid not in self._nodes or self._waits(owner.uid) for owner in node.owners):
            due.add(node.uid)
        return due

    def remove(self, uid: str) -> set[str]:
        """The uids to look at because this object is gone."""
        node = self._nodes.pop(uid, None)
        if node is None:
            return set()
        for owner in node.owners:
            self._unlink(owner.uid, uid)
        return set(self._dependents.get(uid, ())) | {owner.uid for owner in node.owners if self._waits(owner.uid)}

    def _waits(self, uid: str) -> bool:
        node = self._nodes.get(uid)
        return node is not None and node.waits_for_dependents

    def _unlink(self, owner: str, dependent: str) -> None:
        self._dependents[owner].discard(dependent)
        if not self._dependents[owner]:
            del self._dependents[owner]
