"""ControllerRevisions: the numbered templates of a StatefulSet or DaemonSet, in the form kubectl's rollout reads."""

from collections.abc import Collection
from typing import NamedTuple

from crossfade_kube.client import Client
from crossfade_kube.errors import AlreadyExists, NotFound
from crossfade_kube.meta import JsonObject, LabelSelector
from crossfade_kube.resources import CONTROLLER_REVISION
from crossfade_local.controllers.deployments.revisions import template_hash
from crossfade_local.controllers.informers import Informers
from crossfade_local.controllers.objects import (
    controller_of,
    controller_ref,
    is_being_deleted,
    name_of,
    namespace_of,
    uid_of,
)
from crossfade_local.controllers.ownership import adopt_or_release
from crossfade_local.controllers.reconciler import Retry

_MOST_COLLISIONS = 20


class Present(NamedTuple):
    """The revision of the owner's template as it is now, and how many hashes were taken by other templates."""

    revision: JsonObject
    collisions: int


def snapshot(owner: JsonObject) -> JsonObject:
    """The patch that brings this template back: `kubectl rollout undo` applies it as it is."""
    return {"spec": {"template": {**owner["spec"]["template"], "$patch": "replace"}}}


def template_of(revision: JsonObject) -> JsonObject:
    template: JsonObject = revision["data"]["spec"]["template"]
    return {key: value for key, value in template.items() if key != "$patch"}


def number_of(revision: JsonObject) -> int:
    return int(revision.get("revision") or 0)


def in_order(revisions: Collection[JsonObject]) -> list[JsonObject]:
    """The newest last."""
    return sorted(
        revisions, key=lambda item: (number_of(item), item["metadata"].get("creationTimestamp") or "", name_of(item))
    )


def surplus(owner: JsonObject, revisions: list[JsonObject], live: Collection[str]) -> list[JsonObject]:
    """The oldest beyond revisionHistoryLimit, of those whose names are not `live`."""
    unused = [item for item in in_order(revisions) if name_of(item) not in live and not is_being_deleted(item)]
    limit = owner["spec"].get("revisionHistoryLimit")
    return unused[: max(0, len(unused) - (10 if limit is None else int(limit)))]


class History:
    """The revisions of all owners of one kind; `hash_label` is where that kind notes the hash."""

    def __init__(self, client: Client, informers: Informers, *, hash_label: str) -> None:
        self._client = client
        self._hash_label = hash_label
        self.revisions = informers.of(CONTROLLER_REVISION)

    async def of(self, owner: JsonObject, selector: LabelSelector) -> list[JsonObject]:
        candidates = self.revisions.in_namespace(namespace_of(owner))
        return in_order(await adopt_or_release(self._client, self.revisions, owner, selector, candidates))

    async def present(self, owner: JsonObject, known: list[JsonObject]) -> Present:
        """Creates the revision if the template is new; one that was left before gets the highest number again."""
        data = snapshot(owner)
        collisions = (owner.get("status") or {}).get("collisionCount") or 0
        equal = [item for item in known if item.get("data") == data]
        if not equal:
            return await self._create(owner, data, number=max(map(number_of, known), default=0) + 1, known=collisions)
        if equal[-1] is known[-1]:
            return Present(equal[-1], collisions)
        renumbered = {**equal[-1], "revision": number_of(known[-1]) + 1}
        stored = await self._client.replace(CONTROLLER_REVISION, renumbered)
        self.revisions.observe(stored)
        return Present(stored, collisions)

    async def prune(self, owner: JsonObject, known: list[JsonObject], live: Collection[str]) -> None:
        for item in surplus(owner, known, live):
            try:
                await self._client.delete(
                    CONTROLLER_REVISION, name_of(item), namespace=namespace_of(item), uid=uid_of(item)
                )
            except NotFound:
                continue

    async def _create(self, owner: JsonObject, data: JsonObject, *, number: int, known: int) -> Present:
        for collisions in range(known, known + _MOST_COLLISIONS):
            wanted = self._new(owner, data, number, collisions)
            try:
                stored = await self._client.create(CONTROLLER_REVISION, wanted)
            except AlreadyExists:
                found = await self._client.get(CONTROLLER_REVISION, name_of(wanted), namespace=namespace_of(owner))
                controller = controller_of(found)
                if found.get("data") == data and controller is not None and controller["uid"] == uid_of(owner):
                    self.revisions.observe(found)
                    return Present(found, collisions)
                continue
            self.revisions.observe(stored)
            return Present(stored, collisions)
        raise Retry(f"no free name for a revision of {name_of(owner)}")

    def _new(self, owner: JsonObject, data: JsonObject, number: int, collisions: int) -> JsonObject:
        code = template_hash(owner["spec"]["template"], collisions)
        labels = (owner["spec"]["template"].get("metadata") or {}).get("labels") or {}
        annotations = owner["metadata"].get("annotations")
        return {
            "apiVersion": "apps/v1",
            "kind": "ControllerRevision",
            "metadata": {
                "name": f"{name_of(owner)}-{code}",
                "namespace": namespace_of(owner),
                "labels": {**labels, self._hash_label: code},
                **({"annotations": annotations} if annotations else {}),
                "ownerReferences": [controller_ref(owner)],
            },
            "data": data,
            "revision": number,
        }
