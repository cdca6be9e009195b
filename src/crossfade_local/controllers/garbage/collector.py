"""Deletes what has lost all its owners, and completes foreground and orphaning deletions.

Nothing is deleted on hearsay: that an owner is gone is confirmed with the server first, and the uid of what is
deleted is a precondition.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from crossfade_kube.client import Client
from crossfade_kube.errors import Conflict, NotFound
from crossfade_kube.meta import JsonObject, Resource
from crossfade_local.controllers.discovery import ServedResources
from crossfade_local.controllers.garbage.graph import FOREGROUND, ORPHAN, Node, Owner, OwnerGraph, node_of
from crossfade_local.controllers.informers import Handler, Informers
from crossfade_local.controllers.objects import uid_of
from crossfade_local.controllers.reconciler import Reconciler, Retry

# An owner that its watch has not brought yet may go before it does, and nobody would hear of that.
_UNKNOWN_OWNER_S: Final = 3.0


class Owners(NamedTuple):
    """The owners of an object, sorted by what they mean for it."""

    solid: list[Owner]
    gone: list[Owner]
    waiting: list[Owner]


class GarbageCollector:
    """Works on the uids of objects."""

    def __init__(self, client: Client, informers: Informers, served: ServedResources) -> None:
        self.reconciler: Reconciler[str] = Reconciler("garbage", self._reconcile)
        self._client = client
        self._informers = informers
        self._served = served
        self._graph = OwnerGraph()
        served.on_change(self._handler_for)

    def _handler_for(self, resource: Resource) -> Handler:
        def handle(before: JsonObject | None, after: JsonObject | None) -> None:
            due: set[str] = set()
            if before is not None and (after is None or uid_of(before) != uid_of(after)):
                due |= self._graph.remove(uid_of(before))
            if after is not None:
                due |= self._graph.put(node_of(resource, after))
            for uid in due:
                self.reconciler.queue.add(uid)

        return handle

    async def _reconcile(self, uid: str) -> float | None:
        node = self._graph.get(uid)
        if node is None:
            return None
        if node.orphans_dependents:
            await self._orphan_dependents(node)
        elif node.waits_for_dependents:
            await self._delete_dependents(node)
        elif not node.is_being_deleted and node.owners:
            await self._collect(node)
            if any(self._graph.get(owner.uid) is None for owner in node.owners):
                return _UNKNOWN_OWNER_S
        return None

    async def _collect(self, node: Node) -> None:
        owners = await self._classify(node)
        if not owners.gone and not owners.waiting:
            return
        if owners.solid:
            lost = {owner.uid for owner in (*owners.gone, *owners.waiting)}
            await self._drop_owners(node, lost)
            return
        policy = "Background"
        if owners.waiting and self._graph.dependents(node.uid):
            policy = "Foreground"
        elif ORPHAN in node.finalizers:
            policy = "Orphan"
        elif FOREGROUND in node.finalizers:
            policy = "Foreground"
        try:
            await self._client.delete(
                node.resource,
                node.key.name,
                namespace=node.key.namespace,
                uid=node.uid,
                propagation_policy=policy,
            )
        except (NotFound, Conflict):
            # Gone, or another object of the same name by now.
            return

    async def _classify(self, node: Node) -> Owners:
        found = Owners([], [], [])
        for owner in node.owners:
            known = self._graph.get(owner.uid) or await self._fetch(node, owner)
            # A reference reaches cluster-scoped objects and those of its own namespace.
            if known is None or known.key.namespace not in ("", node.key.namespace):
                found.gone.append(owner)
            elif known.waits_for_dependents and owner.blocks:
                found.waiting.append(owner)
            else:
                found.solid.append(owner)
        return found

    async def _fetch(self, node: Node, owner: Owner) -> Node | None:
        """None when the server confirms that this owner does not exist."""
        resource = self._served.find(_group_of(owner.api_version), owner.kind)
        if resource is None:
            raise Retry(f"{node.resource.kind} {node.key} is owned by an unknown kind {owner.kind}")
        if resource.namespaced and not node.key.namespace:
            return None
        try:
            obj = await self._client.get(resource, owner.name, namespace=node.key.namespace)
        except NotFound:
            return None
        return node_of(resource, obj) if uid_of(obj) == owner.uid else None

    async def _delete_dependents(self, node: Node) -> None:
        dependents = self._graph.dependents(node.uid)
        if not any(owner.uid == node.uid and owner.blocks for item in dependents for owner in item.owners):
            await self._remove_finalizer(node, FOREGROUND)
            return
        for dependent in dependents:
            if not dependent.is_being_deleted:
                self.reconciler.queue.add(dependent.uid)

    async def _orphan_dependents(self, node: Node) -> None:
        for dependent in self._graph.dependents(node.uid):
            await self._drop_owners(dependent, {node.uid})
        await self._remove_finalizer(node, ORPHAN)

    async def _drop_owners(self, node: Node, lost: set[str]) -> None:
        def change(metadata: JsonObject) -> JsonObject:
            owners = metadata.get("ownerReferences") or []
            return {"ownerReferences": [owner for owner in owners if owner["uid"] not in lost] or None}

        await self._change_metadata(node, change)

    async def _remove_finalizer(self, node: Node, finalizer: str) -> None:
        def change(metadata: JsonObject) -> JsonObject:
            return {"finalizers": [item for item in metadata.get("finalizers") or () if item != finalizer] or None}

        await self._change_metadata(node, change)

    async def _change_metadata(self, node: Node, change: Callable[[JsonObject], JsonObject]) -> None:
        """A merge patch made from the object as it is now; a change in between is a Conflict and tried again."""
        try:
            obj = await self._client.get(node.resource, node.key.name, namespace=node.key.namespace)
            if uid_of(obj) != node.uid:
                return
            metadata = {**change(obj["metadata"]), "resourceVersion": obj["metadata"]["resourceVersion"]}
            stored = await self._client.patch(
                node.resource, node.key.name, {"metadata": metadata}, namespace=node.key.namespace
            )
        except NotFound:
            return
        if stored["metadata"].get("finalizers") or not stored["metadata"].get("deletionTimestamp"):
            self._informers.of(node.resource).observe(stored)


def _group_of(api_version: str) -> str:
    return api_version.rpartition("/")[0]
