"""The entries of `metadata.managedFields`: reading, writing, and keeping their number small."""

from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.apply.field_set import FieldSet

MAX_UPDATERS: Final = 10
_ANCIENT: Final = "ancient-changes"


class ManagerKey(NamedTuple):
    """Who manages: an applier keeps its identity over API versions, so its `api_version` is empty here."""

    manager: str
    operation: str
    api_version: str = ""
    subresource: str = ""


class Managed(NamedTuple):
    fields: FieldSet
    api_version: str
    time: str | None


Managers = dict[ManagerKey, Managed]


def key_of(manager: str, operation: str, api_version: str, subresource: str) -> ManagerKey:
    return ManagerKey(manager, operation, "" if operation == "Apply" else api_version, subresource)


def timestamp(now: datetime) -> str:
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def decode(entries: Any) -> Managers:
    """Malformed entries make the whole list count as empty, as in Kubernetes."""
    found: Managers = {}
    for entry in entries if isinstance(entries, list) else ():
        if not isinstance(entry, dict):
            return {}
        operation, version = entry.get("operation"), entry.get("apiVersion")
        if operation not in ("Apply", "Update") or not version or entry.get("fieldsType") != "FieldsV1":
            return {}
        key = key_of(entry.get("manager") or "", operation, version, entry.get("subresource") or "")
        try:
            fields = FieldSet.decode(entry.get("fieldsV1") or {})
        except ValueError:
            return {}
        found[key] = Managed(fields, version, entry.get("time"))
    return found


def encode(managers: Managers) -> list[JsonObject]:
    entries = [_entry(key, managed) for key, managed in managers.items() if managed.fields]
    return sorted(entries, key=_order)


def _entry(key: ManagerKey, managed: Managed) -> JsonObject:
    entry: JsonObject = {"manager": key.manager} if key.manager else {}
    entry |= {"operation": key.operation, "apiVersion": managed.api_version}
    if managed.time:
        entry["time"] = managed.time
    entry |= {"fieldsType": "FieldsV1", "fieldsV1": managed.fields.encode()}
    if key.subresource:
        entry["subresource"] = key.subresource
    return entry


def _order(entry: JsonObject) -> tuple[str, ...]:
    return (
        entry["operation"],
        entry.get("time") or "",
        entry.get("manager", ""),
        entry["apiVersion"],
        entry.get("subresource", ""),
    )


def cap(managers: Managers) -> Managers:
    """Joins the oldest writers to one entry per API version when there are too many."""
    updaters = sorted(
        (key for key in managers if key.operation == "Update"), key=lambda key: (managers[key].time or "", key.manager)
    )
    surplus = len(updaters) - MAX_UPDATERS
    result = dict(managers)
    for key in updaters:
        if surplus <= 0:
            break
        bucket = ManagerKey(_ANCIENT, "Update", key.api_version)
        if key == bucket:
            continue
        old = result.pop(key)
        if bucket in result:
            surplus -= 1
            old = old._replace(fields=result[bucket].fields | old.fields)
        result[bucket] = old
    return result
