"""The Deployment controller: does what the plan says, one step a pass, and reports it in status and Events."""

from collections.abc import Callable
from datetime import UTC, datetime

from crossfade_kube.client import Client
from crossfade_kube.errors import AlreadyExists, ApiError, NotFound
from crossfade_kube.events import EventRecorder
from crossfade_kube.meta import JsonObject, NamespacedName
from crossfade_kube.resources import DEPLOYMENT, POD, REPLICA_SET
from crossfade_local.controllers.deployments import plan, revisions, status
from crossfade_local.controllers.informers import Informers
from crossfade_local.controllers.objects import (
    condition_of,
    controller_of,
    is_being_deleted,
    key_of,
    name_of,
    namespace_of,
    ref_of,
    selector_of,
    typed_owner,
    uid_of,
    with_condition,
)
from crossfade_local.controllers.ownership import adopt_or_release, follow
from crossfade_local.controllers.pods import is_finished
from crossfade_local.controllers.reconciler import Reconciler, Retry


class Deployments:
    """The Deployment controller."""

    def __init__(
        self,
        client: Client,
        informers: Informers,
        events: EventRecorder,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.reconciler: Reconciler[NamespacedName] = Reconciler("deployment", self._reconcile)
        self._client = client
        self._events = events
        self._now = now
        self._deployments = informers.of(DEPLOYMENT)
        self._sets = informers.of(REPLICA_SET)
        self._pods = informers.of(POD)
        follow(self.reconciler.queue, DEPLOYMENT, self._deployments, self._sets)
        self._pods.on_change(self._on_pod)

    def _on_pod(self, before: JsonObject | None, after: JsonObject | None) -> None:
        """Only a Recreate rollout waits for pods themselves: for the last old one to vanish."""
        if before is None or (after is not None and not is_finished(after)):
            return
        set_key = typed_owner(before, REPLICA_SET)
        replica_set = self._sets.get(set_key) if set_key else None
        owner = typed_owner(replica_set, DEPLOYMENT) if replica_set else None
        if owner is not None:
            self.reconciler.queue.add(owner)

    async def _reconcile(self, key: NamespacedName) -> float | None:
        deployment = self._deployments.get(key)
        selector = selector_of(deployment["spec"].get("selector")) if deployment is not None else None
        if deployment is None or selector is None:
            self.reconciler.queue.forget(key)
            return None
        owned = await adopt_or_release(
            self._client, self._sets, deployment, selector, self._sets.in_namespace(key.namespace)
        )
        if is_being_deleted(deployment):
            return await self._report(deployment, *_split(deployment, owned))
        pause = status.pause_condition(deployment, now=self._now())
        if pause is not None:
            deployment = await self._write_conditions(deployment, pause)
        if deployment["spec"].get("paused") or plan.is_scaling(deployment, owned):
            return await self._resize(deployment, owned)
        if plan.is_rolling(deployment):
            return await self._roll(deployment, owned)
        return await self._recreate(deployment, owned)

    async def _resize(self, deployment: JsonObject, owned: list[JsonObject]) -> float | None:
        new, old = _split(deployment, owned)
        if new is not None:
            deployment, new = await self._keep_revision(deployment, new, old)
        for scaling in plan.proportional_scaling(deployment, new, old):
            await self._scale(deployment, scaling.replica_set, scaling.replicas)
        # Sizes that are right already must be noted too, or the change of size would never count as handled.
        for item in self._current([*old, *([new] if new is not None else [])]):
            if plan.size_of(item) > 0 and plan.is_scaling(deployment, [item]):
                await self._scale(deployment, item, plan.size_of(item))
        new, old = _split(deployment, self._current(owned))
        return await self._report(deployment, new, old)

    async def _roll(self, deployment: JsonObject, owned: list[JsonObject]) -> float | None:
        deployment, new, old = await self._with_new_set(deployment, owned)
        wanted = plan.new_set_size(deployment, new, old)
        if wanted != plan.size_of(new):
            new = await self._scale(deployment, new, wanted)
            return await self._report(deployment, new, old)
        shrinking = plan.old_sets_shrinking(deployment, new, old)
        for scaling in shrinking:
            await self._scale(deployment, scaling.replica_set, scaling.replicas)
        if shrinking:
            return await self._report(deployment, new, self._current(old))
        return await self._finish(deployment, new, old)

    async def _recreate(self, deployment: JsonObject, owned: list[JsonObject]) -> float | None:
        new, old = _split(deployment, owned)
        shrinking = [item for item in old if plan.size_of(item) > 0]
        for item in shrinking:
            await self._scale(deployment, item, 0)
        if shrinking or self._has_pods(old):
            return await self._report(deployment, new, self._current(old))
        deployment, new, old = await self._with_new_set(deployment, owned)
        if plan.size_of(new) != plan.desired_of(deployment):
            new = await self._scale(deployment, new, plan.desired_of(deployment))
        return await self._finish(deployment, new, old)

    async def _finish(self, deployment: JsonObject, new: JsonObject, old: list[JsonObject]) -> float | None:
        if status.is_complete(deployment, status.counted(deployment, new, old, now=self._now())):
            for item in plan.surplus_history(deployment, old):
                await self._delete_set(item)
        return await self._report(deployment, new, old)

    async def _with_new_set(
        self, deployment: JsonObject, owned: list[JsonObject]
    ) -> tuple[JsonObject, JsonObject, list[JsonObject]]:
        new, old = _split(deployment, owned)
        if new is None:
            deployment, new = await self._create_set(deployment, old)
        else:
            deployment, new = await self._keep_revision(deployment, new, old)
        return deployment, new, old

    async def _keep_revision(
        self, deployment: JsonObject, new: JsonObject, old: list[JsonObject]
    ) -> tuple[JsonObject, JsonObject]:
        annotations = revisions.annotations_for(deployment, new, old)
        min_ready_s = deployment["spec"].get("minReadySeconds") or 0
        if annotations != (new["metadata"].get("annotations") or {}) or min_ready_s != (
            new["spec"].get("minReadySeconds") or 0
        ):
            changed = {"metadata": {"annotations": annotations}, "spec": {"minReadySeconds": min_ready_s}}
            new = await self._client.patch(REPLICA_SET, name_of(new), changed, namespace=namespace_of(new))
            self._sets.observe(new)
        deployment = await self._note_revision(deployment, new)
        needs_condition = status.deadline_s_of(deployment) is not None
        if needs_condition and condition_of(deployment.get("status") or {}, "Progressing") is None:
            text = f'Found new replica set "{name_of(new)}"'
            found = status.condition("Progressing", "True", "FoundNewReplicaSet", text, now=self._now())
            deployment = await self._write_conditions(deployment, found)
        return deployment, new

    async def _create_set(self, deployment: JsonObject, old: list[JsonObject]) -> tuple[JsonObject, JsonObject]:
        size = plan.new_set_size(deployment, None, old)
        wanted = revisions.new_replica_set(
            deployment, old, replicas=size, max_replicas=plan.desired_of(deployment) + plan.bounds_of(deployment).surge
        )
        try:
            created = await self._client.create(REPLICA_SET, wanted)
        except AlreadyExists as exc:
            await self._settle_collision(deployment, wanted)
            raise Retry(f"the name {name_of(wanted)} was taken") from exc
        except ApiError as exc:
            await self._report_refusal(deployment, wanted, exc)
            raise
        self._sets.observe(created)
        if size > 0:
            text = f"Scaled up replica set {name_of(created)} from 0 to {size}"
            self._events.normal(ref_of(deployment), "ScalingReplicaSet", text)
        deployment = await self._note_revision(deployment, created)
        if status.deadline_s_of(deployment) is not None:
            text = f'Created new replica set "{name_of(created)}"'
            made = status.condition("Progressing", "True", "NewReplicaSetCreated", text, now=self._now())
            deployment = await self._write_conditions(deployment, made)
        return deployment, created

    async def _settle_collision(self, deployment: JsonObject, wanted: JsonObject) -> None:
        """Either our own ReplicaSet that the watch has not shown yet, or another template with the same hash."""
        try:
            existing = await self._client.get(REPLICA_SET, name_of(wanted), namespace=namespace_of(wanted))
        except NotFound:
            return
        owner = controller_of(existing)
        is_ours = owner is not None and owner["uid"] == uid_of(deployment)
        if is_ours and revisions.replica_set_of(deployment, [existing]) is not None:
            self._sets.observe(existing)
            return
        count = ((deployment.get("status") or {}).get("collisionCount") or 0) + 1
        await self._write_status(deployment, {**(deployment.get("status") or {}), "collisionCount": count})

    async def _report_refusal(self, deployment: JsonObject, wanted: JsonObject, exc: ApiError) -> None:
        text = f'Failed to create new replica set "{name_of(wanted)}": {exc.message}'
        self._events.warning(ref_of(deployment), "ReplicaSetCreateError", text)
        if status.deadline_s_of(deployment) is not None:
            failed = status.condition("Progressing", "False", "ReplicaSetCreateError", text, now=self._now())
            await self._write_conditions(deployment, failed)

    async def _note_revision(self, deployment: JsonObject, new: JsonObject) -> JsonObject:
        if revisions.revision_of(deployment) == revisions.revision_of(new):
            return deployment
        annotations = {revisions.REVISION: str(revisions.revision_of(new))}
        stored = await self._client.patch(
            DEPLOYMENT,
            name_of(deployment),
            {"metadata": {"annotations": annotations}},
            namespace=namespace_of(deployment),
            # No new generation: nobody asked for anything new.
            subresource="status",
        )
        self._deployments.observe(stored)
        return stored

    async def _scale(self, deployment: JsonObject, replica_set: JsonObject, replicas: int) -> JsonObject:
        """Also notes the sizes it was scaled for, by which a later change of size is recognised."""
        desired = plan.desired_of(deployment)
        sizes = {
            revisions.DESIRED_REPLICAS: str(desired),
            revisions.MAX_REPLICAS: str(desired + plan.bounds_of(deployment).surge),
        }
        before = plan.size_of(replica_set)
        patch = {
            # The version makes this fail when somebody else scaled meanwhile.
            "metadata": {"annotations": sizes, "resourceVersion": replica_set["metadata"]["resourceVersion"]},
            "spec": {"replicas": replicas},
        }
        stored = await self._client.patch(REPLICA_SET, name_of(replica_set), patch, namespace=namespace_of(replica_set))
        self._sets.observe(stored)
        if replicas != before:
            way = "up" if replicas > before else "down"
            text = f"Scaled {way} replica set {name_of(replica_set)} from {before} to {replicas}"
            self._events.normal(ref_of(deployment), "ScalingReplicaSet", text)
        return stored

    async def _delete_set(self, replica_set: JsonObject) -> None:
        try:
            await self._client.delete(
                REPLICA_SET, name_of(replica_set), namespace=namespace_of(replica_set), uid=uid_of(replica_set)
            )
        except NotFound:
            return

    async def _report(self, deployment: JsonObject, new: JsonObject | None, old: list[JsonObject]) -> float | None:
        """Writes the status; returns when to look at the progress deadline."""
        now = self._now()
        wanted = status.counted(deployment, new, old, now=now)
        if not deployment["spec"].get("paused"):
            wanted = status.with_progress(deployment, wanted, new, now=now)
        wanted = status.with_failures(wanted, [new, *old])
        await self._write_status(deployment, wanted)
        left_s = status.seconds_to_deadline(deployment, wanted, now=now)
        return None if left_s is None else left_s + 0.1

    async def _write_conditions(self, deployment: JsonObject, condition: JsonObject) -> JsonObject:
        known = dict(deployment.get("status") or {})
        known["conditions"] = with_condition(list(known.get("conditions") or ()), condition)
        return await self._write_status(deployment, known)

    async def _write_status(self, deployment: JsonObject, wanted: JsonObject) -> JsonObject:
        if status.same_status(deployment.get("status") or {}, wanted):
            return deployment
        stored = await self._client.replace(DEPLOYMENT, {**deployment, "status": wanted}, subresource="status")
        self._deployments.observe(stored)
        return stored

    def _current(self, replica_sets: list[JsonObject]) -> list[JsonObject]:
        """The same ones in their latest known state."""
        found = [self._sets.get(key_of(item)) for item in replica_sets]
        return [item for item in found if item is not None]

    def _has_pods(self, replica_sets: list[JsonObject]) -> bool:
        uids = {uid_of(item) for item in replica_sets}
        for item in replica_sets:
            for pod in self._pods.in_namespace(namespace_of(item)):
                owner = controller_of(pod)
                if owner is not None and owner["uid"] in uids and not is_finished(pod):
                    return True
        return False


def _split(deployment: JsonObject, owned: list[JsonObject]) -> tuple[JsonObject | None, list[JsonObject]]:
    new = revisions.replica_set_of(deployment, owned)
    return new, [item for item in owned if item is not new]
