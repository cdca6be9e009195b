"""One container of a pod: starts it, restarts it by policy with back-off, stops it with grace.

Whatever goes wrong becomes the container's state and an Event; nothing is raised to the pod.
"""

import asyncio
import contextlib
import os
import signal
import uuid
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local import namespaces
from crossfade_local.cgroups import Group, Limits
from crossfade_local.kubelet import process
from crossfade_local.kubelet.commands import run_command, run_hook, run_pre_stop
from crossfade_local.kubelet.health import Health
from crossfade_local.kubelet.launching import (
    CannotStartError,
    PodContext,
    enter_group,
    enter_root,
    failed_start,
    find_image,
    limit_pod,
    plan_launch,
)
from crossfade_local.kubelet.limits import adopt_all, container_limits
from crossfade_local.kubelet.local_storage import Written
from crossfade_local.kubelet.logs import LogFile
from crossfade_local.kubelet.probes import Target
from crossfade_local.kubelet.process import Launch, Process, StartError, Streams
from crossfade_local.kubelet.resize import ResizeError, needs_restart
from crossfade_local.kubelet.status import ContainerReport, Running, State, Terminated, Waiting, now_text
from crossfade_local.kubelet.terminal import CommandStreams, Terminal, open_terminal
from crossfade_local.namespaces import Namespaces
from crossfade_local.values.fields import mapping

_FIRST_BACKOFF_S: Final = 10.0
_LONGEST_BACKOFF_S: Final = 300.0
# A container that ran this long counts as healthy again: its next crash is its first.
_HEALTHY_AFTER_S: Final = 600.0
_LOGS_KEPT: Final = 2
_AFTER_PRE_STOP_S: Final = 2.0
_DEFAULT_GRACE_S: Final = 30
_MAX_MESSAGE: Final = 4096
_STDERR: Final = 2


class Container:
    """`first_attempt` is set once it runs, postStart included, or could not be started; `has_started` after its startup
    probe."""

    def __init__(self, spec: JsonObject, context: PodContext, *, policy: str, initial: bool = False) -> None:
        """`policy` is this container's own restart policy; `initial` marks one of the init containers."""
        self.spec = spec
        self.name: str = spec["name"]
        self.first_attempt = asyncio.Event()
        self.has_started = asyncio.Event()
        self.log: LogFile | None = None
        self.streams: CommandStreams | None = None
        self.restart_count = 0
        self.last: Terminated | None = None
        self.probed: Counter[tuple[str, bool]] = Counter()
        """Probes by their kind and whether they succeeded."""
        waits_for_others = bool(context.pod["spec"].get("initContainers"))
        self._before_start = "PodInitializing" if waits_for_others else "ContainerCreating"
        self.state: State = Waiting(self._before_start)
        self.is_sidecar = initial and spec.get("restartPolicy") == "Always"
        self._initial = initial
        self._context = context
        self._policy = policy
        self._target = Target(context.facts.pod_ip, _named_ports(spec), self._run_command)
        self._stopping = asyncio.Event()
        self._process: Process | None = None
        self._inside: Namespaces | None = None
        self._launch: Launch | None = None
        self._group: Group | None = None
        self._health: Health | None = None
        self._ending: asyncio.Task[None] | None = None
        self.id = ""
        self._is_in_post_start = False
        self._is_renewed = False
        self._backoff_s = 0.0
        self._grace_s = 0.0

    @property
    def is_started(self) -> bool:
        is_running = isinstance(self.state, Running) and not self._is_in_post_start
        return is_running and self._health is not None and self._health.started

    @property
    def uid(self) -> int | None:
        """Who the container's programs run as; None while it is not running or where there is one user only."""
        return self._launch.identity.uid if self._launch else None

    def processes(self) -> int | None:
        """The pid namespace it runs in, as a descriptor for the caller to close; None while it does not run."""
        return os.dup(self._inside.pid) if self._inside is not None and self._inside.pid is not None else None

    def written(self) -> Written:
        running = self._process if isinstance(self.state, Running) else None
        root = Path(f"/proc/{running.pid}/root") if running is not None else None
        return Written(self._context.logs / self.name, root)

    def root(self) -> int | None:
        """The number of its mount namespace, which is in no other container; None while it does not run."""
        inside = self._inside if isinstance(self.state, Running) else None
        return os.fstat(inside.mount).st_ino if inside is not None and inside.mount is not None else None

    def report(self) -> ContainerReport:
        # Until its postStart hook is done a container counts as being created; one that is started again by a resize
        # has not ended.
        is_between = self._is_in_post_start or (self._is_renewed and isinstance(self.state, Terminated))
        state = Waiting(self._before_start) if is_between else self.state
        running = isinstance(state, Running)
        done = isinstance(self.state, Terminated) and self.state.exit_code == 0 and not self.is_sidecar
        return ContainerReport(
            name=self.name,
            image=self.spec["image"],
            state=state,
            last=self.state if self._is_renewed and isinstance(self.state, Terminated) else self.last,
            restart_count=self.restart_count,
            ready=(running and self._health is not None and self._health.ready) or (self._initial and done),
            started=self.is_started,
            container_id=self.id,
            restartable=self.is_sidecar,
            resources=mapping(self.spec, "resources"),
        )

    def resume(self, *, restart_count: int, last: Terminated | None) -> None:
        """Takes over the history of a former life of the node."""
        self.restart_count, self.last = restart_count, last

    def log_path(self, *, previous: bool = False) -> Path:
        run = self.restart_count - 1 if previous else self.restart_count
        return self._context.logs / self.name / f"{run}.log"

    async def run(self) -> None:
        """Until the container has ended for good or was stopped."""
        try:
            while not self._stopping.is_set():
                try:
                    await self._start()
                except CannotStartError as error:
                    self._note_failed_start(error)
                    if isinstance(self.state, Terminated) and not self._wants_restart(self.state.exit_code):
                        return
                    await self._pause(_FIRST_BACKOFF_S)
                    continue
                finally:
                    self.first_attempt.set()
                if self._stopping.is_set():
                    await self.stop(self._grace_s)
                if not await self._run_to_end():
                    return
                await self._back_off()
                self.restart_count += 1
        finally:
            self._leave_root()
            self._close_streams()

    async def stop(self, grace_s: float, *, after: Collection["asyncio.Task[None]"] = ()) -> None:
        """preStop, SIGTERM when all of `after` are done, and SIGKILL when the grace is over.

        Returns when the program has ended; from the beginning it is not started again.
        """
        self._stopping.set()
        self._grace_s = grace_s
        running = self._process
        if running is None or running.ended:
            return
        self._event("Normal", "Killing", f"Stopping container {self.name}")
        await self._end(running, grace_s, after)

    def check_resize(self, resources: JsonObject) -> None:
        """Raises ResizeError and OSError."""
        most = container_limits({"resources": resources}).memory
        if self._group is None or most is None or needs_restart(self.spec, resources):
            return
        if (used := self._group.memory_used()) > most:
            said = f"container {self.name} has {used} bytes of memory in use, more than its new limit {most}"
            raise ResizeError(said)

    def resize(self, resources: JsonObject, *, pod: JsonObject, group: Group | None) -> bool:
        """At once, or by a restart where its resizePolicy says so: then it is true. `group` is the pod's. Raises
        ResizeError and OSError."""
        restarts = isinstance(self.state, Running) and needs_restart(self.spec, resources)
        self.spec = {**self.spec, "resources": resources}
        self._context = replace(self._context, pod=pod, group=group)
        if restarts and self._process is not None:
            # Until it has ended it is within what its pod has.
            if self._group is not None:
                self._group.limit(Limits())
            self._is_renewed, self._backoff_s = True, 0.0
            self._event("Normal", "Killing", f"Container {self.name} is resized, will be restarted")
            self._ending = asyncio.create_task(self._end(self._process, self._usual_grace_s))
        else:
            self._keep_within_limits()
        return restarts

    def _keep_within_limits(self) -> None:
        if self._group is not None:
            self._group.limit(container_limits(self.spec))
        elif isinstance(self.state, Running) and self._inside and self._inside.mount is not None and self._launch:
            try:
                self._group = enter_group(self.spec, self._context, run=self.restart_count)
            except CannotStartError as error:
                raise ResizeError(str(error)) from error
            if self._group is not None:
                self._launch = self._launch._replace(groups=self._group.member_files)
                adopt_all(self._group, self._inside.mount)

    async def open_terminal(self) -> Terminal:
        """For `execute`. Raises StartError."""
        if self._inside is None:
            raise StartError(f"container {self.name} is not running")
        try:
            return await open_terminal(self._inside)
        except OSError as error:
            raise StartError(f"no terminal in container {self.name}: {error}") from error

    async def execute(
        self, argv: list[str], streams: Streams, *, extra_env: Mapping[str, str] | None = None
    ) -> Process:
        """Starts another program beside the container's own. Raises StartError."""
        if self._inside is None or self._launch is None or not isinstance(self.state, Running):
            raise StartError(f"container {self.name} is not running")
        launch = self._launch._replace(argv=tuple(argv), env={**self._launch.env, **(extra_env or {})})
        return await process.start(launch, inside=self._inside, streams=streams)

    async def _start(self) -> None:
        """One attempt, up to the end of postStart. Raises CannotStartError."""
        image, user = find_image(self.spec["image"], self._context.catalogue)
        self._event(
            "Normal", "Pulled", f'Container image "{self.spec["image"]}" found in the catalogue as {image.argv[0]}'
        )
        launch = plan_launch(self.spec, image, user, self._context)
        self._leave_root()
        if self._is_renewed:
            limit_pod(self._context)
        self._group = enter_group(self.spec, self._context, run=self.restart_count)
        if self._group is not None:
            launch = launch._replace(groups=self._group.member_files)
        self._launch = launch
        self._inside = await enter_root(self.spec, image, launch, self._context, termination_log=self._termination_log)
        self._event("Normal", "Created", f"Created container: {self.name}")
        self._process, self._inside = await self._start_program(launch, self._inside)
        self.id = f"crossfade://{uuid.uuid4().hex}"
        self._health = Health(
            self.spec,
            self._target,
            changed=self._changed,
            failed=lambda message: self._event("Warning", "Unhealthy", message),
            kill=self._kill_unhealthy,
            probed=self.probed,
        )
        self._is_in_post_start = bool((self.spec.get("lifecycle") or {}).get("postStart"))
        self.state, self._is_renewed = Running(now_text()), False
        self._event("Normal", "Started", f"Started container {self.name}")
        self._changed()
        await self._post_start(self._process)

    async def _start_program(self, launch: Launch, inside: Namespaces) -> tuple[Process, Namespaces]:
        self._close_streams()
        self.log = self._open_log()
        terminal = await self.open_terminal() if self.spec.get("tty") else None
        streams = self.streams = CommandStreams(
            stdin=bool(self.spec.get("stdin")), terminal=terminal, owner=launch.identity.uid
        )
        for number, descriptor in streams.outputs.items():
            self.log.follow_pipe(os.dup(descriptor), "stderr" if number == _STDERR else "stdout")
        try:
            return await process.start_first(launch, inside=inside, streams=streams.streams)
        except StartError as error:
            raise CannotStartError("StartError", str(error)) from error
        finally:
            streams.release()

    def _open_log(self) -> LogFile:
        path = self.log_path()
        path.unlink(missing_ok=True)
        path.with_name(f"{self.restart_count - _LOGS_KEPT}.log").unlink(missing_ok=True)
        return LogFile(path)

    async def _run_to_end(self) -> bool:
        """Waits for the program, probing it; true if it is to be started again."""
        assert self._process is not None
        assert self._health is not None
        loop = asyncio.get_running_loop()
        started = loop.time()
        watching = asyncio.create_task(self._health.watch())
        try:
            code = await self._process.wait()
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching
        if loop.time() - started > _HEALTHY_AFTER_S:
            self._backoff_s = 0.0
        await self._end_others()
        self._note_end(code)
        return self._wants_restart(code)

    async def _end_others(self) -> None:
        """Where the pod shares its processes, no process 1 of the container's own takes what it started with it."""
        if self._inside and self._inside.mount is not None and self._context.sandbox.pid is not None:
            await asyncio.to_thread(namespaces.kill_all_in, self._inside.mount, "mnt")

    def _note_end(self, code: int) -> None:
        since = self.state.started_at if isinstance(self.state, Running) else now_text()
        self.state = Terminated(
            exit_code=code,
            reason=self._reason_of_end(code),
            started_at=since,
            finished_at=now_text(),
            container_id=self.id,
            message=self._termination_message(code),
        )
        self._leave_root()
        self._context.changed()

    def _reason_of_end(self, code: int) -> str:
        """A container counts as killed for want of memory if any of its processes was, as for container engines."""
        if self._group is not None and self._group.oom_kills():
            return "OOMKilled"
        return "Completed" if code == 0 else "Error"

    def _note_failed_start(self, error: CannotStartError) -> None:
        self.state, message = failed_start(error, image=self.spec["image"], former=self.state)
        self._event("Warning", "Failed", message)
        self._context.changed()

    async def _back_off(self) -> None:
        """The first restart comes at once, each further one after twice the time of the one before."""
        assert isinstance(self.state, Terminated)
        self.last = self.state
        if self._backoff_s:
            metadata = self._context.pod["metadata"]
            pod = f"{metadata['name']}_{metadata['namespace']}({metadata['uid']})"
            message = f"back-off {self._backoff_s:g}s restarting failed container={self.name} pod={pod}"
            self.state = Waiting("CrashLoopBackOff", message)
            self._event("Warning", "BackOff", f"Back-off restarting failed container {self.name} in pod {pod}")
            self._context.changed()
            await self._pause(self._backoff_s)
        self._backoff_s = min(max(_FIRST_BACKOFF_S, self._backoff_s * 2), _LONGEST_BACKOFF_S)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    def _wants_restart(self, code: int) -> bool:
        if self._stopping.is_set() or self._policy == "Never":
            return False
        return self._policy == "Always" or code != 0 or self._is_renewed

    def _kill_unhealthy(self, kind: str) -> None:
        if self._process is None or self._stopping.is_set() or (self._ending and not self._ending.done()):
            return
        self._event("Normal", "Killing", f"Container {self.name} failed {kind} probe, will be restarted")
        grace_s = self.spec[f"{kind}Probe"].get("terminationGracePeriodSeconds") or self._usual_grace_s
        self._ending = asyncio.create_task(self._end(self._process, float(grace_s)))

    @property
    def _usual_grace_s(self) -> float:
        return float(self._context.pod["spec"].get("terminationGracePeriodSeconds", _DEFAULT_GRACE_S))

    async def _end(self, running: Process, grace_s: float, after: Collection["asyncio.Task[None]"] = ()) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + grace_s
        await self._pre_stop(running, grace_s)
        if after:
            await asyncio.wait(after, timeout=max(deadline - loop.time(), 0))
        await running.end(max(deadline - loop.time(), _AFTER_PRE_STOP_S if grace_s else 0))

    def _changed(self) -> None:
        if self.is_started:
            self.has_started.set()
        self._context.changed()

    async def _post_start(self, running: Process) -> None:
        hook = (self.spec.get("lifecycle") or {}).get("postStart")
        if hook and (problem := await run_hook(hook, self._target, running)):
            self._event("Warning", "FailedPostStartHook", f"PostStartHook failed: {problem}")
            running.signal(signal.SIGKILL)
        self._is_in_post_start = False
        self._changed()

    async def _pre_stop(self, running: Process, grace_s: float) -> None:
        problem = await run_pre_stop(self.spec, self._target, running, grace_s) if grace_s else ""
        if problem:
            self._event("Warning", "FailedPreStopHook", f"PreStopHook failed: {problem}")

    async def _run_command(self, argv: list[str]) -> tuple[int, bytes]:
        return await run_command(argv, self.execute)

    @property
    def _termination_log(self) -> Path:
        return self._context.logs / self.name / "termination"

    def _termination_message(self, code: int) -> str:
        """What the program wrote to its termination log, else, where the spec says so, the end of its log."""
        with contextlib.suppress(OSError):
            if text := self._termination_log.read_bytes()[:_MAX_MESSAGE].decode(errors="replace"):
                return text
        wanted = code and self.spec.get("terminationMessagePolicy") == "FallbackToLogsOnError"
        return self.log.tail_text(_MAX_MESSAGE // 2) if wanted and self.log else ""

    def _close_streams(self) -> None:
        if self.streams is not None:
            self.streams.close()
            self.streams = None

    def _leave_root(self) -> None:
        if self._inside:
            self._inside.close_except(self._context.sandbox)
            self._inside = None
        if self._group is not None:
            self._group.remove()
            self._group = None

    def _event(self, kind: str, reason: str, message: str) -> None:
        self._context.record(kind, reason, message)


def _named_ports(spec: JsonObject) -> dict[str, int]:
    return {port["name"]: port["containerPort"] for port in spec.get("ports") or () if port.get("name")}
