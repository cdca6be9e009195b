"""Who manages which field: server-side apply with its conflicts, and the bookkeeping for all other writes."""

import json
from collections.abc import Collection
from datetime import datetime
from typing import Any, Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.apply import managers as book
from crossfade_local.apiserver.apply.conflicts import ApplyConflict, Conflict
from crossfade_local.apiserver.apply.field_set import FieldSet
from crossfade_local.apiserver.apply.fit import problems
from crossfade_local.apiserver.apply.managers import Managed, ManagerKey, Managers
from crossfade_local.apiserver.apply.merge import merge
from crossfade_local.apiserver.apply.prune import prune
from crossfade_local.apiserver.apply.typed import Comparison, TypedError, compare, field_set
from crossfade_local.apiserver.apply.zero_values import zero_object
from crossfade_local.apiserver.types.schema import SchemaNode
from crossfade_local.apiserver.values.gotext import to_json
from crossfade_local.values.fields import mapping, text

LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
_BEFORE_FIRST_APPLY: Final = "before-first-apply"
_META: Final = (
    "name",
    "namespace",
    "creationTimestamp",
    "selfLink",
    "uid",
    "clusterName",
    "generation",
    "managedFields",
)
_NEVER_MANAGED: Final = FieldSet(
    ("f:apiVersion", "f:kind", "f:metadata"),
    {"f:metadata": FieldSet([f"f:{name}" for name in (*_META, "resourceVersion")])},
)
ResetFields = Collection[tuple[str, ...]]


class ApplyError(Exception):
    """An applied configuration that doesn't fit the schema; answered with 500 and no reason, as Kubernetes does."""


def server_side_apply(
    live: JsonObject | None,
    applied: JsonObject,
    *,
    manager: str,
    force: bool,
    subresource: str,
    schema: SchemaNode,
    now: datetime,
    reset: ResetFields | None = None,
) -> JsonObject:
    """The object after applying, with `managedFields` brought up to date. Inputs stay as they are.

    `reset` names the fields which this endpoint ignores (default: `status` on the main resource, all but `status` on
    the status subresource). Raises ApplyConflict, and ApplyError for a live object that the schema doesn't allow.
    """
    current: JsonObject = live or {key: applied[key] for key in ("apiVersion", "kind") if key in applied}
    managers = book.decode(mapping(current, "metadata").get("managedFields"))
    key = book.key_of(manager, "Apply", text(applied, "apiVersion"), subresource)
    ignored = _reset_set(subresource, reset)
    try:
        if live is not None and not managers:
            managers = _adopt(live, schema, _BEFORE_FIRST_APPLY, now)
        result, managers = _apply(
            current, applied, managers, key=key, force=force, schema=schema, ignored=ignored, now=now
        )
    except TypedError as error:
        raise ApplyError(f"failed to create typed live object ({_identity(current)}): {error}") from error
    except ApplyConflict as conflict:
        rest = _not_ours_by_client_side_apply(conflict, current, schema) if manager == "kubectl" else conflict.conflicts
        if rest:
            raise ApplyConflict(rest) from None
        result, managers = _apply(
            current, applied, managers, key=key, force=True, schema=schema, ignored=ignored, now=now
        )
    if manager == "kubectl" and mapping(result, "metadata", "annotations").get(LAST_APPLIED):
        result = _with_last_applied(result, applied)
    return _with_managers(result, managers)


def track_update(
    old: JsonObject | None,
    new: JsonObject,
    *,
    manager: str,
    operation: str = "Update",
    subresource: str,
    schema: SchemaNode,
    now: datetime,
    reset: ResetFields | None = None,
) -> JsonObject:
    """The new object with `managedFields` for an ordinary write (create, replace, patch)."""
    sent = mapping(new, "metadata").get("managedFields")
    before = book.decode(mapping(old, "metadata").get("managedFields"))
    if subresource:
        managers = before
    elif isinstance(sent, list) and (not sent or sent == [{}]):
        managers = {}
    else:
        managers = book.decode(sent) or before
    if not managers and old is not None:
        # Nobody tracks this object (the fields were reset, or it is older than tracking): stay silent until an apply.
        return _with_managers(new, {})
    base = zero_object(new, schema) if old is None else old
    key = book.key_of(manager, operation, text(new, "apiVersion"), subresource)
    try:
        comparison = _filtered(compare(schema, _bare(base), _bare(new)), _reset_set(subresource, reset))
    except TypedError:
        # List items without keys: such an object fails validation, or is older than the rule. Who owns what stays.
        return _with_managers(new, before)
    managers = _give_up(managers, comparison, keep=None)
    own = ((comparison.modified | comparison.added) - comparison.removed) - _NEVER_MANAGED
    if own:
        previous = managers[key].fields if key in managers else FieldSet()
        managers[key] = Managed(own | previous, text(new, "apiVersion"), book.timestamp(now))
    return _with_managers(new, book.cap(managers))


def _apply(
    live: JsonObject,
    applied: JsonObject,
    managers: Managers,
    *,
    key: ManagerKey,
    force: bool,
    schema: SchemaNode,
    ignored: FieldSet,
    now: datetime,
) -> tuple[JsonObject, Managers]:
    managers = dict(managers)
    last = managers.get(key)
    bare = _bare(live)
    owned = field_set(schema, applied).without_subtrees(ignored)
    managers[key] = Managed(owned, text(applied, "apiVersion"), last.time if last else None)
    merged = merge(schema, bare, applied)
    everyone = FieldSet.union(managed.fields for managed in managers.values())
    result = prune(schema, merged, last=last.fields if last else FieldSet(), owned=everyone)
    comparison = _filtered(compare(schema, bare, result), ignored)
    _raise_conflicts(managers, comparison, key, force=force)
    managers = _give_up(managers, comparison, keep=key)
    managers[key] = managers[key]._replace(fields=managers[key].fields - _NEVER_MANAGED)
    if result != bare:
        managers[key] = managers[key]._replace(time=book.timestamp(now))
    return result, book.cap(managers)


def _raise_conflicts(managers: Managers, comparison: Comparison, key: ManagerKey, *, force: bool) -> None:
    if force:
        return
    changed = comparison.modified | comparison.added
    found = [
        Conflict(other, path)
        for other, managed in sorted(managers.items())
        if other != key
        for path in (managed.fields & changed).paths()
    ]
    if found:
        raise ApplyConflict(found)


def _give_up(managers: Managers, comparison: Comparison, *, keep: ManagerKey | None) -> Managers:
    """Whoever managed a field that is changed or gone now no longer does."""
    lost = comparison.modified | comparison.added | comparison.removed
    remaining = {
        key: managed if key == keep else managed._replace(fields=managed.fields - lost)
        for key, managed in managers.items()
    }
    return {key: managed for key, managed in remaining.items() if managed.fields or key == keep}


def check_applied(applied: JsonObject, schema: SchemaNode) -> None:
    """Raises ApplyError for what the schema doesn't allow."""
    found = problems(schema, applied)
    if found:
        said = found[0] if len(found) == 1 else "\n".join(["errors:", *(f"  {problem}" for problem in found)])
        raise ApplyError(f"failed to create typed patch object ({_identity(applied)}): {said}")


def _identity(obj: JsonObject) -> str:
    group, _, version = text(obj, "apiVersion").rpartition("/")
    name = f"{text(obj, 'metadata', 'namespace')}/{text(obj, 'metadata', 'name')}"
    return f"{name}; {group}/{version}, Kind={text(obj, 'kind')}"


def _adopt(live: JsonObject, schema: SchemaNode, manager: str, now: datetime) -> Managers:
    """An object that nobody tracked yet: everything in it belongs to one writer."""
    bare = _bare(live)
    comparison = compare(schema, _bare(zero_object(live, schema)), bare)
    own = (comparison.added | comparison.modified) - _NEVER_MANAGED
    key = book.key_of(manager, "Update", text(live, "apiVersion"), "")
    return {key: Managed(own, text(live, "apiVersion"), book.timestamp(now))} if own else {}


def _not_ours_by_client_side_apply(conflict: ApplyConflict, live: JsonObject, schema: SchemaNode) -> list[Conflict]:
    """Conflicts left when kubectl may take over what its own client-side apply had set."""
    annotation = mapping(live, "metadata", "annotations").get(LAST_APPLIED)
    try:
        last: Any = json.loads(annotation) if isinstance(annotation, str) else None
    except ValueError:
        last = None
    if not isinstance(last, dict) or last.get("apiVersion") != live.get("apiVersion") or problems(schema, last):
        return list(conflict.conflicts)
    difference = compare(schema, last, _bare(live))
    allowed = field_set(schema, last) - difference.modified - difference.added - difference.removed
    return [item for item in conflict.conflicts if item.path not in allowed]


def _with_last_applied(obj: JsonObject, applied: JsonObject) -> JsonObject:
    metadata = dict(mapping(applied, "metadata"))
    if "annotations" in metadata:
        metadata["annotations"] = {k: v for k, v in mapping(metadata, "annotations").items() if k != LAST_APPLIED}
    annotation = to_json({**applied, "metadata": metadata}) + "\n"
    annotations = {**mapping(obj, "metadata", "annotations"), LAST_APPLIED: annotation}
    return {**obj, "metadata": {**mapping(obj, "metadata"), "annotations": annotations}}


def _bare(obj: JsonObject) -> JsonObject:
    metadata = mapping(obj, "metadata")
    if "managedFields" not in metadata:
        return obj
    return {**obj, "metadata": {key: value for key, value in metadata.items() if key != "managedFields"}}


def _with_managers(obj: JsonObject, managers: Managers) -> JsonObject:
    metadata = {key: value for key, value in mapping(obj, "metadata").items() if key != "managedFields"}
    if entries := book.encode(managers):
        metadata["managedFields"] = entries
    return {**obj, "metadata": metadata}


def _reset_set(subresource: str, reset: ResetFields | None) -> FieldSet:
    if reset is None:
        reset = {"": [("status",)], "status": [("spec",)]}.get(subresource, [])
    return _paths(reset)


def _paths(paths: ResetFields) -> FieldSet:
    return FieldSet.of(tuple(f"f:{name}" for name in path) for path in paths)


def _filtered(comparison: Comparison, ignored: FieldSet) -> Comparison:
    return Comparison(*(fields.without_subtrees(ignored) for fields in comparison))
