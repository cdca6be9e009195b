"""The mesh controller's loop: every snapshot is compiled and published to sidecars; what they refuse is compiled again.

Nothing that an object brings about ends the loop: compiling and encoding have boundaries around each object.
"""

import asyncio
import time
from collections.abc import AsyncIterable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from operator import is_not
from typing import Final

from crossfade.compile.mesh import (
    ArnScope,
    ClusterView,
    InstancesByName,
    MeshCompiler,
    MeshModel,
    Refusals,
    Refused,
    current,
    refusable,
)
from crossfade.compile.mesh.compiler import ROUTING_KINDS
from crossfade.compile.mesh.names import mesh_of
from crossfade.compile.mesh.readiness import readiness, services_of
from crossfade.compile.model import ReachedNode
from crossfade.controller.mesh.fault_leases import FaultNews
from crossfade.controller.mesh.publication import IdentitySource, MeshPublication
from crossfade.status.fault_log import FaultLog
from crossfade.store.snapshot import Snapshot
from crossfade.xds.inquiry import Finding
from crossfade.xds.load_reports import Load, LoadReports
from crossfade_kube.logging import EventLog
from crossfade_kube.meta import ObjectRef

# Each look renews faults of all proxies.
_LOOK_S: Final = 1.0


class MeshLoop:
    """`snapshot` and `model` are the latest; `model` is None until the first compilation.

    `on_compiled` is called after each that may have changed a state, `on_endpoints` after all, `on_found` when it is
    known what a proxy refuses, `on_faults` with what became of faults, `on_timed` with what compiling and encoding took
    in seconds. `clock` tells seconds
    since 1970.
    """

    def __init__(
        self,
        source: AsyncIterable[Snapshot],
        *,
        scope: ArnScope,
        log: EventLog,
        cluster: ClusterView | None = None,
        on_compiled: Callable[[], None] = lambda: None,
        on_endpoints: Callable[[], None] = lambda: None,
        on_found: Callable[[Finding], None] = lambda _: None,
        identities: IdentitySource | None = None,
        sends_records: bool = False,
        on_faults: Callable[[Sequence[FaultNews]], None] = lambda _: None,
        on_timed: Callable[[float], None] = lambda _: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.snapshot = Snapshot(0, {})
        self.model: MeshModel | None = None
        self._publication = MeshPublication(on_found=self._found, identities=identities, sends_records=sends_records)
        self.publisher = self._publication.publisher
        self._source = source
        self._compiler = MeshCompiler(scope, cluster or ClusterView())
        self._faults = FaultLog(log)
        self._on_compiled = on_compiled
        self._on_endpoints = on_endpoints
        self._on_found = on_found
        self._refusals: Refusals = {}
        self._judged: tuple[object, ...] = ((),) * len(ROUTING_KINDS)
        self._has_new_refusals = asyncio.Event()
        self._on_faults = on_faults
        self._on_timed = on_timed
        self._clock = clock
        self._has_published = asyncio.Event()
        self._under_fault: frozenset[str] = frozenset()
        self._looked_at_s = 0.0
        self.load_reports = LoadReports(self._wanted_loads, self._note_loads)

    async def run(self) -> None:
        """Until cancelled."""
        async for snapshot in self._source:
            self._apply(snapshot)

    async def run_refusals(self) -> None:
        """Compiles again what turned out to be refused; until cancelled."""
        while True:
            await self._has_new_refusals.wait()
            self._has_new_refusals.clear()
            self._apply(self.snapshot)

    async def run_faults(self) -> None:
        """Begins, renews and ends the faults of routes in their time, or before it; until cancelled."""
        leases = self._publication.leases
        while True:
            due_s = leases.next_change_s(self._clock())
            self._has_published.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(None if due_s is None else max(due_s - self._clock(), 0)):
                    await self._has_published.wait()
            news = [*self._withdrawn_faults(), *leases.news(self._clock())]
            self._publication.renew(self._clock())
            self._ask_for_loads()
            if news:
                self._on_faults(news)

    def _withdrawn_faults(self) -> Iterator[FaultNews]:
        leases, now_s = self._publication.leases, self._clock()
        all_sources = self.model.sources if self.model is not None else {}
        for mesh in sorted(leases.lent_in(now_s)):
            pods = readiness(self.snapshot, services_of(all_sources.get(mesh, {})))
            yield from leases.watch(mesh, pods, now_s)

    def _ask_for_loads(self) -> None:
        """Of all proxies of the meshes in which somebody gets a fault."""
        before, self._under_fault = self._under_fault, self._publication.leases.lent_in(self._clock())
        if before or self._under_fault:
            self.load_reports.look_again()

    def _wanted_loads(self, proxy: str) -> frozenset[str]:
        return frozenset(self._reached(proxy)) if mesh_of(proxy) in self._under_fault else frozenset()

    def _note_loads(self, proxy: str, loads: Mapping[str, Load]) -> None:
        reached, leases, now_s = self._reached(proxy), self._publication.leases, self._clock()
        noted = [
            leases.note_load(mesh_of(proxy), reached[name], load, now_s)
            for name, load in loads.items()
            if name in reached
        ]
        if any(noted) and now_s - self._looked_at_s >= _LOOK_S:
            self._looked_at_s = now_s
            self._has_published.set()

    def _reached(self, proxy: str) -> dict[str, ReachedNode]:
        """By cluster."""
        model = self.model.proxies.get(proxy) if self.model is not None else None
        return {one.name: one.reaches for one in model.clusters if one.reaches is not None} if model else {}

    def learn(self, foreign: InstancesByName) -> None:
        """Instances of Cloud Map that others have registered."""
        self._compiler.foreign = foreign
        if self.model is not None:
            self._apply(self.snapshot)

    def publish_identities(self) -> None:
        """Those that have come or changed."""
        if self.model is not None:
            self._faults.tell((*self.model.faults, *self._publication.publish(self.model, self._clock())))

    def _apply(self, snapshot: Snapshot) -> None:
        begun = time.monotonic()
        self.snapshot = snapshot
        self._refusals = current(snapshot, self._refusals)
        before, judged = self._compiler.routing, tuple(map(snapshot.all, ROUTING_KINDS))
        self.model = self._compiler.compile(snapshot, self._refusals)
        faults = self._publication.publish(self.model, self._clock())
        self._has_published.set()
        self._on_timed(time.monotonic() - begun)
        self._faults.tell((*self.model.faults, *faults))
        if self._compiler.routing is not before:
            self._publication.blame()
        if self._compiler.routing is not before or any(map(is_not, judged, self._judged)):
            # Also where statuses alone are others than were decided.
            self._judged = judged
            self._on_compiled()
        self._on_endpoints()

    def _found(self, finding: Finding) -> None:
        """Counts for the version that was compiled last; should that not be the refused one, the next verdict tells."""
        new: dict[ObjectRef, Refused] = {}
        for culprit in finding.culprits:
            item = refusable(self.snapshot, culprit.ref)
            refused = Refused(item.spec, culprit.reason) if item is not None else None
            if refused is not None and self._spec_refused(culprit.ref) != refused.spec:
                new[culprit.ref] = refused
        if new or not finding.culprits:
            self._on_found(finding)
        if new:
            self._refusals = {**self._refusals, **new}
            self._has_new_refusals.set()

    def _spec_refused(self, ref: ObjectRef) -> object:
        refused = self._refusals.get(ref)
        return refused.spec if refused is not None else None
