"""`/stats/summary`: what node, pods and containers take, in the form that older readers of metrics ask for. Pure."""

from datetime import UTC, datetime

from crossfade_kube.meta import JsonObject
from crossfade_local.kubelet.measured import Measured, MeasuredContainer, MeasuredPod, Traffic
from crossfade_local.kubelet.usage import Reading, Usage


def summary(found: Measured, *, node: str, memory_bytes: int) -> JsonObject:
    now = _stamp(found.time)
    machine = {
        "nodeName": node,
        "startTime": _stamp(found.booted),
        "cpu": _cpu(found.machine, found.usage.nanocores if found.usage else None, now),
        "memory": {**_memory(found.machine, now), "availableBytes": memory_bytes - found.machine.memory},
    }
    return {"node": machine, "pods": [_pod(pod, now) for pod in found.pods]}


def _pod(pod: MeasuredPod, now: str) -> JsonObject:
    told: JsonObject = {
        "podRef": {"name": pod.key.name, "namespace": pod.key.namespace, "uid": pod.uid},
        "startTime": pod.start_time,
        "containers": [_container(one, now) for one in pod.containers],
        "cpu": _cpu(pod.reading, _sum([one.usage for one in pod.containers]), now),
        "memory": _memory(pod.reading, now),
    }
    if pod.traffic is not None:
        told["network"] = _network(pod.traffic, now)
    return told


def _container(container: MeasuredContainer, now: str) -> JsonObject:
    nanocores = container.usage.nanocores if container.usage else None
    return {
        "name": container.spec["name"],
        "startTime": _stamp(container.began),
        "cpu": _cpu(container.reading, nanocores, now),
        "memory": _memory(container.reading, now),
    }


def _sum(usages: list[Usage | None]) -> int | None:
    """None while it is not known of all."""
    known = [one.nanocores for one in usages if one is not None]
    return sum(known) if len(known) == len(usages) else None


def _cpu(reading: Reading, nanocores: int | None, now: str) -> JsonObject:
    told: JsonObject = {"time": now, "usageCoreNanoSeconds": round(reading.cpu_s * 1e9)}
    return told if nanocores is None else {**told, "usageNanoCores": nanocores}


def _memory(reading: Reading, now: str) -> JsonObject:
    names = ("usageBytes", "workingSetBytes", "rssBytes")
    return {"time": now, **dict.fromkeys(names, reading.memory)}


def _network(traffic: Traffic, now: str) -> JsonObject:
    interface = {
        "name": "eth0",
        "rxBytes": traffic.received.octets,
        "rxErrors": traffic.received.errors,
        "txBytes": traffic.sent.octets,
        "txErrors": traffic.sent.errors,
    }
    return {"time": now, **interface, "interfaces": [interface]}


def _stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
