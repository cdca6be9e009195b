"""Which objects a controller owns: it adopts orphans that match its selector and releases what no longer does."""

from collections.abc import Iterator

from crossfade_kube.client import STRATEGIC, Client
from crossfade_kube.errors import Invalid, NotFound
from crossfade_kube.meta import JsonObject, LabelSelector, NamespacedName, Resource
from crossfade_local.controllers.informers import Informer
from crossfade_local.controllers.objects import (
    controller_of,
    controller_ref,
    is_being_deleted,
    key_of,
    name_of,
    namespace_of,
    pod_selector,
    typed_owner,
    uid_of,
)
from crossfade_local.controllers.workqueue import WorkQueue


def follow(queue: WorkQueue[NamespacedName], kind: Resource, owners: Informer, *dependents: Informer) -> None:
    """Puts an owner on the queue whenever it changes, or something that it owns or could own."""

    def on_owner(before: JsonObject | None, after: JsonObject | None) -> None:
        changed = after or before
        if changed is not None:
            queue.add(key_of(changed))

    def on_dependent(before: JsonObject | None, after: JsonObject | None) -> None:
        for owner in _owners_concerned(before, after, kind=kind, owners=owners):
            queue.add(owner)

    owners.on_change(on_owner)
    for informer in dependents:
        informer.on_change(on_dependent)


def _owners_concerned(
    before: JsonObject | None, after: JsonObject | None, *, kind: Resource, owners: Informer
) -> Iterator[NamespacedName]:
    """Whom a change of a dependent concerns: its controller of that kind; for an orphan, all whose selector fits."""
    for item in (before, after):
        if item is None:
            continue
        owner = typed_owner(item, kind)
        if owner is not None:
            yield owner
        elif item is after and controller_of(item) is None:
            yield from _possible_owners(item, owners)


def _possible_owners(orphan: JsonObject, owners: Informer) -> Iterator[NamespacedName]:
    labels = orphan["metadata"].get("labels") or {}
    for candidate in owners.in_namespace(namespace_of(orphan)):
        selector = pod_selector(candidate)
        if selector is not None and selector.matches(labels):
            yield key_of(candidate)


async def adopt_or_release(
    client: Client, informer: Informer, owner: JsonObject, selector: LabelSelector, candidates: list[JsonObject]
) -> list[JsonObject]:
    """The candidates that `owner` controls from now on."""
    owned = []
    for candidate in candidates:
        controller = controller_of(candidate)
        matches = selector.matches(candidate["metadata"].get("labels") or {})
        if controller is not None:
            if controller["uid"] != uid_of(owner):
                continue
            if matches:
                owned.append(candidate)
            elif not is_being_deleted(owner):
                await _release(client, informer, owner, candidate)
        elif matches and not is_being_deleted(owner) and not is_being_deleted(candidate):
            adopted = await _adopt(client, informer, owner, candidate)
            if adopted is not None:
                owned.append(adopted)
    return owned


async def _adopt(client: Client, informer: Informer, owner: JsonObject, orphan: JsonObject) -> JsonObject | None:
    patch = {"metadata": {"ownerReferences": [controller_ref(owner)], "uid": uid_of(orphan)}}
    return await _patch(client, informer, orphan, patch)


async def _release(client: Client, informer: Informer, owner: JsonObject, owned: JsonObject) -> None:
    reference = {"$patch": "delete", "uid": uid_of(owner)}
    await _patch(client, informer, owned, {"metadata": {"ownerReferences": [reference], "uid": uid_of(owned)}})


async def _patch(client: Client, informer: Informer, obj: JsonObject, patch: JsonObject) -> JsonObject | None:
    """None when the object is gone or, as the uid in the patch tells, another one by now."""
    try:
        stored = await client.patch(
            informer.resource, name_of(obj), patch, namespace=namespace_of(obj), content_type=STRATEGIC
        )
    except (NotFound, Invalid):
        return None
    informer.observe(stored)
    return stored
