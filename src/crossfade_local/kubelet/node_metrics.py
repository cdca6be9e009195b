"""The pages of metrics that a kubelet has, under its names: about itself, resources, cAdvisor's, probes. Pure.

A container's memory is that of its processes. What lies in the kernel's cache for its files is not counted, so that its
working set and what is resident are the same.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from crossfade_local.kubelet.exposition import COUNTER, GAUGE, Family, Series
from crossfade_local.kubelet.limits import container_limits
from crossfade_local.kubelet.measured import Flow, Measured, MeasuredContainer, MeasuredPod
from crossfade_local.kubelet.pod import PodWorker
from crossfade_local.kubelet.status import Running, Terminated
from crossfade_local.version import KUBERNETES_VERSION

_PERIOD_US: Final = 100_000
_CPU_HELP: Final = "Processor time taken so far, in seconds."
_MEMORY_HELP: Final = "Resident memory of its processes, in bytes."
_START_HELP: Final = "When it started, in seconds since 1970."
_RESULTS: Final = {True: "successful", False: "failed"}
_STATES: Final = {Running: "running", Terminated: "exited"}


def own_page(workers: Sequence[PodWorker], *, node: str) -> Iterator[Family]:
    """`/metrics`."""
    containers = [one for worker in workers for one in (worker.containers.all() if worker.containers else ())]
    states = [_STATES.get(type(one.state), "created") for one in containers]
    sandboxes = sum(worker.sandbox is not None for worker in workers)
    yield Family("kubelet_node_name", GAUGE, "The node's name.", (Series({"node": node}, 1),))
    yield Family("kubelet_running_pods", GAUGE, "Pods that have a sandbox.", (Series({}, sandboxes),))
    yield Family(
        "kubelet_running_containers",
        GAUGE,
        "Containers by their state.",
        tuple(Series({"container_state": state}, states.count(state)) for state in sorted(set(states))),
    )
    build = {"git_version": f"{KUBERNETES_VERSION}+crossfade"}
    yield Family("kubernetes_build_info", GAUGE, "Which Kubernetes this is like.", (Series(build, 1),))


def resource_page(found: Measured) -> Iterator[Family]:
    """`/metrics/resource`, which metrics-server reads."""

    def of_containers(value: Callable[[MeasuredContainer], float]) -> tuple[Series, ...]:
        pairs = ((pod, one) for pod in found.pods for one in pod.containers)
        return tuple(Series(_resource_labels(pod, one), value(one), found.time) for pod, one in pairs)

    def of_pods(value: Callable[[MeasuredPod], float]) -> tuple[Series, ...]:
        return tuple(Series(_pod_labels(pod), value(pod), found.time) for pod in found.pods)

    def of_node(value: float) -> tuple[Series, ...]:
        return (Series({}, value, found.time),)

    seconds = of_containers(lambda one: one.reading.cpu_s)
    yield Family("container_cpu_usage_seconds_total", COUNTER, _CPU_HELP, seconds)
    memory = of_containers(lambda one: one.reading.memory)
    yield Family("container_memory_working_set_bytes", GAUGE, _MEMORY_HELP, memory)
    began = of_containers(lambda one: one.began)
    yield Family("container_start_time_seconds", GAUGE, _START_HELP, began)
    yield Family("node_cpu_usage_seconds_total", COUNTER, _CPU_HELP, of_node(found.machine.cpu_s))
    in_use = "Memory that programs could not get any more, in bytes."
    yield Family("node_memory_working_set_bytes", GAUGE, in_use, of_node(found.machine.memory))
    yield Family("pod_cpu_usage_seconds_total", COUNTER, _CPU_HELP, of_pods(lambda pod: pod.reading.cpu_s))
    yield Family("pod_memory_working_set_bytes", GAUGE, _MEMORY_HELP, of_pods(lambda pod: pod.reading.memory))
    yield Family("resource_scrape_error", GAUGE, "1 where something could not be measured.", (Series({}, 0),))


def cadvisor_page(found: Measured, *, memory_bytes: int) -> Iterator[Family]:
    """`/metrics/cadvisor`: containers, and for the network their pods."""

    def of_containers(value: Callable[[MeasuredContainer], float | None], **more: str) -> Iterator[Series]:
        for pod in found.pods:
            for one in pod.containers:
                amount = value(one)
                if amount is not None:
                    yield Series({**_cadvisor_labels(pod, one), **more}, amount, found.time)

    def family(name: str, kind: str, text: str, series: Iterable[Series]) -> Family:
        return Family(f"container_{name}", kind, text, tuple(series))

    seconds = of_containers(lambda one: one.reading.cpu_s, cpu="total")
    yield family("cpu_usage_seconds_total", COUNTER, _CPU_HELP, seconds)
    yield family("last_seen", GAUGE, "When it was last seen.", of_containers(lambda _: found.time))
    for name in ("memory_rss", "memory_usage_bytes", "memory_working_set_bytes"):
        yield family(name, GAUGE, _MEMORY_HELP, of_containers(lambda one: one.reading.memory))
    yield family("spec_cpu_period", GAUGE, "The period of its limit, in microseconds.", of_containers(_period))
    yield family("spec_cpu_quota", GAUGE, "Its share of a period, in microseconds.", of_containers(_quota))
    limits = of_containers(lambda one: container_limits(one.spec).memory)
    yield family("spec_memory_limit_bytes", GAUGE, "Its limit of memory.", limits)
    yield family("start_time_seconds", GAUGE, _START_HELP, of_containers(lambda one: one.began))
    yield from _network(found)
    yield Family("machine_cpu_cores", GAUGE, "Processors.", (Series({}, len(os.sched_getaffinity(0))),))
    yield Family("machine_memory_bytes", GAUGE, "Memory of the machine.", (Series({}, memory_bytes),))


def probes_page(workers: Iterable[PodWorker]) -> Iterator[Family]:
    """`/metrics/probes`."""
    series = []
    for worker in workers:
        for container in worker.containers.all() if worker.containers else ():
            for (kind, ok), count in sorted(container.probed.items()):
                labels = {
                    "container": container.name,
                    "namespace": worker.key.namespace,
                    "pod": worker.key.name,
                    "pod_uid": worker.uid,
                    "probe_type": kind,
                    "result": _RESULTS[ok],
                }
                series.append(Series(labels, count))
    yield Family("prober_probe_total", COUNTER, "Probes by their result.", tuple(series))


def _network(found: Measured) -> Iterator[Family]:
    for way, word in (("received", "receive"), ("sent", "transmit")):
        for field, unit in zip(Flow._fields, ("bytes", "packets", "errors", "packets_dropped"), strict=True):
            series = (
                Series(
                    {**_cadvisor_labels(pod), "interface": "eth0"},
                    getattr(getattr(pod.traffic, way), field),
                    found.time,
                )
                for pod in found.pods
                if pod.traffic is not None
            )
            name = f"container_network_{word}_{unit}_total"
            yield Family(name, COUNTER, f"{unit.replace('_', ' ').capitalize()} that the pod has {way}.", tuple(series))


def _pod_labels(pod: MeasuredPod) -> dict[str, str]:
    return {"namespace": pod.key.namespace, "pod": pod.key.name}


def _resource_labels(pod: MeasuredPod, container: MeasuredContainer) -> dict[str, str]:
    return {**_pod_labels(pod), "container": container.spec["name"]}


def _cadvisor_labels(pod: MeasuredPod, container: MeasuredContainer | None = None) -> Mapping[str, str]:
    """A pod's own are those of its sandbox, as for container engines."""
    group = f"/kubepods/pod{pod.uid}"
    if container is None:
        return {**_pod_labels(pod), "container": "", "id": group, "image": "", "name": ""}
    number = container.id.rpartition("/")[2]
    return {
        **_resource_labels(pod, container),
        "id": f"{group}/{number}",
        "image": container.spec["image"],
        "name": number,
    }


def _period(container: MeasuredContainer) -> float | None:
    return None if container_limits(container.spec).cpu is None else _PERIOD_US


def _quota(container: MeasuredContainer) -> float | None:
    cpu = container_limits(container.spec).cpu
    return None if cpu is None else float(cpu * _PERIOD_US)
