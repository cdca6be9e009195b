"""One container of a pod: starts it, probes it, restarts it by policy with back-off, stops it with grace.

Whatever goes wrong becomes the container's state and an Event; nothing is raised to the pod.
"""

import asyncio
import contextlib
import os
import signal
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from crossfade.api.meta import JsonObject
from crossfade.local import namespaces
from crossfade.local.catalogue import Catalogue, CatalogueError, Image
from crossfade.local.kubelet import environment, probes, process
from crossfade.local.kubelet.environment import DataSources, PodFacts
from crossfade.local.kubelet.logs import LogFile
from crossfade.local.kubelet.process import Identity, Launch, Pipe, Process, StartError, Streams
from crossfade.local.kubelet.rootfs import MachineView, Mount
from crossfade.local.kubelet.status import ContainerReport, Running, State, Terminated, Waiting, now_text
from crossfade.local.namespaces import Namespaces

_FIRST_BACKOFF_S: Final = 10.0
_LONGEST_BACKOFF_S: Final = 300.0
# A container that ran this long counts as healthy again: its next crash is its first.
_HEALTHY_AFTER_S: Final = 600.0
_LOGS_KEPT: Final = 2
_AFTER_PRE_STOP_S: Final = 2.0
_SIGNALLED: Final = 128


@dataclass(frozen=True, kw_only=True)
class PodContext:
    """What the containers of a pod share."""

    pod: JsonObject
    facts: PodFacts
    sources: DataSources
    volumes: Mapping[str, Path]
    files: dict[str, str]
    sandbox: Namespaces
    machine: MachineView
    catalogue: Catalogue
    base_env: Mapping[str, str]
    logs: Path
    many_users: bool
    record: Callable[[str, str, str, str], None]
    """Event type, reason, message, field path."""
    changed: Callable[[], None]


class CannotStartError(Exception):
    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Container:
    def __init__(self, spec: JsonObject, context: PodContext, *, policy: str, kind: str = "containers") -> None:
        self.spec = spec
        self.name: str = spec["name"]
        self.first_attempt = asyncio.Event()
        self.started_once = asyncio.Event()
        self.log: LogFile | None = None
        self.restart_count = 0
        self.last: Terminated | None = None
        self.state: State = Waiting(
            "PodInitializing" if context.pod["spec"].get("initContainers") else "ContainerCreating"
        )
        self._context = context
        self._policy = policy
        self._sidecar = kind == "initContainers" and spec.get("restartPolicy") == "Always"
        self._field = f"spec.{kind}{{{self.name}}}"
        self._stopping = asyncio.Event()
        self._process: Process | None = None
        self._inside: Namespaces | None = None
        self._launch: Launch | None = None
        self._id = ""
        self._ready = False
        self._started = False
        self._backoff_s = 0.0
        self._grace_s = 0.0

    def report(self) -> ContainerReport:
        running = isinstance(self.state, Running)
        return ContainerReport(
            name=self.name,
            image=self.spec["image"],
            state=self.state,
            last=self.last,
            restart_count=self.restart_count,
            ready=self._ready if self._sidecar or not isinstance(self.state, Terminated) else self._done_well(),
            started=running and self._started,
            container_id=self._id,
            restartable=self._sidecar,
        )

    def resume(self, *, restart_count: int, last: Terminated | None) -> None:
        """Takes over the history of a former life of the node."""
        self.restart_count, self.last = restart_count, last

    @property
    def uid(self) -> int | None:
        """Who the container's programs run as; None while it is not running or where there is one user only."""
        return self._launch.identity.uid if self._launch and self._launch.identity else None

    def log_path(self, *, previous: bool = False) -> Path:
        run = self.restart_count - 1 if previous else self.restart_count
        return self._context.logs / self.name / f"{run}.log"

    async def run(self) -> None:
        """Until the container has ended for good or was stopped."""
        while not self._stopping.is_set():
            try:
                await self._start()
            except CannotStartError as error:
                self._note_failed_start(error)
                self.first_attempt.set()
                if isinstance(self.state, Terminated) and not self._wants_restart(self.state.exit_code):
                    return
                await self._pause(_FIRST_BACKOFF_S)
                continue
            if self._stopping.is_set():
                await self.stop(self._grace_s)
            if not await self._run_to_end():
                return
            await self._back_off()
            self.restart_count += 1

    async def stop(self, grace_s: float) -> None:
        """preStop, SIGTERM, and SIGKILL when the grace is over. Returns when the program has ended."""
        self._stopping.set()
        self._grace_s = grace_s
        running = self._process
        if running is None or running.ended:
            return
        self._event("Normal", "Killing", f"Stopping container {self.name}")
        loop = asyncio.get_running_loop()
        deadline = loop.time() + grace_s
        await self._pre_stop(grace_s)
        running.signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(deadline - loop.time(), _AFTER_PRE_STOP_S if grace_s else 0)):
                await running.wait()
        running.signal(signal.SIGKILL)
        await running.wait()

    async def execute(
        self, argv: list[str], streams: Streams, *, extra_env: Mapping[str, str] | None = None
    ) -> Process:
        """Starts another program beside the container's own. Raises StartError."""
        if self._inside is None or self._launch is None or not isinstance(self.state, Running):
            raise StartError(f"container {self.name} is not running")
        launch = self._launch._replace(argv=tuple(argv), env={**self._launch.env, **(extra_env or {})})
        return await process.start(launch, inside=self._inside, streams=streams)

    async def _start(self) -> None:
        """One attempt, up to the end of postStart."""
        self._launch = self._plan()
        self._inside = await self._enter_root()
        self.log = self._open_log()
        out, err = (Pipe.open(owner=self._launch.identity.uid if self._launch.identity else None) for _ in range(2))
        self.log.follow_pipe(out.read, "stdout")
        self.log.follow_pipe(err.read, "stderr")
        try:
            with process.null_input() as null:
                streams = Streams(stdin=null.fileno(), stdout=out.write, stderr=err.write)
                self._process = await process.start(self._launch, inside=self._inside, streams=streams)
        except StartError as error:
            raise CannotStartError("StartError", str(error)) from error
        finally:
            os.close(out.write)
            os.close(err.write)
        self._id = f"crossfade://{uuid.uuid4().hex}"
        self.state = Running(now_text())
        self._ready = "readinessProbe" not in self.spec and "startupProbe" not in self.spec
        self._started = "startupProbe" not in self.spec
        self._event("Normal", "Started", f"Started container {self.name}")
        if self._started:
            self.started_once.set()
        self._context.changed()
        await self._post_start()
        self.first_attempt.set()

    def _plan(self) -> Launch:
        context = self._context
        image = self._find_image()
        try:
            base = {**context.base_env, **image.env}
            env = environment.build_env(self.spec, base=base, facts=context.facts, sources=context.sources)
            command = environment.build_command(self.spec, image, env)
            identity = environment.build_identity(self.spec, context.pod["spec"], image)
        except environment.ConfigError as error:
            raise CannotStartError("CreateContainerConfigError", str(error)) from error
        env.setdefault("HOME", "/root" if identity.uid == 0 else "/")
        self._event("Normal", "Created", f"Created container: {self.name}")
        return Launch(command.argv, env, command.workdir, self._allowed(identity))

    def _allowed(self, identity: Identity) -> Identity | None:
        return identity if self._context.many_users else None

    def _find_image(self) -> Image:
        reference = self.spec["image"]
        try:
            image = self._context.catalogue.find(reference)
        except CatalogueError as error:
            raise CannotStartError("ErrImagePull", str(error)) from error
        if image is None:
            raise CannotStartError("ErrImagePull", self._context.catalogue.how_to_add(reference))
        self._event("Normal", "Pulled", f'Container image "{reference}" found in the catalogue as {image.argv[0]}')
        return image

    async def _enter_root(self) -> Namespaces:
        self._leave_root()
        sandbox, machine = self._context.sandbox, self._context.machine
        mounts = [self._mount(one) for one in self.spec.get("volumeMounts") or ()]

        def enter() -> int:
            namespaces.enter(sandbox)
            return machine.enter_new_root(mounts=mounts, files=self._context.files)

        try:
            return sandbox._replace(mount=await namespaces.on_fresh_thread(enter, name=f"root of {self.name}"))
        except OSError as error:
            raise CannotStartError("CreateContainerError", f"file system of container {self.name}: {error}") from error

    def _mount(self, spec: JsonObject) -> Mount:
        volume = self._context.volumes.get(spec["name"])
        if volume is None:
            raise CannotStartError("CreateContainerConfigError", f'no volume named "{spec["name"]}"')
        inner = spec.get("subPath") or spec.get("subPathExpr") or ""
        if spec.get("subPathExpr") and self._launch:
            inner = environment.expand(inner, self._launch.env)
        source = volume / inner
        if inner and ".." in Path(inner).parts:
            raise CannotStartError("CreateContainerConfigError", f"subPath {inner} must not contain '..'")
        if inner and not source.exists():
            source.mkdir(parents=True)
        return Mount(source, spec["mountPath"], bool(spec.get("readOnly")))

    def _open_log(self) -> LogFile:
        path = self.log_path()
        path.unlink(missing_ok=True)
        stale = path.with_name(f"{self.restart_count - _LOGS_KEPT}.log")
        stale.unlink(missing_ok=True)
        return LogFile(path)

    async def _run_to_end(self) -> bool:
        """Waits for the program, probing it; true if it is to be started again."""
        assert self._process is not None
        watching = asyncio.create_task(self._probe())
        try:
            code = await self._process.wait()
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching
        self._note_end(code)
        return self._wants_restart(code)

    def _note_end(self, code: int) -> None:
        since = self.state.started_at if isinstance(self.state, Running) else now_text()
        ended = Terminated(
            exit_code=code,
            reason="Completed" if code == 0 else "Error",
            started_at=since,
            finished_at=now_text(),
            container_id=self._id,
            message=self._termination_message(),
        )
        self.state = ended
        self._ready = self._started = False
        self._leave_root()
        self._context.changed()

    def _note_failed_start(self, error: CannotStartError) -> None:
        if error.reason == "StartError":
            now = now_text()
            self.state = Terminated(_SIGNALLED, error.reason, now, now, str(error))
            self._event("Warning", "Failed", f"Error: {error}")
        elif error.reason == "ErrImagePull":
            repeated = isinstance(self.state, Waiting) and self.state.reason in ("ErrImagePull", "ImagePullBackOff")
            reason = "ImagePullBackOff" if repeated else error.reason
            self.state = Waiting(reason, str(error))
            self._event("Warning", "Failed", f'Failed to pull image "{self.spec["image"]}": {error}')
        else:
            self.state = Waiting(error.reason, str(error))
            self._event("Warning", "Failed", f"Error: {error}")
        self._context.changed()

    async def _back_off(self) -> None:
        ended = self.state
        assert isinstance(ended, Terminated)
        self.last = ended
        if self._backoff_s:
            message = (
                f"back-off {self._backoff_s:g}s restarting failed container={self.name} "
                f"pod={self._context.pod['metadata']['name']}_{self._context.pod['metadata']['namespace']}"
            )
            self.state = Waiting("CrashLoopBackOff", message)
            self._event("Warning", "BackOff", f"Back-off restarting failed container {self.name}")
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
        return self._policy == "Always" or code != 0

    def _done_well(self) -> bool:
        return isinstance(self.state, Terminated) and self.state.exit_code == 0 and self._field.startswith("spec.init")

    async def _probe(self) -> None:
        """Startup first; then liveness and readiness side by side."""
        target = probes.Target(self._context.facts.pod_ip, _named_ports(self.spec), self._run_command)
        if (startup := self.spec.get("startupProbe")) and not await self._await_startup(startup, target):
            return
        async with asyncio.TaskGroup() as tasks:
            if readiness := self.spec.get("readinessProbe"):
                tasks.create_task(
                    probes.watch_probe(readiness, target, report=self._set_ready, failed=self._unhealthy("Readiness"))
                )
            elif not self._ready:
                self._set_ready(True)
            if liveness := self.spec.get("livenessProbe"):
                tasks.create_task(
                    probes.watch_probe(liveness, target, report=self._judge_life, failed=self._unhealthy("Liveness"))
                )

    async def _await_startup(self, probe: JsonObject, target: probes.Target) -> bool:
        decided: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        def report(ok: bool) -> None:
            if not decided.done():
                decided.set_result(ok)

        watching = asyncio.create_task(
            probes.watch_probe(probe, target, report=report, failed=self._unhealthy("Startup"))
        )
        try:
            ok = await decided
        finally:
            watching.cancel()
        if ok:
            self._started = True
            self.started_once.set()
            self._context.changed()
        else:
            await self._kill_unhealthy("startup")
        return ok

    def _set_ready(self, ready: bool) -> None:
        if ready != self._ready:
            self._ready = ready
            self._context.changed()

    def _judge_life(self, alive: bool) -> None:
        if not alive:
            self._killing = asyncio.ensure_future(self._kill_unhealthy("liveness"))

    async def _kill_unhealthy(self, kind: str) -> None:
        self._event("Normal", "Killing", f"Container {self.name} failed {kind} probe, will be restarted")
        grace_s = float(self._context.pod["spec"].get("terminationGracePeriodSeconds", 30))
        running = self._process
        if running is None:
            return
        running.signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                await running.wait()
        running.signal(signal.SIGKILL)

    def _unhealthy(self, kind: str) -> Callable[[str], None]:
        return lambda message: self._event("Warning", "Unhealthy", f"{kind} probe failed: {message}")

    async def _run_command(self, argv: list[str]) -> tuple[int, bytes]:
        """Exit code and output of a short command in the container."""
        out = Pipe.open()
        reader = asyncio.StreamReader()
        try:
            with process.null_input() as null:
                started = await self.execute(argv, Streams(null.fileno(), out.write, out.write))
        except StartError as error:
            os.close(out.read)
            return 126, str(error).encode()
        finally:
            os.close(out.write)
        loop = asyncio.get_running_loop()
        source = os.fdopen(out.read, "rb", buffering=0)
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), source)
        try:
            code = await started.wait()
            return code, await reader.read(16_384)
        except asyncio.CancelledError:
            started.signal(signal.SIGKILL)
            raise
        finally:
            transport.close()

    async def _post_start(self) -> None:
        hook = (self.spec.get("lifecycle") or {}).get("postStart")
        if hook and (problem := await self._run_hook(hook)):
            self._event("Warning", "FailedPostStartHook", f"PostStartHook failed: {problem}")
            if self._process:
                self._process.signal(signal.SIGKILL)

    async def _pre_stop(self, grace_s: float) -> None:
        hook = (self.spec.get("lifecycle") or {}).get("preStop")
        if not hook or not grace_s:
            return
        try:
            async with asyncio.timeout(grace_s):
                if problem := await self._run_hook(hook):
                    self._event("Warning", "FailedPreStopHook", f"PreStopHook failed: {problem}")
        except TimeoutError:
            self._event(
                "Warning", "FailedPreStopHook", f"PreStopHook of {self.name} did not end within the grace period"
            )

    async def _run_hook(self, hook: JsonObject) -> str:
        """What went wrong, or nothing. A hook that never ends is ended with the container."""
        if "sleep" in hook:
            await asyncio.sleep(hook["sleep"].get("seconds", 0))
            return ""
        if "exec" in hook:
            running = asyncio.ensure_future(self._run_command(list(hook["exec"].get("command") or ())))
            code, output = await _unless(running, self._process)
            return "" if code == 0 else output.decode(errors="replace").strip() or f"exit code {code}"
        target = probes.Target(self._context.facts.pod_ip, _named_ports(self.spec), self._run_command)
        result = await probes.check(hook, target, timeout_s=30.0)
        return "" if result.ok else result.message

    def _termination_message(self) -> str:
        if self.spec.get("terminationMessagePolicy") != "FallbackToLogsOnError" or not self.log:
            return ""
        return self.log.tail_text(2048)

    def _leave_root(self) -> None:
        if self._inside and self._inside.mount is not None:
            os.close(self._inside.mount)
            self._inside = None

    def _event(self, kind: str, reason: str, message: str) -> None:
        self._context.record(kind, reason, message, self._field)


async def _unless(task: "asyncio.Future[tuple[int, bytes]]", running: Process | None) -> tuple[int, bytes]:
    if running is None:
        return await task
    end: Awaitable[int] = running.wait()
    ended = asyncio.ensure_future(end)
    try:
        both: set[asyncio.Future[Any]] = {task, ended}
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else (_SIGNALLED, b"the container ended before its hook")
    finally:
        task.cancel()
        ended.cancel()


def _named_ports(spec: JsonObject) -> dict[str, int]:
    return {port["name"]: port["containerPort"] for port in spec.get("ports") or () if port.get("name")}
