"""Pods of an owner, created and deleted with the Events that say so: what ReplicaSets and DaemonSets have in common."""

from crossfade_kube.client import Client
from crossfade_kube.errors import ApiError, NotFound
from crossfade_kube.events import EventRecorder
from crossfade_kube.meta import JsonObject
from crossfade_kube.resources import POD
from crossfade_local.controllers.informers import Informer
from crossfade_local.controllers.objects import is_being_deleted, name_of, namespace_of, ref_of, uid_of


class OwnedPods:
    def __init__(self, client: Client, pods: Informer, events: EventRecorder) -> None:
        self._client = client
        self._pods = pods
        self._events = events

    async def create(self, owner: JsonObject, pod: JsonObject) -> None:
        """Raises KubeError; what the server refuses is told first."""
        try:
            created = await self._client.create(POD, pod)
        except ApiError as exc:
            # Nothing can be created in a namespace that is being deleted, and nothing needs to.
            if not exc.has_cause("NamespaceTerminating"):
                self._events.warning(ref_of(owner), "FailedCreate", f"Error creating: {exc.message}")
            raise
        self._pods.observe(created)
        self._events.normal(ref_of(owner), "SuccessfulCreate", f"Created pod: {name_of(created)}")

    async def delete(self, owner: JsonObject, pod: JsonObject) -> None:
        """Raises KubeError; one that is gone already is nobody's news."""
        try:
            deleted = await self._client.delete(POD, name_of(pod), namespace=namespace_of(pod), uid=uid_of(pod))
        except NotFound:
            return
        except ApiError as exc:
            self._events.warning(ref_of(owner), "FailedDelete", f"Error deleting: {exc.message}")
            raise
        if deleted.get("kind") == "Pod" and is_being_deleted(deleted):
            self._pods.observe(deleted)
        self._events.normal(ref_of(owner), "SuccessfulDelete", f"Deleted pod: {name_of(pod)}")
