"""What the network needs to know of the pods that have an address: labels, ports, who they are."""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from crossfade_kube.meta import JsonObject, NamespacedName, ObjectRef
from crossfade_kube.watch import WatchEvent

_FINISHED = ("Succeeded", "Failed")


class PodPort(NamedTuple):
    """`host` is the port of the machine that is asked for, or 0."""

    name: str
    protocol: str
    port: int
    host: int = 0
    host_ip: str = ""


class PodEntry(NamedTuple):
    key: NamespacedName
    uid: str
    address: str
    labels: Mapping[str, str]
    ports: tuple[PodPort, ...] = ()
    created: str = ""

    @property
    def ref(self) -> ObjectRef:
        return ObjectRef("v1", "Pod", self.key.namespace, self.key.name, self.uid)


def pod_entry(pod: JsonObject) -> PodEntry | None:
    """None for a pod that has no network of its own, no more or not yet."""
    metadata, spec, status = pod["metadata"], pod["spec"], pod.get("status") or {}
    address = str(status.get("podIP") or "")
    if not address or spec.get("hostNetwork") or status.get("phase") in _FINISHED:
        return None
    restarting = (one for one in spec.get("initContainers") or () if one.get("restartPolicy") == "Always")
    containers = [*(spec.get("containers") or ()), *restarting]
    return PodEntry(
        key=NamespacedName(metadata["namespace"], metadata["name"]),
        uid=metadata["uid"],
        address=address,
        labels=metadata.get("labels") or {},
        ports=tuple(_port(port) for container in containers for port in container.get("ports") or ()),
        created=metadata.get("creationTimestamp") or "",
    )


def _port(port: JsonObject) -> PodPort:
    return PodPort(
        name=port.get("name") or "",
        protocol=port.get("protocol") or "TCP",
        port=port["containerPort"],
        host=port.get("hostPort") or 0,
        host_ip=port.get("hostIP") or "",
    )


class PodTable:
    """A sink for pods that calls `changed` only when something of an entry did."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._entries: dict[NamespacedName, PodEntry] = {}
        self._changed = changed

    def __iter__(self) -> Iterator[PodEntry]:
        return iter(self._entries.values())

    def replace(self, items: list[JsonObject]) -> None:
        entries = {entry.key: entry for item in items if (entry := pod_entry(item))}
        if entries != self._entries:
            self._entries = entries
            self._changed()

    def put(self, entry: PodEntry) -> None:
        """Before the API knows of its address."""
        if entry != self._entries.get(entry.key):
            self._entries[entry.key] = entry
            self._changed()

    def apply(self, event: WatchEvent) -> None:
        pod = event.object
        key = NamespacedName(pod["metadata"]["namespace"], pod["metadata"]["name"])
        known = self._entries.get(key)
        entry = None if event.type == "DELETED" else pod_entry(pod) or _ahead_of_its_news(known, pod)
        if entry == known:
            return
        if entry:
            self._entries[key] = entry
        else:
            del self._entries[key]
        self._changed()


def _ahead_of_its_news(known: PodEntry | None, pod: JsonObject) -> PodEntry | None:
    """What was put here of a pod whose status does not name its address yet."""
    status = pod.get("status") or {}
    if known is None or known.uid != pod["metadata"]["uid"] or status.get("podIP"):
        return None
    return None if status.get("phase") in _FINISHED else known
