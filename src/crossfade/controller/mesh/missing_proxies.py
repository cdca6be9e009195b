"""Misses proxies that are connected to no controller, and tells their pods; for the leader."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from crossfade.controller.mesh.proxy_pods import ProxyPods, digest_of
from crossfade.controller.mesh.sessions import OtherControllers, digest
from crossfade.status.change import ObjectChange
from crossfade.status.sidecars import Circumstances, ProxyPod, changes_of_pods, missed
from crossfade.xds.publisher import Publisher
from crossfade_kube.logging import EventLog

_CHECKS_S: Final = 15.0


class MissingProxies:
    """`changes` are what pods are to be told; `on_change` is called when they are others than before."""

    def __init__(
        self,
        pods: ProxyPods,
        others: OtherControllers,
        publisher: Publisher,
        *,
        patience_s: float,
        authority_pem: Callable[[], str],
        refusals: Mapping[str, str],
        log: EventLog,
        on_change: Callable[[], None],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`refusals` are reasons why proxies were sent away, by node."""
        self.changes: Sequence[ObjectChange] = ()
        self.count = 0
        self._pods = pods
        self._others = others
        self._publisher = publisher
        self._patience = timedelta(seconds=patience_s)
        self._authority_pem = authority_pem
        self._refusals = refusals
        self._log = log
        self._on_change = on_change
        self._now = now
        self._observed_since = now()
        self._seen: dict[str, datetime] = {}

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(min(_CHECKS_S, self._patience.total_seconds() / 4))
            if self._pods.are_known:
                await self.check()

    async def check(self) -> None:
        pods = tuple(self._pods)
        connected = {node for nodes in self._publisher.connected().values() for node in nodes}
        away = [pod for pod in pods if pod.node not in connected]
        if away:
            elsewhere = await self._others.connected()
            if elsewhere is None:
                return
            connected |= {pod.node for pod in away if digest(pod.node) in elsewhere}
        self._note(pods, connected)
        circumstances = Circumstances(
            self._now(),
            self._observed_since,
            self._patience,
            digest_of(self._authority_pem()),
            connected,
            self._seen,
            self._refusals,
        )
        self._tell(missed(pods, circumstances))
        self._submit(changes_of_pods(pods, circumstances))

    def _note(self, pods: Sequence[ProxyPod], connected: set[str]) -> None:
        """Those whose pods are gone are forgotten."""
        now, before = self._now(), self._seen
        self._seen = {
            pod.ref.uid: now if pod.node in connected else before[pod.ref.uid]
            for pod in pods
            if pod.node in connected or pod.ref.uid in before
        }

    def _tell(self, stranded: Mapping[ProxyPod, datetime]) -> None:
        if len(stranded) != self.count:
            first = next(iter(stranded), None)
            effect = "they keep the configuration that they have" if stranded else ""
            self._log.warning("proxies.missing", count=len(stranded), first=first.node if first else "", effect=effect)
        self.count = len(stranded)

    def _submit(self, changes: Sequence[ObjectChange]) -> None:
        """The very same objects as before for what is decided as before: they may be on their way."""
        before = {(change.ref, change.basis, change.news[0].reason): change for change in self.changes}
        wanted = [before.get((one.ref, one.basis, one.news[0].reason), one) for one in changes]
        if wanted != list(self.changes):
            self.changes = wanted
            self._on_change()
