"""HorizontalPodAutoscalers: every 15 seconds, and when one changes, its target is scaled as its metrics ask."""

import contextlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, NamedTuple

from crossfade_kube.client import Client
from crossfade_kube.errors import KubeError
from crossfade_kube.events import EventRecorder
from crossfade_kube.meta import JsonObject, NamespacedName, Resource
from crossfade_local.controllers.autoscaling.limits import History, least_of, limited, tolerance_of
from crossfade_local.controllers.autoscaling.metrics import Measured, Target, UnmeasuredError, measure, reason_of
from crossfade_local.controllers.discovery import ServedResources
from crossfade_local.controllers.informers import Informers
from crossfade_local.controllers.objects import is_being_deleted, key_of, ref_of, stamp, uid_of
from crossfade_local.controllers.reconciler import Reconciler
from crossfade_local.values.fields import mapping, number, objects, text

AUTOSCALER_EVENTS: Final = "horizontal-pod-autoscaler"
AUTOSCALER: Final = Resource(
    "autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", namespaced=True
)
SYNC_S: Final = 15.0


class _NotScaledError(Exception):
    """This time nothing is done; conditions and Events say why already."""


class _Desired(NamedTuple):
    replicas: int
    why: str
    metrics: list[JsonObject]


class _Turn:
    """One look at one autoscaler: what it will say in its status."""

    def __init__(self, autoscaler: JsonObject, now: datetime) -> None:
        self.autoscaler = autoscaler
        self.spec: JsonObject = autoscaler["spec"]
        self.key = key_of(autoscaler)
        self.now = now
        former = mapping(autoscaler, "status")
        self.status: JsonObject = {"desiredReplicas": 0, **former}
        self.status["conditions"] = [dict(one) for one in objects(former, "conditions")]
        if (generation := autoscaler["metadata"].get("generation")) is not None:
            self.status["observedGeneration"] = generation

    def say(self, kind: str, truth: bool, reason: str, message: str) -> None:
        status = "True" if truth else "False"
        condition = {"type": kind, "status": status, "lastTransitionTime": stamp(self.now)}
        found = next((one for one in self.status["conditions"] if one["type"] == kind), None)
        if found is None:
            self.status["conditions"].append(found := condition)
        elif found["status"] != status:
            found.update(condition)
        found.update(reason=reason, message=message)


class Autoscalers:
    def __init__(
        self,
        client: Client,
        informers: Informers,
        events: EventRecorder,
        served: ServedResources,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.reconciler: Reconciler[NamespacedName] = Reconciler("autoscaling", self._reconcile)
        self._client = client
        self._events = events
        self._served = served
        self._now = now
        self._histories: dict[str, History] = {}
        self._autoscalers = informers.of(AUTOSCALER)
        self._autoscalers.on_change(self._on_change)

    def _on_change(self, before: JsonObject | None, after: JsonObject | None) -> None:
        if before is not None and (after is None or uid_of(after) != uid_of(before)):
            self._histories.pop(uid_of(before), None)
        if after is not None and (before is None or before["spec"] != after["spec"]):
            self.reconciler.queue.add(key_of(after))

    async def _reconcile(self, key: NamespacedName) -> float | None:
        autoscaler = self._autoscalers.get(key)
        if autoscaler is None or is_being_deleted(autoscaler):
            return None
        turn = _Turn(autoscaler, self._now())
        with contextlib.suppress(_NotScaledError):
            await self._scale(turn)
        if turn.status != autoscaler.get("status"):
            stored = await self._client.replace(AUTOSCALER, {**autoscaler, "status": turn.status}, subresource="status")
            self._autoscalers.observe(stored)
        return SYNC_S

    async def _scale(self, turn: _Turn) -> None:
        """Raises _NotScaledError."""
        resource, scale = await self._scale_of(turn)
        turn.say(
            "AbleToScale", True, "SucceededGetScale", "the HPA controller was able to get the target's current scale"
        )
        current = number(scale, "spec", "replicas")
        selector = text(scale, "status", "selector")
        if not selector:
            self._warn(turn, "SelectorRequired", "selector is required")
            turn.say("ScalingActive", False, "InvalidSelector", "the HPA target's scale is missing a selector")
            raise _NotScaledError
        rivals = self._of_same_target(turn)
        if len(rivals) > 1:
            said = f"pods by selector {selector} are controlled by multiple HPAs: [{' '.join(rivals)}]"
            self._warn(turn, "AmbiguousSelector", said)
            turn.say("ScalingActive", False, "AmbiguousSelector", said)
            raise _NotScaledError
        tolerance = tolerance_of(mapping(turn.spec, "behavior"))
        target = Target(turn.key.namespace, selector, current, tolerance)
        desired = await self._desired(turn, target)
        if desired.replicas != current:
            await self._rescale(turn, resource, scale, desired)
            turn.status["lastScaleTime"] = stamp(turn.now)
        turn.status |= {"currentReplicas": current, "desiredReplicas": desired.replicas}
        if desired.metrics:
            turn.status["currentMetrics"] = desired.metrics

    def _of_same_target(self, turn: _Turn) -> list[str]:
        """Itself, and those with which it would contend."""
        mine = _target_of(turn.autoscaler)
        others = self._autoscalers.in_namespace(turn.key.namespace)
        return sorted(str(key_of(one)) for one in others if _target_of(one) == mine)

    async def _scale_of(self, turn: _Turn) -> tuple[Resource, JsonObject]:
        group, kind, name = _target_of(turn.autoscaler)
        try:
            resource = self._served.find(group, kind)
            if resource is None:
                raise KubeError(f'no matches for kind "{kind}" in group "{group}"')
            found = await self._client.get(resource, name, namespace=turn.key.namespace, subresource="scale")
        except KubeError as error:
            self._warn(turn, "FailedGetScale", reason_of(error))
            said = f"the HPA controller was unable to get the target's current scale: {reason_of(error)}"
            turn.say("AbleToScale", False, "FailedGetScale", said)
            raise _NotScaledError from error
        return resource, found

    async def _desired(self, turn: _Turn, target: Target) -> _Desired:
        """Raises _NotScaledError."""
        current, low, high = target.replicas, least_of(turn.spec), number(turn.spec, "maxReplicas")
        former = objects(turn.status, "currentMetrics")
        history = self._histories.setdefault(uid_of(turn.autoscaler), History())
        if current == 0 and low != 0:
            said = "scaling is disabled since the replica count of the target is zero"
            turn.say("ScalingActive", False, "ScalingDisabled", said)
            return _Desired(0, "", former)
        if current > high:
            return _Desired(high, "Current number of replicas above Spec.MaxReplicas", former)
        if current < low:
            return _Desired(low, "Current number of replicas below Spec.MinReplicas", former)
        best, metrics = await self._wanted(turn, target)
        verdict = limited(turn.spec, current=current, wanted=best.replicas, history=history, now=turn.now)
        turn.say("AbleToScale", True, *verdict.able)
        turn.say("ScalingLimited", verdict.limited, *verdict.limit)
        why = f"{best.name} above target" if best.replicas > current else "All metrics below target"
        return _Desired(verdict.replicas, why, metrics)

    async def _wanted(self, turn: _Turn, target: Target) -> tuple[Measured, list[JsonObject]]:
        """What the metric asks for that asks for most. Raises _NotScaledError."""
        specs = objects(turn.spec, "metrics")
        best: Measured | None = None
        failures: list[UnmeasuredError] = []
        statuses: list[JsonObject] = []
        for metric in specs:
            try:
                found = await measure(self._client, target, metric, turn.now)
            except UnmeasuredError as error:
                self._warn(turn, error.reason, str(error))
                failures.append(error)
                statuses.append({"type": ""})
                continue
            statuses.append(found.status)
            if best is None or found.replicas > best.replicas:
                best = found
        if best is None or (failures and best.replicas < target.replicas):
            self._give_up(turn, target, failures, statuses)
            raise _NotScaledError
        said = f"the HPA was able to successfully calculate a replica count from {best.name}"
        turn.say("ScalingActive", True, "ValidMetricFound", said)
        return best, statuses

    def _give_up(
        self, turn: _Turn, target: Target, failures: list[UnmeasuredError], statuses: list[JsonObject]
    ) -> None:
        """With a metric missing nothing tells whether fewer pods would do."""
        first, total = failures[0], len(statuses)
        said = f"the HPA was unable to compute the replica count: {first}"
        turn.say("ScalingActive", False, first.reason, said)
        head = f"invalid metrics ({len(failures)} invalid out of {total}), first error is: "
        self._warn(turn, "FailedComputeMetricsReplicas", f"{head}{first.prefix}: {first}")
        turn.status |= {"currentReplicas": target.replicas, "currentMetrics": statuses}

    async def _rescale(self, turn: _Turn, resource: Resource, scale: JsonObject, desired: _Desired) -> None:
        """Raises _NotScaledError."""
        before = number(scale, "spec", "replicas")
        metadata = scale["metadata"]
        patch = {
            "metadata": {"resourceVersion": metadata["resourceVersion"]}, "spec": {"replicas": desired.replicas},
        }  # fmt: skip
        what = f"New size: {desired.replicas}; reason: {desired.why}"
        try:
            await self._client.patch(
                resource, metadata["name"], patch, namespace=turn.key.namespace, subresource="scale"
            )
        except KubeError as error:
            self._warn(turn, "FailedRescale", f"{what}; error: {reason_of(error)}")
            said = f"the HPA controller was unable to update the target scale: {reason_of(error)}"
            turn.say("AbleToScale", False, "FailedUpdateScale", said)
            turn.status["currentReplicas"] = before
            raise _NotScaledError from error
        said = f"the HPA controller was able to update the target scale to {desired.replicas}"
        turn.say("AbleToScale", True, "SucceededRescale", said)
        self._events.normal(ref_of(turn.autoscaler), "SuccessfulRescale", what)
        self._histories[uid_of(turn.autoscaler)].note_change(before, desired.replicas, turn.now)

    def _warn(self, turn: _Turn, reason: str, message: str) -> None:
        self._events.warning(ref_of(turn.autoscaler), reason, message)


def _target_of(autoscaler: JsonObject) -> tuple[str, str, str]:
    reference = mapping(autoscaler, "spec", "scaleTargetRef")
    return text(reference, "apiVersion").rpartition("/")[0], text(reference, "kind"), text(reference, "name")
