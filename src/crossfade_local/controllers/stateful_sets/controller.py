"""The StatefulSet controller: takes the planned steps, keeps claims and revisions, and reports in status and Events."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, NamedTuple

from crossfade_kube.client import Client
from crossfade_kube.errors import AlreadyExists, ApiError
from crossfade_kube.events import EventRecorder
from crossfade_kube.meta import JsonObject, LabelSelector, NamespacedName
from crossfade_kube.resources import CONTROLLER_REVISION, PERSISTENT_VOLUME_CLAIM, POD, STATEFUL_SET
from crossfade_local.controllers.history import History
from crossfade_local.controllers.informers import Informers
from crossfade_local.controllers.objects import (
    is_being_deleted,
    key_of,
    name_of,
    namespace_of,
    ref_of,
    selector_of,
)
from crossfade_local.controllers.owned_pods import OwnedPods, Wording
from crossfade_local.controllers.ownership import adopt_or_release, follow
from crossfade_local.controllers.reconciler import Reconciler, Retry
from crossfade_local.controllers.stateful_sets import identity, status
from crossfade_local.controllers.stateful_sets.plan import Plan, next_steps

_WORDING: Final = Wording(
    created="Create Pod {pod} in StatefulSet {owner} successful",
    not_created="Create Pod {pod} in StatefulSet {owner} failed error: {error}",
    deleted="Delete Pod {pod} in StatefulSet {owner} successful",
    not_deleted="Delete Pod {pod} in StatefulSet {owner} failed error: {error}",
)


class _Revisions(NamedTuple):
    """`current` is what pods below the partition keep, `update` the present template's."""

    known: list[JsonObject]
    current: JsonObject
    update: JsonObject
    collisions: int


class StatefulSets:
    """The StatefulSet controller."""

    def __init__(
        self,
        client: Client,
        informers: Informers,
        events: EventRecorder,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.reconciler: Reconciler[NamespacedName] = Reconciler("statefulset", self._reconcile)
        self._client = client
        self._events = events
        self._now = now
        self._sets = informers.of(STATEFUL_SET)
        self._pods = informers.of(POD)
        self._claims = informers.of(PERSISTENT_VOLUME_CLAIM)
        self._history = History(client, informers, hash_label=identity.HASH_LABEL)
        self._own = OwnedPods(client, self._pods, events, wording=_WORDING)
        follow(self.reconciler.queue, STATEFUL_SET, self._sets, self._pods, informers.of(CONTROLLER_REVISION))

    async def _reconcile(self, key: NamespacedName) -> float | None:
        stateful_set = self._sets.get(key)
        selector = selector_of(stateful_set["spec"].get("selector")) if stateful_set is not None else None
        if stateful_set is None or selector is None:
            return None
        pods = await self._own_pods(stateful_set, selector)
        if is_being_deleted(stateful_set):
            return None
        revisions = await self._revisions(stateful_set, selector)
        plan = next_steps(stateful_set, pods, update_revision=name_of(revisions.update), now=self._now())
        await self._keep_claims(stateful_set, pods)
        try:
            await self._act(stateful_set, plan, revisions)
        finally:
            pods = await self._own_pods(stateful_set, selector)
            await self._report(stateful_set, pods, revisions)
        return status.next_look_s(stateful_set, pods.values(), self._now())

    async def _own_pods(self, stateful_set: JsonObject, selector: LabelSelector) -> dict[int, JsonObject]:
        numbered = [
            pod
            for pod in self._pods.in_namespace(namespace_of(stateful_set))
            if identity.ordinal_of(stateful_set, pod) is not None
        ]
        owned = await adopt_or_release(self._client, self._pods, stateful_set, selector, numbered)
        return {identity.ordinal_of(stateful_set, pod) or 0: pod for pod in owned}

    async def _revisions(self, stateful_set: JsonObject, selector: LabelSelector) -> _Revisions:
        known = await self._history.of(stateful_set, selector)
        update, collisions = await self._history.present(stateful_set, known)
        name = (stateful_set.get("status") or {}).get("currentRevision")
        current = next((item for item in known if name_of(item) == name), update)
        return _Revisions(known, current, update, collisions)

    async def _act(self, stateful_set: JsonObject, plan: Plan, revisions: _Revisions) -> None:
        for number, is_former in plan.create:
            await self._create(stateful_set, revisions.current if is_former else revisions.update, number)
        for pod in plan.delete:
            await self._own.delete(stateful_set, pod)

    async def _create(self, stateful_set: JsonObject, revision: JsonObject, number: int) -> None:
        await self._create_claims(stateful_set, number)
        pod = identity.new_pod(stateful_set, revision, number)
        try:
            await self._own.create(stateful_set, pod)
        except AlreadyExists as exc:
            raise Retry(f"the name {name_of(pod)} is taken") from exc

    async def _create_claims(self, stateful_set: JsonObject, number: int) -> None:
        for claim in identity.claims_of(stateful_set, number):
            known = self._claims.get(key_of(claim))
            if known is not None:
                if is_being_deleted(known):
                    # The new pod must not get the volume that is going away.
                    raise Retry(f"claim {name_of(claim)} is being deleted")
                continue
            pod = f"{name_of(stateful_set)}-{number}"
            where = f"Pod {pod} in StatefulSet {name_of(stateful_set)}"
            claim["metadata"]["ownerReferences"] = identity.claim_owners(stateful_set, claim, None, is_condemned=False)
            try:
                self._claims.observe(await self._client.create(PERSISTENT_VOLUME_CLAIM, claim))
            except AlreadyExists:
                continue
            except ApiError as exc:
                text = f"Create Claim {name_of(claim)} for {where} failed error: {exc.message}"
                self._events.warning(ref_of(stateful_set), "FailedCreate", text)
                raise
            self._events.normal(
                ref_of(stateful_set), "SuccessfulCreate", f"Create Claim {name_of(claim)} {where} success"
            )

    async def _keep_claims(self, stateful_set: JsonObject, pods: dict[int, JsonObject]) -> None:
        """Owners by the retention policy, and claims that pods still wait for."""
        if not stateful_set["spec"].get("volumeClaimTemplates"):
            return
        numbers = identity.ordinals_of(stateful_set)
        for number, pod in pods.items():
            if not (pod.get("spec") or {}).get("nodeName") and not is_being_deleted(pod):
                await self._create_claims(stateful_set, number)
            for template in identity.claims_of(stateful_set, number):
                claim = self._claims.get(key_of(template))
                if claim is None or is_being_deleted(claim):
                    continue
                owners = identity.claim_owners(stateful_set, claim, pod, is_condemned=number not in numbers)
                if owners != (claim["metadata"].get("ownerReferences") or []):
                    changed = {**claim, "metadata": {**claim["metadata"], "ownerReferences": owners}}
                    self._claims.observe(await self._client.replace(PERSISTENT_VOLUME_CLAIM, changed))

    async def _report(self, stateful_set: JsonObject, pods: dict[int, JsonObject], revisions: _Revisions) -> None:
        wanted = status.counted(
            stateful_set,
            pods.values(),
            current=name_of(revisions.current),
            update=name_of(revisions.update),
            collisions=revisions.collisions,
            now=self._now(),
        )
        if wanted != (stateful_set.get("status") or {}):
            stored = await self._client.replace(STATEFUL_SET, {**stateful_set, "status": wanted}, subresource="status")
            self._sets.observe(stored)
        live = {wanted["currentRevision"], wanted["updateRevision"], *map(identity.revision_of, pods.values())}
        await self._history.prune(stateful_set, revisions.known, live)
