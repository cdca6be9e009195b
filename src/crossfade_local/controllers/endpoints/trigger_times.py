"""Since when a change of endpoints is awaited, as their annotation tells those who measure how long it takes."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from crossfade_kube.meta import JsonObject, NamespacedName
from crossfade_local.controllers.objects import condition_of, key_of, name_of

CHANGED_AT: Final = "endpoints.kubernetes.io/last-change-trigger-time"


class _Known(NamedTuple):
    service: str
    pods: dict[str, str]


class TriggerTimes:
    """What was known of each Service and its pods when its endpoints were last looked at."""

    def __init__(self) -> None:
        self._known: dict[NamespacedName, _Known] = {}

    def forget(self, service: NamespacedName) -> None:
        self._known.pop(service, None)

    def take(self, service: JsonObject, pods: Iterable[JsonObject]) -> str | None:
        """The earliest change since the last time; None where no pod's readiness changed."""
        created, times = service["metadata"].get("creationTimestamp") or "", {}
        for pod in pods:
            ready = condition_of(pod.get("status") or {}, "Ready") or {}
            if ready.get("lastTransitionTime"):
                times[name_of(pod)] = ready["lastTransitionTime"]
        known = self._known.get(key_of(service))
        self._known[key_of(service)] = _Known(created, times)
        if known is None:
            return created or None
        changed = [time for name, time in times.items() if time > known.pods.get(name, "")]
        changed += [created] if created > known.service else []
        return min(changed, default=None)


def stamped(obj: JsonObject, changed_at: str | None) -> JsonObject:
    """With the annotation of this change and without that of an earlier one."""
    metadata = dict(obj["metadata"])
    annotations = {key: value for key, value in (metadata.pop("annotations", None) or {}).items() if key != CHANGED_AT}
    if changed_at is not None:
        annotations[CHANGED_AT] = changed_at
    return {**obj, "metadata": {**metadata, **({"annotations": annotations} if annotations else {})}}
