"""The life of one pod on the node: sandbox, volumes, init containers, containers, end; and its status in the API."""

import asyncio
import contextlib
import logging
import shutil
import signal
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from crossfade_kube.backoff import Backoff
from crossfade_kube.client import STRATEGIC
from crossfade_kube.errors import Conflict, KubeError, NotFound
from crossfade_kube.meta import JsonObject, NamespacedName, ObjectRef
from crossfade_kube.resources import POD
from crossfade_local import namespaces, network
from crossfade_local.cgroups import Group
from crossfade_local.kubelet import local_storage, shared_processes
from crossfade_local.kubelet.claims import ClaimedVolumes
from crossfade_local.kubelet.data_sources import fetch_sources
from crossfade_local.kubelet.environment import DataSources, PodFacts
from crossfade_local.kubelet.launching import PodContext
from crossfade_local.kubelet.machine import Machine
from crossfade_local.kubelet.pod_containers import PodContainers, reports_before_start
from crossfade_local.kubelet.pod_files import hostname_of, name_files
from crossfade_local.kubelet.process import Process, StartError
from crossfade_local.kubelet.resize import ResizeError, Room, failure, refusal
from crossfade_local.kubelet.runtime_handlers import NoRuntimeError, check_runtime
from crossfade_local.kubelet.shared_user import users_without_effect
from crossfade_local.kubelet.status import (
    DEADLINE_EXCEEDED,
    PodReport,
    now_text,
    pod_status,
    seconds_left,
)  # fmt: skip
from crossfade_local.kubelet.volumes import Place, PodVolumes, VolumeError
from crossfade_local.namespaces import Namespaces
from crossfade_local.pod_resources import Amounts, pod_amounts

log = logging.getLogger(__name__)

_RETRY_S: Final = 2.0
_LONGEST_RETRY_S: Final = 60.0
_REFRESH_S: Final = 60.0
_DEFAULT_GRACE_S: Final = 30.0
_EVICTION_GRACE_S: Final = 1.0


class UnsupportedError(Exception):
    """The pod asks for what the embedded cluster does not have; the text says what to do."""


def check_supported(spec: JsonObject) -> None:
    """Raises UnsupportedError: a pod that would silently get something else does not start."""
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(name):
            raise UnsupportedError(f"spec.{name} is not available in the embedded cluster; remove it")


class SandboxLostError(Exception):
    """What all containers of the pod lived in is gone."""


class PodWorker:
    """Runs one pod until it is gone. `update` tells it of changes."""

    def __init__(self, pod: JsonObject, machine: Machine) -> None:
        self.pod = pod
        metadata = pod["metadata"]
        self.key = NamespacedName(metadata["namespace"], metadata["name"])
        self.uid: str = metadata["uid"]
        self.containers: PodContainers | None = None
        self._machine = machine
        self._directory = machine.directory / "pods" / self.uid
        claims = ClaimedVolumes(machine.client, machine.volumes, machine.view)
        self._volumes = PodVolumes(
            self._directory / "volumes", pod=pod, client=machine.client, view=machine.view, ids=machine.ids,
            claimed=lambda name: claims.path(self.key.namespace, name, node=pod["spec"]["nodeName"]),
        )  # fmt: skip
        self._sandbox: Namespaces | None = None
        self._first_process: Process | None = None
        self._group: Group | None = None
        self._address = ""
        self.link = f"veth{self.uid.replace('-', '')[:11]}"
        self._first_status: JsonObject = pod.get("status") or {}
        self._first_seen = now_text()
        self.start_time = self._first_status.get("startTime") or self._first_seen
        self._conditions: list[JsonObject] = (pod.get("status") or {}).get("conditions") or []
        self._dirty = asyncio.Event()
        self._stopping = asyncio.Event()
        # Set by the end of the pod as by its deadline: then it fails, and stays as an object.
        self._ending = asyncio.Event()
        self._deadline: asyncio.TimerHandle | None = None
        self._failure = ("", "")
        self._gone = False
        self._is_over = False
        self._is_done = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
        self._written: JsonObject = {}
        self.resize_problem: JsonObject | None = None
        self.data_changed = asyncio.Event()

    @property
    def address(self) -> str:
        return self._address if self._sandbox else ""

    @property
    def sandbox(self) -> Namespaces | None:
        return self._sandbox

    def update(self, pod: JsonObject) -> None:
        """A newer version of the same pod."""
        self.pod = pod
        self._conditions = (pod.get("status") or {}).get("conditions") or []
        if pod["metadata"].get("deletionTimestamp"):
            self._stop()
        if pod["spec"].get("readinessGates"):
            self._dirty.set()
        if self.containers is not None:
            self.containers.add_ephemeral(pod["spec"])
        self._set_deadline()

    @property
    def requests(self) -> Amounts:
        """What it has of the node."""
        if self._is_done:
            return {}
        return self.containers.requests() if self.containers is not None else pod_amounts(self.pod, "requests")

    @property
    def wants_resize(self) -> bool:
        return self.containers is not None and not self._is_done and bool(self.containers.to_resize(self.pod))

    def resize(self, room: Room) -> None:
        """What is in the way is told by a condition of the pod."""
        problem = None
        if self.wants_resize and self.containers is not None and (problem := refusal(self.pod, room)) is None:
            try:
                self._group = self.containers.resize(self.pod, self._machine.limiter)
                self._tell_of_limits()
            except (ResizeError, OSError) as error:
                problem = failure(self.pod, error)
        self.resize_problem = problem
        self._dirty.set()

    def vanished(self) -> None:
        """The object is gone from the API: no grace, nothing left to report."""
        self._gone = True
        self._stop()

    def _stop(self) -> None:
        self._stopping.set()
        self._ending.set()

    def _set_deadline(self) -> None:
        """It may be set, and shortened, at any time."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        left_s = seconds_left(self.pod["spec"], self.start_time, now_text())
        if left_s is not None and not self._ending.is_set() and not self._is_done:
            self._deadline = asyncio.get_running_loop().call_later(left_s, self._exceed_deadline)

    def _exceed_deadline(self) -> None:
        self._record("Normal", *DEADLINE_EXCEEDED)
        self._fail(DEADLINE_EXCEEDED)

    def _fail(self, failure: tuple[str, str]) -> None:
        self._failure = failure
        self._ending.set()
        self._dirty.set()

    async def run(self) -> None:
        """Errors of our own are reported on the pod and tried again; returns when nothing of it is left."""
        if self.pod["metadata"].get("deletionTimestamp"):
            self._stop()
        self._set_deadline()
        reporting = asyncio.create_task(self._keep_status())
        try:
            while True:
                try:
                    await self._live()
                    break
                except Exception as error:
                    # One pod that we cannot run must not take the others with it.
                    log.exception("pod.failed", extra={"fields": {"pod": str(self.key)}})
                    self._warn("FailedSync", f"error running pod: {error}")
                    await self._insist(self._leave)
                    if not await self._pause() and self._stopping.is_set():
                        break
        finally:
            reporting.cancel()
            await asyncio.wait([reporting])
        await self._insist(self._finish)

    async def _insist(self, step: Callable[[], Awaitable[None]]) -> None:
        """Until `step` succeeds, told of each new reason once. What it cannot clean up stays this pod's trouble."""
        backoff = Backoff(_RETRY_S, _LONGEST_RETRY_S)
        told = ""
        while True:
            try:
                await step()
            except Exception as error:
                if told != (told := repr(error)):
                    log.exception("pod.not_cleaned_up", extra={"fields": {"pod": str(self.key)}})
                    self._warn("FailedKillPod", f"error killing pod: {error}; it is tried again")
            else:
                return
            await self._machine.sleep(backoff.next_s())

    async def _live(self) -> None:
        if (self.pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed"):
            self._tell_of_limits()
            context = await self._prepare()
            if context is not None:
                await self._run_containers(context)
        self._is_done = True
        self._set_deadline()
        self._dirty.set()
        await self._stopping.wait()

    def _tell_of_limits(self) -> None:
        if complaint := self._machine.limiter.complaint(self.pod["spec"]):
            self._warn("LimitsNotKept", complaint)

    async def _prepare(self) -> PodContext | None:
        """None when the pod is to end before it could begin."""
        machine = self._machine
        while not self._ending.is_set():
            try:
                check_supported(self.pod["spec"])
                await check_runtime(machine.client, self.pod["spec"])
                await self._enter_sandbox()
                await self._share_processes()
                await machine.services.read()
                facts = PodFacts(self.pod, self._address, network.NODE_ADDRESS)
                volumes = await self._volumes.prepare(facts)
                sources = await fetch_sources(machine.client, self.pod)
                self._group = machine.limiter.for_pod(self.pod)
            except VolumeError as error:
                self._warn("FailedMount", f"MountVolume.SetUp failed: {error}")
            except (NoRuntimeError, OSError, StartError, UnsupportedError) as error:
                self._warn("FailedCreatePodSandBox", f"Failed to create pod sandbox: {error}")
            except KubeError as error:
                self._warn("FailedMount", f"the API server did not answer: {error}")
            else:
                return self._context(facts, sources, volumes)
            # Nobody has told yet that the pod is taken up.
            self._dirty.set()
            await self._pause()
        return None

    async def _enter_sandbox(self) -> None:
        if self._sandbox is None:
            await self._create_sandbox()
        await self._machine.isolate(self.pod, self._address)

    async def _create_sandbox(self) -> None:
        machine, hostname = self._machine, hostname_of(self.pod)
        address = machine.addresses.take()
        try:
            self._sandbox = await namespaces.on_fresh_thread(
                lambda: network.create_pod_namespaces(
                    hostname=hostname,
                    address=address,
                    link=self.link,
                    node=machine.links,
                    node_namespace=machine.node_namespace,
                ),
                name=f"sandbox {self.key.name}",
            )
        except OSError:
            network.forget_pod(machine.links, address, None)
            machine.addresses.give_back(address)
            raise
        self._address = address
        self._dirty.set()

    async def _share_processes(self) -> None:
        """Before the first container of a pod that wants it; process 1 of all of them."""
        assert self._sandbox is not None
        if self.pod["spec"].get("shareProcessNamespace") and self._first_process is None:
            machine = self._machine
            self._first_process, self._sandbox = await shared_processes.begin(
                self._sandbox, machine.view, ids=machine.ids
            )

    def _context(self, facts: PodFacts, sources: DataSources, volumes: dict[str, Place]) -> PodContext:
        assert self._sandbox is not None
        return PodContext(
            pod=self.pod,
            facts=facts,
            sources=sources,
            volumes=volumes,
            files=name_files(self.pod, self._address),
            sandbox=self._sandbox,
            machine=self._machine.view,
            catalogue=self._machine.catalogue,
            base_env={**self._machine.base_env, "HOSTNAME": hostname_of(self.pod)},
            service_env=self._service_env,
            env_by_uid=self._machine.env_by_uid,
            logs=self._machine.directory / "logs" / self.uid,
            ids=self._machine.ids,
            group=self._group,
            record=self._record,
            changed=self._dirty.set,
        )

    def _service_env(self) -> Mapping[str, str]:
        enabled = self.pod["spec"].get("enableServiceLinks") is not False
        return self._machine.services.variables(self.key.namespace, enabled=enabled)

    async def _run_containers(self, context: PodContext) -> None:
        if context.ids.is_single and (problem := users_without_effect(self.pod["spec"], context.env_by_uid)):
            self._warn("UsersNotApplied", problem)
        self.containers = PodContainers(context, known=self._first_status, now=self._first_seen)
        self._dirty.set()
        keeping = [asyncio.create_task(self._keep_volumes(context.facts))]
        if local_storage.is_limited(self.pod):
            keeping.append(asyncio.create_task(self._evict_when_too_large(self.containers)))
        try:
            await self._until_done_or_lost(self.containers)
        finally:
            for task in keeping:
                task.cancel()

    async def _evict_when_too_large(self, containers: PodContainers) -> None:
        message = await local_storage.exceeded(self.pod, self._volumes.on_disk(), containers.written)
        self._warn(local_storage.EVICTED, message)
        self._fail((local_storage.EVICTED, message))

    async def _until_done_or_lost(self, containers: PodContainers) -> None:
        """Where the pod has a process 1, all containers end with it, and none can be started again: the pod begins
        anew, as in Kubernetes. Raises SandboxLostError then."""
        waiting: list[asyncio.Future[Any]] = [asyncio.ensure_future(containers.run(self._ending, self._grace_s))]
        if self._first_process is not None:
            waiting.append(asyncio.ensure_future(self._first_process.wait()))
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if not waiting[0].done():
                raise SandboxLostError("process 1 of the pod has ended")
            await waiting[0]
        finally:
            for one in waiting:
                one.cancel()
            await asyncio.wait(waiting)

    async def _keep_volumes(self, facts: PodFacts) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = self._volumes.next_token_due
            wait_s = max(1.0, min(_REFRESH_S, due - loop.time())) if due else _REFRESH_S
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self.data_changed.wait()
            self.data_changed.clear()
            try:
                await self._volumes.refresh(facts._replace(pod=self.pod))
            except Exception as error:
                # Files stay as they are until the next time.
                log.warning("pod.volumes_not_refreshed", extra={"fields": {"pod": str(self.key), "reason": error}})

    def _grace_s(self) -> float:
        if self._gone:
            return 0.0
        if self._failure[0] == local_storage.EVICTED:
            return _EVICTION_GRACE_S
        metadata, spec = self.pod["metadata"], self.pod["spec"]
        grace = metadata.get("deletionGracePeriodSeconds")
        return float(grace if grace is not None else spec.get("terminationGracePeriodSeconds", _DEFAULT_GRACE_S))

    async def _keep_status(self) -> None:
        """Writes the newest status whenever something changed; what changes while a write runs goes into the next."""
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            try:
                await self._write_status()
            except (Conflict, NotFound):
                continue
            except KubeError as error:
                log.warning("pod.status_not_written", extra={"fields": {"pod": str(self.key), "reason": error}})
                await asyncio.sleep(_RETRY_S)
                self._dirty.set()
            except Exception as error:
                # A spec or status that we do not understand: the pod goes on, and says so.
                log.exception("pod.status_failed", extra={"fields": {"pod": str(self.key)}})
                self._warn("FailedSync", f"the status cannot be computed: {error!r}")

    async def _write_status(self) -> None:
        status = self._status()
        if status == self._written or self._gone:
            return
        patch = {"metadata": {"uid": self.uid}, "status": status}
        stored = await self._machine.client.patch(
            POD, self.key.name, patch, namespace=self.key.namespace, content_type=STRATEGIC, subresource="status"
        )
        self._written = status
        self._conditions = (stored.get("status") or {}).get("conditions") or self._conditions

    def _status(self) -> JsonObject:
        if self.containers is None and (self.pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
            return self._written
        if self.containers is None:
            init, main = (
                reports_before_start(self.pod["spec"], key, known=self._first_status, now=self._first_seen)
                for key in ("initContainers", "containers")
            )
        else:
            init = [one.report() for one in self.containers.initial]
            main = [one.report() for one in self.containers.main]
        report = PodReport(
            init_containers=init,
            containers=main,
            pod_ip=self._address,
            host_ip=network.NODE_ADDRESS,
            start_time=self.start_time,
            sandbox_ready=self._sandbox is not None,
            is_over=self._is_over,
            failure=self._failure,
            ephemeral_containers=[one.report() for one in self.containers.ephemeral] if self.containers else (),
            resize=self.resize_problem,
        )
        return pod_status(self.pod, report, former=self._conditions, now=now_text())

    async def _finish(self) -> None:
        """Nothing of the pod is left: says so to the API, which then drops the object."""
        await self._leave()
        self._is_over = True
        if not self._gone:
            with contextlib.suppress(KubeError):
                await self._write_status()
            with contextlib.suppress(Conflict, NotFound):
                await self._machine.client.delete(
                    POD, self.key.name, namespace=self.key.namespace, grace_period_s=0, uid=self.uid
                )
        self._volumes.remove()
        shutil.rmtree(self._directory, ignore_errors=True)
        shutil.rmtree(self._machine.directory / "logs" / self.uid, ignore_errors=True)

    async def _leave(self) -> None:
        if self.containers is not None:
            await self.containers.kill()
        if self._first_process is not None:
            self._first_process.signal(signal.SIGKILL)
            await self._first_process.wait()
            self._first_process = None
        if self._group is not None:
            self._group.remove()
            self._group = None
        if self._sandbox is not None:
            await asyncio.to_thread(network.forget_pod, self._machine.links, self._address, self._sandbox)
            self._sandbox = None
            self._machine.addresses.give_back(self._address)

    async def _pause(self) -> bool:
        """Waits before another try; false when the pod is to end meanwhile."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_RETRY_S):
                await self._ending.wait()
        return not self._ending.is_set()

    def _warn(self, reason: str, message: str) -> None:
        self._record("Warning", reason, message)

    def _record(self, kind: str, reason: str, message: str) -> None:
        ref = ObjectRef("v1", "Pod", self.key.namespace, self.key.name, self.uid)
        write: Callable[[ObjectRef, str, str], None] = (
            self._machine.recorder.warning if kind == "Warning" else self._machine.recorder.normal
        )
        write(ref, reason, message)
