"""Binds pods to nodes; says on those that no node takes why, and tries them again when something has changed.

Decisions are made one after the other in memory, where a pod counts at once; their writes go on beside them.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from crossfade_kube.client import STRATEGIC, Client
from crossfade_kube.errors import Conflict, NotFound
from crossfade_kube.events import EventRecorder
from crossfade_kube.meta import JsonObject, NamespacedName
from crossfade_kube.resources import NAMESPACE, NODE, PERSISTENT_VOLUME_CLAIM, POD, STORAGE_CLASS
from crossfade_local.controllers.informers import Informers
from crossfade_local.controllers.objects import condition_of, is_being_deleted, key_of, name_of, ref_of, stamp, uid_of
from crossfade_local.controllers.pods import is_finished
from crossfade_local.controllers.reconciler import Reconciler
from crossfade_local.scheduling.claims import Claims
from crossfade_local.scheduling.cluster import Cluster, PodFacts
from crossfade_local.scheduling.decisions import Bind, Decision, Nominated, Unschedulable, decide

SCHEDULER: Final = "default-scheduler"
log = logging.getLogger(__name__)

_WRITERS: Final = 20
_TURN: Final = 50
"""Decisions after which others get a turn."""
_LEAST_PAUSE_S: Final = 0.1
_TAKE_BACK_S: Final = 1.0
_REST: Final = 9
"""After trying all that wait, this many times as long as it took: a tenth of a processor at most."""


class Scheduler:
    """The default scheduler: pods of other schedulers' names are not its business."""

    def __init__(
        self,
        client: Client,
        informers: Informers,
        events: EventRecorder,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.writes: Reconciler[NamespacedName] = Reconciler("scheduler", self._write, workers=_WRITERS)
        self._client = client
        self._events = events
        self._now = now
        self._cluster = Cluster()
        self._claims = Claims()
        self._waiting: dict[NamespacedName, PodFacts] = {}
        self._fresh: set[NamespacedName] = set()
        self._decided: dict[NamespacedName, Decision] = {}
        self._nominated: dict[str, Nominated] = {}
        self._leaving: set[str] = set()
        self._changed = False
        self._wake = asyncio.Event()
        self._pods = informers.of(POD)
        informers.of(NODE).on_change(self._on_node)
        informers.of(NAMESPACE).on_change(self._on_namespace)
        informers.of(PERSISTENT_VOLUME_CLAIM).on_change(self._on_claim)
        informers.of(STORAGE_CLASS).on_change(self._on_class)
        self._pods.on_change(self._on_pod)

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.writes.run(), name=self.writes.name)
            tasks.create_task(self._retry(), name="scheduler retries")
            while True:
                await self._wake.wait()
                self._wake.clear()
                fresh, self._fresh = self._fresh, set()
                await self._try(fresh)

    async def _retry(self) -> None:
        """Everything that waits, whenever something may have made room; then a rest."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_LEAST_PAUSE_S)
            if not self._changed:
                continue
            self._changed = False
            began = loop.time()
            await self._try(set(self._waiting))
            await asyncio.sleep((loop.time() - began) * _REST)

    async def _try(self, keys: set[NamespacedName]) -> None:
        queue = sorted((key for key in keys if key in self._waiting), key=lambda key: self._waiting[key].turn)
        for number, key in enumerate(queue, 1):
            if (pod := self._waiting.get(key)) is not None:
                self._decide(key, pod)
            if number % _TURN == 0:
                await asyncio.sleep(0)

    def _decide(self, key: NamespacedName, pod: PodFacts) -> None:
        try:
            nominated, leaving = self._nominated.values(), frozenset(self._leaving)
            decision = decide(pod, self._cluster, claims=self._claims, nominated=nominated, leaving=leaving)
        except Exception as error:
            # One odd pod must not keep the others waiting.
            fields = {"pod": str(key), "reason": error}
            log.exception("pod.not_scheduled", extra={"fields": fields})
            decision = Unschedulable(f"the pod cannot be judged: {error!r}")
        if isinstance(decision, Bind):
            self._cluster.place(pod, decision.node)
            self._waiting.pop(key)
        elif decision.victims:
            self._nominated[pod.uid] = Nominated(pod, decision.node)
            self._leaving |= {one.uid for one in decision.victims}
        if self._decided.get(key) != decision:
            self._decided[key] = decision
            self.writes.queue.add(key)

    def _on_pod(self, before: JsonObject | None, after: JsonObject | None) -> None:
        if before is not None and (after is None or uid_of(after) != uid_of(before)):
            self._drop(before)
        if after is None:
            return
        key, facts = key_of(after), PodFacts.of(after)
        node = (after.get("spec") or {}).get("nodeName")
        if is_finished(after):
            self._drop(after)
        elif node:
            self._settle(key, facts, node, is_new=before is None or before["spec"].get("nodeName") != node)
            if is_being_deleted(after):
                self._leaving.add(facts.uid)
        elif is_ours(after):
            self._await(key, facts, is_new=before is None or not is_ours(before))
        else:
            self._waiting.pop(key, None)

    def _settle(self, key: NamespacedName, facts: PodFacts, node: str, *, is_new: bool) -> None:
        known = self._cluster.nodes.get(node)
        former = known.pods.get(facts.uid) if known else None
        self._cluster.place(facts, node)
        self._waiting.pop(key, None)
        self._nominated.pop(facts.uid, None)
        if isinstance(self._decided.get(key), Unschedulable):
            del self._decided[key]
        self._changed |= former is None or is_new or (former.labels, former.requests) != (facts.labels, facts.requests)

    def _await(self, key: NamespacedName, facts: PodFacts, *, is_new: bool) -> None:
        if isinstance(self._decided.get(key), Bind):
            return
        known = self._waiting.get(key)
        self._waiting[key] = facts
        if is_new or known is None or known.spec != facts.spec or known.labels != facts.labels:
            self._fresh.add(key)
            self._wake.set()

    def _drop(self, pod: JsonObject) -> None:
        """It needs nothing any more."""
        key, uid = key_of(pod), uid_of(pod)
        self._cluster.forget(uid)
        self._nominated.pop(uid, None)
        self._leaving.discard(uid)
        self._decided.pop(key, None)
        self._waiting.pop(key, None)
        self._changed = True

    def _on_node(self, before: JsonObject | None, after: JsonObject | None) -> None:
        if after is not None:
            if before is None or _matters(before) != _matters(after):
                self._cluster.set_node(after)
                self._changed = True
        elif before is not None:
            self._cluster.drop_node(name_of(before))
            self._changed = True

    def _on_namespace(self, before: JsonObject | None, after: JsonObject | None) -> None:
        if after is None:
            if before is not None:
                self._cluster.namespaces.pop(name_of(before), None)
            return
        labels = after["metadata"].get("labels") or {}
        if self._cluster.namespaces.get(name_of(after)) != labels:
            self._cluster.namespaces[name_of(after)] = labels
            self._changed = True

    def _on_claim(self, before: JsonObject | None, after: JsonObject | None) -> None:
        if after is not None:
            self._changed |= self._claims.set_claim(after)
        elif before is not None:
            self._claims.drop_claim(before)

    def _on_class(self, before: JsonObject | None, after: JsonObject | None) -> None:
        if after is not None:
            self._claims.set_class(after)
        elif before is not None:
            self._claims.drop_class(before)
        self._changed = True

    async def _write(self, key: NamespacedName) -> float | None:
        pod, decision = self._pods.get(key), self._decided.get(key)
        if pod is None or decision is None:
            return None
        try:
            if isinstance(decision, Bind):
                await self._bind(pod, decision)
                self._is_done(key, decision)
            else:
                await self._say(pod, decision)
        except (Conflict, NotFound):
            # The pod is gone, another one by now, or bound by somebody else: its watch says which.
            self._is_done(key, decision)
            if isinstance(decision, Bind):
                asyncio.get_running_loop().call_later(_TAKE_BACK_S, self._take_back, key)
        return None

    def _is_done(self, key: NamespacedName, decision: Decision) -> None:
        """Unless another one was made meanwhile."""
        if self._decided.get(key) is decision:
            del self._decided[key]

    def _take_back(self, key: NamespacedName) -> None:
        """Where by now nothing is known of another binding."""
        pod = self._pods.get(key)
        if pod is None or (pod.get("spec") or {}).get("nodeName"):
            return
        self._cluster.forget(uid_of(pod))
        if is_ours(pod):
            self._await(key, PodFacts.of(pod), is_new=True)

    async def _bind(self, pod: JsonObject, decision: Bind) -> None:
        key = key_of(pod)
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": key.name, "namespace": key.namespace, "uid": uid_of(pod)},
            "target": {"apiVersion": "v1", "kind": "Node", "name": decision.node},
        }
        await self._client.create(POD, binding, namespace=key.namespace, subresource_of=key.name, subresource="binding")
        self._events.normal(ref_of(pod), "Scheduled", f"Successfully assigned {key} to {decision.node}")

    async def _say(self, pod: JsonObject, decision: Unschedulable) -> None:
        for victim in decision.victims:
            await self._push_aside(victim, pod, decision.node)
        status: JsonObject = {}
        known = condition_of(pod.get("status") or {}, "PodScheduled")
        if known is None or (known["status"], known.get("message")) != ("False", decision.message):
            self._events.warning(ref_of(pod), "FailedScheduling", decision.message)
            since = known["lastTransitionTime"] if known and known["status"] == "False" else stamp(self._now())
            status["conditions"] = [_unscheduled(pod, decision.message, since)]
        if decision.victims:
            status["nominatedNodeName"] = decision.node
        if status:
            patch = {"metadata": {"uid": uid_of(pod)}, "status": status}
            await self._client.patch(
                POD, name_of(pod), patch, namespace=key_of(pod).namespace, content_type=STRATEGIC,
                subresource="status",
            )  # fmt: skip

    async def _push_aside(self, victim: PodFacts, winner: JsonObject, node: str) -> None:
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "PreemptionByScheduler",
            "message": f"{SCHEDULER}: preempting to accommodate a higher priority pod",
            "lastTransitionTime": stamp(self._now()),
        }
        stored = self._pods.get(NamespacedName(victim.namespace, victim.name))
        if stored is None or uid_of(stored) != victim.uid or is_being_deleted(stored):
            return
        try:
            await self._client.patch(
                POD, victim.name, {"metadata": {"uid": victim.uid}, "status": {"conditions": [condition]}},
                namespace=victim.namespace, content_type=STRATEGIC, subresource="status",
            )  # fmt: skip
            await self._client.delete(POD, victim.name, namespace=victim.namespace, uid=victim.uid)
        except (Conflict, NotFound):
            # Should it still be there, it is looked at anew.
            self._leaving.discard(victim.uid)
            self._changed = True
            return
        self._events.normal(ref_of(stored), "Preempted", f"Preempted by pod {uid_of(winner)} on node {node}")


def is_ours(pod: JsonObject) -> bool:
    """To be scheduled now, and here."""
    spec = pod.get("spec") or {}
    return (
        not spec.get("nodeName")
        and spec.get("schedulerName", SCHEDULER) == SCHEDULER
        and not spec.get("schedulingGates")
        and not is_being_deleted(pod)
        and not is_finished(pod)
    )


def _matters(node: JsonObject) -> tuple[object, ...]:
    """What scheduling reads of a node; heartbeats are nothing to it."""
    spec, status = node.get("spec") or {}, node.get("status") or {}
    return (
        node["metadata"].get("labels"),
        spec.get("taints"),
        spec.get("unschedulable"),
        status.get("allocatable"),
        status.get("capacity"),
    )


def _unscheduled(pod: JsonObject, message: str, since: str) -> JsonObject:
    return {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": message,
        "observedGeneration": pod["metadata"].get("generation", 0),
        "lastProbeTime": None,
        "lastTransitionTime": since,
    }
