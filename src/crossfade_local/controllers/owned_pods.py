"""Pods of an owner, created and deleted with the Events that say so."""

from typing import Final, NamedTuple

from crossfade_kube.client import Client
from crossfade_kube.errors import AlreadyExists, ApiError, NotFound
from crossfade_kube.events import EventRecorder
from crossfade_kube.meta import JsonObject
from crossfade_kube.resources import POD
from crossfade_local.controllers.informers import Informer
from crossfade_local.controllers.objects import is_being_deleted, name_of, namespace_of, ref_of, uid_of


class Wording(NamedTuple):
    """Of Events, with {pod}, {owner} and {error}."""

    created: str
    not_created: str
    deleted: str
    not_deleted: str


_WORDING: Final = Wording(
    created="Created pod: {pod}",
    not_created="Error creating: {error}",
    deleted="Deleted pod: {pod}",
    not_deleted="Error deleting: {error}",
)


class OwnedPods:
    def __init__(self, client: Client, pods: Informer, events: EventRecorder, *, wording: Wording = _WORDING) -> None:
        self._client = client
        self._pods = pods
        self._events = events
        self._wording = wording

    async def create(self, owner: JsonObject, pod: JsonObject) -> None:
        """Raises KubeError; what the server refuses is told first, but for a name that is taken."""
        try:
            created = await self._client.create(POD, pod)
        except AlreadyExists:
            raise
        except ApiError as exc:
            # Nothing can be created in a namespace that is being deleted, and nothing needs to.
            if not exc.has_cause("NamespaceTerminating"):
                self._events.warning(
                    ref_of(owner), "FailedCreate", _said(self._wording.not_created, owner, pod, exc.message)
                )
            raise
        self._pods.observe(created)
        self._events.normal(ref_of(owner), "SuccessfulCreate", _said(self._wording.created, owner, created))

    async def delete(self, owner: JsonObject, pod: JsonObject) -> None:
        """Raises KubeError; one that is gone already is nobody's news."""
        try:
            deleted = await self._client.delete(POD, name_of(pod), namespace=namespace_of(pod), uid=uid_of(pod))
        except NotFound:
            return
        except ApiError as exc:
            self._events.warning(
                ref_of(owner), "FailedDelete", _said(self._wording.not_deleted, owner, pod, exc.message)
            )
            raise
        if deleted.get("kind") == "Pod" and is_being_deleted(deleted):
            self._pods.observe(deleted)
        self._events.normal(ref_of(owner), "SuccessfulDelete", _said(self._wording.deleted, owner, pod))


def _said(text: str, owner: JsonObject, pod: JsonObject, error: str = "") -> str:
    # A pod that was not created may have no name yet.
    return text.format(pod=pod["metadata"].get("name", ""), owner=name_of(owner), error=error)
