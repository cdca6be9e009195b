"""The containers of one pod: init containers one after the other, then the others, in order; and their end."""

import asyncio
import os
from collections.abc import Callable
from dataclasses import replace

from crossfade_kube.meta import JsonObject
from crossfade_local.cgroups import Group, Limits
from crossfade_local.kubelet.container import Container
from crossfade_local.kubelet.launching import PodContext
from crossfade_local.kubelet.limits import Limiter, pod_limits
from crossfade_local.kubelet.local_storage import Written
from crossfade_local.kubelet.resize import resources_by_name
from crossfade_local.kubelet.status import ContainerReport, Terminated, Waiting, history_of
from crossfade_local.pod_resources import Amounts, pod_amounts
from crossfade_local.values.fields import mapping


class PodContainers:
    """`known` is the status found when the node began with the pod: what ran in a former life counts as a restart."""

    def __init__(self, context: PodContext, *, known: JsonObject, now: str) -> None:
        spec = context.pod["spec"]
        policy = spec.get("restartPolicy", "Always")
        self.initial = [
            Container(one, context, policy=_initial_policy(one, policy), initial=True)
            for one in spec.get("initContainers") or ()
        ]
        self.main = [Container(one, context, policy=policy) for one in spec["containers"]]
        for containers, key in ((self.initial, "initContainerStatuses"), (self.main, "containerStatuses")):
            for container in containers:
                restart_count, last = _history(known.get(key) or (), container.name, now)
                container.resume(restart_count=restart_count, last=last)
        self.ephemeral: list[Container] = []
        self._begun: set[str] = set()
        self._context = context
        self._known: list[JsonObject] = known.get("ephemeralContainerStatuses") or []
        self._now = now
        self._tasks: asyncio.TaskGroup | None = None

    def all(self) -> tuple[Container, ...]:
        return (*self.initial, *self.main, *self.ephemeral)

    def find(self, name: str) -> Container | None:
        return next((one for one in self.all() if one.name == name), None)

    def written(self) -> dict[str, Written]:
        """Where each container writes, besides volumes."""
        return {one.name: one.written() for one in self.all()}

    async def run(self, stopping: asyncio.Event, grace_s: Callable[[], float]) -> None:
        """Until all have ended for good, because they were done or because `stopping` was set."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            self.add_ephemeral(self._context.pod["spec"])
            ending = tasks.create_task(self._end(stopping, grace_s))
            if await self._run_initial(tasks, stopping):
                await self._run_main(tasks, stopping)
            if not stopping.is_set():
                ending.cancel()
                await self._stop(grace_s())
            self._tasks = None

    def requests(self) -> Amounts:
        """Of what they have, which may be other than what the pod asks for by now."""
        spec = {
            **self._context.pod["spec"],
            "initContainers": [one.spec for one in self.initial],
            "containers": [one.spec for one in self.main],
        }
        return pod_amounts({"spec": spec}, "requests")

    def to_resize(self, pod: JsonObject) -> list[Container]:
        """Those that have other resources than this version of the pod gives them."""
        wanted = resources_by_name(pod)
        return [one for one in (*self.initial, *self.main) if mapping(one.spec, "resources") != wanted[one.name]]

    def resize(self, pod: JsonObject, limiter: Limiter) -> Group | None:
        """The pod's group by now. Raises ResizeError and OSError."""
        wanted = resources_by_name(pod)
        changed = self.to_resize(pod)
        for one in changed:
            one.check_resize(wanted[one.name])
        group = limiter.group_of(pod)
        if group is not None:
            # Neither may the pod's limits ever be below those of a container, nor the other way round.
            group.limit(Limits())
        restarts = [one.resize(wanted[one.name], pod=pod, group=group) for one in changed]
        if group is not None:
            try:
                group.limit(pod_limits(pod))
            except OSError:
                # Who is to be restarted may have more until then. The pod's limits are set with its next start, too.
                if not any(restarts):
                    raise
        return group

    def add_ephemeral(self, spec: JsonObject) -> None:
        """Starts those that are new, while the pod runs. One that was there in a former life is over."""
        for one in spec.get("ephemeralContainers") or ():
            if self._tasks is None or one["name"] in self._begun:
                continue
            self._begun.add(one["name"])
            _, ended = _history(self._known, one["name"], self._now)
            if ended is not None:
                container = Container(one, self._context, policy="Never")
                container.state = ended
                self.ephemeral.append(container)
            else:
                self._tasks.create_task(self._run_ephemeral(one), name=f"ephemeral container {one['name']}")

    async def _run_ephemeral(self, spec: JsonObject) -> None:
        """Among the processes of the container that it targets, if that runs."""
        target = self.find(spec.get("targetContainerName") or "")
        context, processes = self._context, target.processes() if target is not None else None
        if processes is not None:
            context = replace(context, sandbox=context.sandbox._replace(pid=processes))
        container = Container(spec, context, policy="Never")
        self.ephemeral.append(container)
        try:
            await container.run()
        finally:
            if processes is not None:
                os.close(processes)

    async def kill(self) -> None:
        for container in (*self.ephemeral, *self.main, *self.initial):
            await container.stop(0.0)

    async def _run_initial(self, tasks: asyncio.TaskGroup, stopping: asyncio.Event) -> bool:
        """False when the others are not to start."""
        for container in self.initial:
            if stopping.is_set():
                return False
            run = tasks.create_task(container.run(), name=f"init container {container.name}")
            if container.is_sidecar:
                await _either(container.has_started, run)
                continue
            await asyncio.wait([run])
            if not isinstance(container.state, Terminated) or container.state.exit_code:
                return False
        return not stopping.is_set()

    async def _run_main(self, tasks: asyncio.TaskGroup, stopping: asyncio.Event) -> None:
        """Each begins when the one before runs, its postStart hook included: that is how a pod waits for its proxy."""
        runs = []
        for container in self.main:
            if stopping.is_set():
                break
            runs.append(tasks.create_task(container.run(), name=f"container {container.name}"))
            await _either(container.first_attempt, runs[-1])
        if runs:
            await asyncio.wait(runs)

    async def _end(self, stopping: asyncio.Event, grace_s: Callable[[], float]) -> None:
        await stopping.wait()
        await self._stop(grace_s())

    async def _stop(self, grace_s: float) -> None:
        """Sidecars serve the others to the end: they go after them, the last one first. preStop hooks run at once."""
        async with asyncio.TaskGroup() as tasks:
            ends = [tasks.create_task(container.stop(grace_s)) for container in (*self.main, *self.ephemeral)]
            for container in reversed(self.initial):
                after = tuple(ends) if container.is_sidecar else ()
                ends.append(tasks.create_task(container.stop(grace_s, after=after)))


def reports_before_start(spec: JsonObject, key: str, *, known: JsonObject, now: str) -> list[ContainerReport]:
    """How the containers of `spec[key]` look before there is a sandbox for them."""
    statuses = known.get("initContainerStatuses" if key == "initContainers" else "containerStatuses") or ()
    reports = []
    for one in spec.get(key) or ():
        restart_count, last = _history(statuses, one["name"], now)
        waiting = Waiting("PodInitializing" if spec.get("initContainers") else "ContainerCreating")
        report = ContainerReport(name=one["name"], image=one["image"], state=waiting)
        reports.append(report._replace(last=last, restart_count=restart_count))
    return reports


def _initial_policy(spec: JsonObject, policy: str) -> str:
    if spec.get("restartPolicy") == "Always":
        return "Always"
    return "OnFailure" if policy == "Always" else policy


def _history(statuses: "list[JsonObject] | tuple[()]", name: str, now: str) -> tuple[int, Terminated | None]:
    for status in statuses:
        if status["name"] == name:
            return history_of(status, now=now)
    return 0, None


async def _either(event: asyncio.Event, task: "asyncio.Task[None]") -> None:
    """Returns when the event is set or the task has ended."""
    waiting = asyncio.ensure_future(event.wait())
    await asyncio.wait({waiting, task}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
