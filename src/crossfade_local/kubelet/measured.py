"""What runs on the node and what it takes: containers with their pods, and the pods' network."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from crossfade_kube.meta import JsonObject, NamespacedName
from crossfade_local.kubelet.container import Container
from crossfade_local.kubelet.pod import PodWorker
from crossfade_local.kubelet.usage import Reading, Sample, Usage, merged, usage_of_container, usage_of_machine

_TRAFFIC: Final = Path("/proc/net/dev")
_NOTHING: Final = Reading(0.0, 0, 0.0)


class Flow(NamedTuple):
    octets: int
    packets: int
    errors: int
    dropped: int


class Traffic(NamedTuple):
    received: Flow
    sent: Flow


class MeasuredContainer(NamedTuple):
    """One that runs; `usage` is None in its first second."""

    spec: JsonObject
    id: str
    restarts: int
    began: float
    """In seconds since 1970."""
    reading: Reading
    usage: Usage | None


class MeasuredPod(NamedTuple):
    key: NamespacedName
    uid: str
    start_time: str
    containers: tuple[MeasuredContainer, ...]
    traffic: Traffic | None

    @property
    def reading(self) -> Reading:
        """Of its containers together."""
        total = _NOTHING
        for container in self.containers:
            total = merged(total, container.reading)
        return total


class Measured(NamedTuple):
    """`time` and `booted` in seconds since 1970."""

    time: float
    booted: float
    machine: Reading
    usage: Usage | None
    pods: tuple[MeasuredPod, ...]


def read_traffic() -> dict[str, Traffic]:
    """Of the pods, by the node's ends of their cables."""
    return traffic_in(_TRAFFIC.read_text(encoding="ascii"))


def traffic_in(text: str) -> dict[str, Traffic]:
    """From /proc/net/dev: what the node's end sends the pod receives."""
    found = {}
    for line in text.splitlines():
        name, mark, counts = line.partition(":")
        if mark:
            numbers = [int(one) for one in counts.split()]
            found[name.strip()] = Traffic(received=Flow(*numbers[8:12]), sent=Flow(*numbers[0:4]))
    return found


def measured(
    workers: Iterable[PodWorker], base: Sample | None, latest: Sample, traffic: Mapping[str, Traffic]
) -> Measured:
    booted = latest.time - latest.at
    pods = (_pod(worker, base, latest, traffic) for worker in workers)
    return Measured(
        time=latest.time,
        booted=booted,
        machine=latest.machine,
        usage=usage_of_machine(base, latest),
        pods=tuple(pod for pod in pods if pod.containers),
    )


def _pod(worker: PodWorker, base: Sample | None, latest: Sample, traffic: Mapping[str, Traffic]) -> MeasuredPod:
    containers = worker.containers.all() if worker.containers else ()
    found = (_container(one, base, latest) for one in containers)
    return MeasuredPod(
        key=worker.key,
        uid=worker.uid,
        start_time=worker.start_time,
        containers=tuple(one for one in found if one is not None),
        traffic=traffic.get(worker.link),
    )


def _container(container: Container, base: Sample | None, latest: Sample) -> MeasuredContainer | None:
    """None where it does not run, or did not when the sample was taken."""
    number = container.root()
    reading = latest.containers.get(number) if number is not None else None
    if number is None or reading is None:
        return None
    return MeasuredContainer(
        spec=container.spec,
        id=container.id,
        restarts=container.restart_count,
        began=latest.time - latest.at + reading.began,
        reading=reading,
        usage=usage_of_container(number, base, latest),
    )
