"""How much processor time and memory containers and the machine take, from /proc: between two samples of their sums.

A container's processes are those in its mount namespace, which each container has for itself also where a pod shares
its processes; what they started and waited for counts with them.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import Collection
from pathlib import Path
from typing import Final, NamedTuple

from crossfade_kube.meta import JsonObject
from crossfade_local.kubelet.agent import Agent

LEAST_WINDOW_S: Final = 2.0
"""Processor time is told in hundredths of a second: over less than this it would say little."""
_LEAST_AGE_S: Final = 1.0
_SAMPLE_S: Final = 15.0
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_PROC: Final = Path("/proc")


class Reading(NamedTuple):
    """Sums up to now; `began` is when the oldest of the processes did, in seconds since the machine's start."""

    cpu_s: float
    memory: int
    began: float


class Sample(NamedTuple):
    """`at` in seconds since the machine's start, `time` since 1970; containers by their mount namespace's inode."""

    at: float
    time: float
    machine: Reading
    containers: dict[int, Reading]


class Usage(NamedTuple):
    nanocores: int
    memory: int
    window_s: float


def process_reading(stat: str) -> Reading:
    """From the text of /proc/PID/stat: of the process and the children that it has waited for."""
    fields = stat.rpartition(")")[2].split()
    return Reading(sum(map(int, fields[11:15])) / _TICKS, int(fields[21]) * _PAGE, int(fields[19]) / _TICKS)


def machine_reading(stat: str, meminfo: str, processors: Collection[int]) -> Reading:
    """From /proc/stat and /proc/meminfo: memory that programs could not get any more."""
    busy = 0
    for line in stat.splitlines():
        name, *counts = line.split()
        if name.startswith("cpu") and name[3:].isdigit() and int(name[3:]) in processors:
            user, nice, system, _idle, _waiting, *interrupts = map(int, counts[:8])
            busy += user + nice + system + sum(interrupts)
    amounts = {line.split()[0]: int(line.split()[1]) for line in meminfo.splitlines()}
    return Reading(busy / _TICKS, (amounts["MemTotal:"] - amounts["MemAvailable:"]) * 1024, 0.0)


def merged(one: Reading, other: Reading) -> Reading:
    return Reading(one.cpu_s + other.cpu_s, one.memory + other.memory, min(one.began, other.began))


def usage_of_container(number: int, base: Sample | None, latest: Sample) -> Usage | None:
    """Since the base, or since it began if that was later; None if it was not there or has only just begun."""
    now = latest.containers.get(number)
    if now is None:
        return None
    before = base.containers.get(number) if base is not None else None
    if base is None or before is None or before.began != now.began:
        since = Reading(0.0, 0, now.began)
        return _between(since, now, latest.at - now.began) if latest.at - now.began >= _LEAST_AGE_S else None
    return _between(before, now, latest.at - base.at)


def usage_of_machine(base: Sample | None, latest: Sample) -> Usage | None:
    return _between(base.machine, latest.machine, latest.at - base.at) if base is not None else None


def _between(before: Reading, now: Reading, window_s: float) -> Usage:
    # A program that was run beside the container's own takes its time along when it ends.
    spent = max(now.cpu_s - before.cpu_s, 0.0)
    return Usage(round(spent / window_s * 1e9), now.memory, window_s)


def take_sample(wanted: Collection[int]) -> Sample:
    containers: dict[int, Reading] = {}
    for process in _PROC.iterdir() if wanted else ():
        # It may have ended meanwhile.
        with contextlib.suppress(OSError):
            if process.name.isdigit() and (number := (process / "ns/mnt").stat().st_ino) in wanted:
                reading = process_reading((process / "stat").read_text(encoding="utf-8", errors="replace"))
                known = containers.get(number)
                containers[number] = merged(known, reading) if known else reading
    stat, meminfo = ((_PROC / name).read_text(encoding="ascii") for name in ("stat", "meminfo"))
    machine = machine_reading(stat, meminfo, os.sched_getaffinity(0))
    return Sample(time.clock_gettime(time.CLOCK_BOOTTIME), time.time(), machine, containers)


class Meter:
    """Samples when asked, and every 15 seconds, so that there is a base for the next who asks."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._base: Sample | None = None
        self._latest: Sample | None = None
        self._sampling = asyncio.Lock()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._sample(older_than_s=_SAMPLE_S)
            await asyncio.sleep(_SAMPLE_S)

    async def samples(self) -> tuple[Sample | None, Sample]:
        """The one before, if there is one yet, and one that is fresh."""
        latest = await self._sample(older_than_s=LEAST_WINDOW_S)
        return self._base, latest

    async def report(self) -> JsonObject:
        """`{time, node, pods}`: nanocores and bytes; a pod appears when all its running containers can be told."""
        base, latest = await self.samples()
        pods = []
        for _, worker in sorted(self._agent.workers.items()):
            running = {one.name: one.root() for one in worker.containers.all()} if worker.containers else {}
            found = {
                name: usage_of_container(number, base, latest) for name, number in running.items() if number is not None
            }
            told = {name: usage for name, usage in found.items() if usage is not None}
            if told and len(told) == len(found):
                pods.append(_pod(worker.uid, told))
        machine = usage_of_machine(base, latest)
        node = _amounts(machine) | {"window": machine.window_s} if machine is not None else None
        return {"time": latest.time, "node": node, "pods": pods}

    async def _sample(self, *, older_than_s: float) -> Sample:
        async with self._sampling:
            now = time.clock_gettime(time.CLOCK_BOOTTIME)
            if self._latest is None or now - self._latest.at >= older_than_s:
                roots = {
                    number
                    for worker in self._agent.workers.values()
                    for container in (worker.containers.all() if worker.containers else ())
                    if (number := container.root()) is not None
                }
                self._base, self._latest = self._latest, await asyncio.to_thread(take_sample, roots)
            return self._latest


def _pod(uid: str, told: dict[str, Usage]) -> JsonObject:
    containers = [{"name": name, **_amounts(usage)} for name, usage in told.items()]
    return {"uid": uid, "window": max(usage.window_s for usage in told.values()), "containers": containers}


def _amounts(usage: Usage) -> JsonObject:
    return {"nanocores": usage.nanocores, "memory": usage.memory}
