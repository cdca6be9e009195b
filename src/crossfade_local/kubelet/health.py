"""What a container's three probes say of it while it runs."""

import asyncio
from collections import Counter
from collections.abc import Callable

from crossfade_kube.meta import JsonObject
from crossfade_local.kubelet import probes


class Health:
    """One run of a container. Without a probe of a kind, running is enough."""

    def __init__(
        self,
        spec: JsonObject,
        target: probes.Target,
        *,
        changed: Callable[[], None],
        failed: Callable[[str], None],
        kill: Callable[[str], None],
        probed: Counter[tuple[str, bool]],
    ) -> None:
        """`failed` gets a message for each failing probe, `kill` the kind of probe that wants the container ended.
        In `probed` every attempt is counted, by its kind and whether it succeeded."""
        self.started = "startupProbe" not in spec
        self.ready = self.started and "readinessProbe" not in spec
        self._spec = spec
        self._target = target
        self._changed = changed
        self._failed = failed
        self._kill = kill
        self._probed = probed

    async def watch(self) -> None:
        """Until cancelled: startup first, then liveness and readiness side by side."""
        if (startup := self._spec.get("startupProbe")) and not await self._await_startup(startup):
            self._kill("startup")
            return
        async with asyncio.TaskGroup() as tasks:
            if readiness := self._spec.get("readinessProbe"):
                tasks.create_task(self._probe(readiness, "Readiness", self._set_ready))
            else:
                self._set_ready(True)
            if liveness := self._spec.get("livenessProbe"):
                tasks.create_task(self._probe(liveness, "Liveness", self._judge_life))

    async def _probe(self, probe: JsonObject, kind: str, report: Callable[[bool], None]) -> None:
        def attempted(ok: bool) -> None:
            self._probed[kind, ok] += 1

        await probes.watch_probe(
            probe,
            self._target,
            report=report,
            attempted=attempted,
            failed=lambda message: self._failed(f"{kind} probe failed: {message}"),
        )

    async def _await_startup(self, probe: JsonObject) -> bool:
        decided: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        def report(ok: bool) -> None:
            if not decided.done():
                decided.set_result(ok)

        watching = asyncio.create_task(self._probe(probe, "Startup", report))
        try:
            self.started = await decided
        finally:
            watching.cancel()
        self._changed()
        return self.started

    def _set_ready(self, ready: bool) -> None:
        if ready != self.ready:
            self.ready = ready
            self._changed()

    def _judge_life(self, alive: bool) -> None:
        if not alive:
            self._kill("liveness")
