"""The life of CustomResourceDefinitions: names accepted, established, served, and cleaned up at the end."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.crd.schemas import schema_node
from crossfade_local.apiserver.state.storage import DELETED, Conflict, Event, NotWritten, Storage, Stored
from crossfade_local.apiserver.types.builtin_resources import ALL
from crossfade_local.apiserver.types.registry import (
    CustomVersion,
    Registry,
    ResourceType,
    Subresource,
    version_priority,
)
from crossfade_local.apiserver.writing.strategies import timestamp

BUCKET: Final = "apiextensions.k8s.io/customresourcedefinitions"
CLEANUP: Final = "customresourcecleanup.apiextensions.k8s.io"
_VERBS: Final = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")
_STATUS_VERBS: Final = ("get", "patch", "update")
_CLEANUP_RETRY_S: Final = 0.2
log = logging.getLogger(__name__)

assert set(_VERBS) == set(ALL)


def fill_names(crd: JsonObject) -> None:
    """Defaults of a definition, in place."""
    spec = crd.setdefault("spec", {})
    names = spec.setdefault("names", {})
    kind = names.get("kind", "")
    if kind:
        names.setdefault("singular", kind.lower())
        names.setdefault("listKind", f"{kind}List")


def initial_status(crd: JsonObject, registry: Registry, now: datetime) -> JsonObject:
    """The status of a new definition: names are looked at and the kind is served in the same moment."""
    spec = crd["spec"]
    problem = conflict_of(crd, registry)
    stamp = timestamp(now)
    stored = [version["name"] for version in spec["versions"] if version.get("storage")]
    if problem:
        conditions = [
            _condition("NamesAccepted", "False", problem[0], problem[1], stamp),
            _condition("Established", "False", "NotAccepted", "not all names are accepted", stamp),
        ]
        return {"acceptedNames": {"kind": "", "plural": ""}, "conditions": conditions, "storedVersions": stored}
    conditions = [
        _condition("NamesAccepted", "True", "NoConflicts", "no conflicts found", stamp),
        _condition("Established", "True", "InitialNamesAccepted", "the initial names have been accepted", stamp),
    ]
    return {"acceptedNames": dict(spec["names"]), "conditions": conditions, "storedVersions": stored}


def updated_status(crd: JsonObject, old: JsonObject, registry: Registry, now: datetime) -> JsonObject:
    """The status after a change of the spec: newly accepted names, and every version that was ever stored."""
    before: JsonObject = old.get("status") or {}
    fresh = initial_status(crd, registry, now)
    stored = list(before.get("storedVersions") or ())
    stored += [version for version in fresh["storedVersions"] if version not in stored]
    known = {condition["type"]: condition for condition in before.get("conditions") or ()}
    conditions = []
    for condition in fresh["conditions"]:
        was = known.pop(condition["type"], None)
        conditions.append(was if was and was["status"] == condition["status"] else condition)
    return {**fresh, "conditions": [*conditions, *known.values()], "storedVersions": stored}


def conflict_of(crd: JsonObject, registry: Registry) -> tuple[str, str] | None:
    """Reason and message if another resource of the group has one of the names."""
    spec, own = crd["spec"], crd["spec"]["names"]
    others = [
        entry
        for entry in registry
        if entry.group == spec["group"]
        and not (entry.custom and entry.custom.crd["metadata"]["name"] == crd["metadata"]["name"])
    ]
    taken = {name for entry in others for name in (entry.plural, entry.singular, *entry.short_names)}
    for name, reason in ((own["plural"], "PluralConflict"), (own.get("singular", ""), "SingularConflict")):
        if name in taken:
            return reason, f'"{name}" is already in use'
    for name in own.get("shortNames") or ():
        if name in taken:
            return "ShortNamesConflict", f'"{name}" is already in use'
    kinds = {name for entry in others for name in (entry.kind, entry.list_kind)}
    for name, reason in ((own["kind"], "KindConflict"), (own.get("listKind", ""), "ListKindConflict")):
        if name in kinds:
            return reason, f'"{name}" is already in use'
    return None


def _condition(kind: str, status: str, reason: str, message: str, stamp: str) -> JsonObject:
    return {"lastTransitionTime": stamp, "message": message, "reason": reason, "status": status, "type": kind}


def served_types(crd: JsonObject, registry: Registry) -> list[ResourceType]:
    """What a definition adds to the registry; nothing while it is not established."""
    conditions = {condition["type"]: condition["status"] for condition in crd.get("status", {}).get("conditions", ())}
    if conditions.get("Established") != "True":
        return []
    versions = sorted(crd["spec"]["versions"], key=lambda version: version_priority(version["name"]), reverse=True)
    stored = next(version["name"] for version in versions if version.get("storage"))
    return [_type_of(crd, version, stored, registry) for version in versions if version.get("served")]


def _type_of(crd: JsonObject, version: JsonObject, stored: str, registry: Registry) -> ResourceType:
    spec = crd["spec"]
    names = (crd.get("status") or {}).get("acceptedNames") or spec["names"]
    custom = CustomVersion(crd, version)
    group, kind = spec["group"], names["kind"]
    subresources: dict[str, Subresource] = {}
    wanted = version.get("subresources") or {}
    if wanted.get("status") is not None:
        subresources["status"] = Subresource("status", group, version["name"], kind, _STATUS_VERBS, foreign=False)
    if wanted.get("scale") is not None:
        subresources["scale"] = Subresource("scale", "autoscaling", "v1", "Scale", _STATUS_VERBS, foreign=True)
    return ResourceType(
        group=group,
        version=version["name"],
        kind=kind,
        plural=names["plural"],
        singular=names.get("singular") or kind.lower(),
        list_kind=names.get("listKind") or f"{kind}List",
        namespaced=spec["scope"] == "Namespaced",
        verbs=_VERBS,
        schema=schema_node(registry.types, version),
        storage=(group, stored, names["plural"]),
        storage_kind=kind,
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        subresources=subresources,
        custom=custom,
    )


class Lifecycle:
    """Keeps the registry in step with the stored definitions, and empties the resources of those being deleted."""

    def __init__(self, storage: Storage, registry: Registry, clock: Callable[[], datetime]) -> None:
        self._storage: Final = storage
        self._registry: Final = registry
        self._clock: Final = clock
        self._cleaning: set[asyncio.Task[None]] = set()
        for stored in storage.scan(BUCKET):
            registry.set_custom(stored.key[1], served_types(stored.object, registry))
        storage.on_change(self._changed)

    def resume(self) -> None:
        """Go on with clean-ups that an earlier run did not finish; needs a running loop."""
        for stored in list(self._storage.scan(BUCKET)):
            self._clean_if_deleted(stored)

    def _changed(self, bucket: str, event: Event) -> None:
        if bucket != BUCKET:
            return
        gone = event.type == DELETED
        entries = [] if gone else served_types(event.after.object, self._registry)
        self._registry.set_custom(event.after.key[1], entries)
        if not gone:
            self._clean_if_deleted(event.after)

    def _clean_if_deleted(self, stored: Stored) -> None:
        metadata = stored.object["metadata"]
        if metadata.get("deletionTimestamp") and CLEANUP in (metadata.get("finalizers") or ()):
            task = asyncio.get_running_loop().create_task(self._clean(stored.key[1]), name=f"clean up {stored.key[1]}")
            self._cleaning.add(task)
            task.add_done_callback(self._cleaning.discard)

    async def _clean(self, name: str) -> None:
        """Delete all objects of a definition, then the definition."""
        while (stored := self._storage.get(BUCKET, "", name)) is not None:
            spec = stored.object["spec"]
            bucket = f"{spec['group']}/{spec['names']['plural']}"
            try:
                await self._delete_all(bucket)
                if not self._storage.count(bucket):
                    await self._let_go(stored)
                    return
            except Conflict:
                continue
            except NotWritten:
                log.debug("definition.not_cleaned", extra={"fields": {"definition": name}})
            await asyncio.sleep(_CLEANUP_RETRY_S)

    async def _let_go(self, stored: Stored) -> None:
        crd = stored.copy()
        rest = [item for item in crd["metadata"].get("finalizers") or () if item != CLEANUP]
        crd["metadata"]["finalizers"] = rest
        if rest:
            await self._storage.update(BUCKET, stored, crd)
        else:
            crd["metadata"].pop("finalizers")
            await self._storage.delete(BUCKET, stored, crd)

    async def _delete_all(self, bucket: str) -> None:
        for stored in list(self._storage.scan(bucket)):
            obj = stored.copy()
            try:
                if not obj["metadata"].get("finalizers"):
                    await self._storage.delete(bucket, stored, obj)
                elif not obj["metadata"].get("deletionTimestamp"):
                    obj["metadata"]["deletionTimestamp"] = timestamp(self._clock())
                    obj["metadata"]["deletionGracePeriodSeconds"] = 0
                    await self._storage.update(bucket, stored, obj)
            except Conflict:
                continue

    async def close(self) -> None:
        for task in self._cleaning:
            task.cancel()
        await asyncio.gather(*self._cleaning, return_exceptions=True)
