"""Events between the core group, where they are stored, and events.k8s.io."""

from typing import Final

from crossfade_kube.meta import JsonObject

# core name: name in events.k8s.io
_NAMES: Final = {
    "involvedObject": "regarding",
    "message": "note",
    "reportingComponent": "reportingController",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
}
_BACK: Final = {modern: core for core, modern in _NAMES.items()}


def core_event_from_modern(obj: JsonObject) -> JsonObject:
    return {_BACK.get(name, name): value for name, value in obj.items()} | {"apiVersion": "v1"}


def modern_event_from_core(obj: JsonObject) -> JsonObject:
    return {_NAMES.get(name, name): value for name, value in obj.items()} | {"apiVersion": "events.k8s.io/v1"}
