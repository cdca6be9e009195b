"""Ends namespaces: deletes all that is in one, pods first, says what it still waits for, and lets it go when empty."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, NamedTuple

from crossfade_kube.client import Client
from crossfade_kube.errors import ApiError, NotFound
from crossfade_kube.meta import JsonObject, NamespacedName, Resource
from crossfade_kube.resources import NAMESPACE, POD
from crossfade_local.controllers.discovery import ServedResources
from crossfade_local.controllers.informers import Handler, Informers
from crossfade_local.controllers.objects import is_being_deleted, name_of, namespace_of, stamp, with_condition
from crossfade_local.controllers.reconciler import Reconciler

FINALIZER: Final = "kubernetes"
# Objects of a namespace go in bursts, and one look asks for every resource there is.
GATHER_S: Final = 1.2


class Text(NamedTuple):
    """Of a condition."""

    reason: str
    message: str


# For each condition what it says when it holds (the details follow) and when not.
_TEXTS: Final = {
    "DeletionDiscoveryFailure": (
        Text("DiscoveryFailed", "Discovery failed for some groups: "),
        Text("ResourcesDiscovered", "All resources successfully discovered"),
    ),
    "DeletionGroupVersionParsingFailure": (
        Text("GroupVersionParsingFailed", ""),
        Text("ParsedGroupVersions", "All legacy kube types successfully parsed"),
    ),
    "DeletionContentFailure": (
        Text("ContentDeletionFailed", "Failed to delete all resource types: "),
        Text("ContentDeleted", "All content successfully deleted, may be waiting on finalization"),
    ),
    "ContentRemaining": (
        Text("SomeResourcesRemain", "Some resources are remaining: "),
        Text("ContentRemoved", "All content successfully removed"),
    ),
    "FinalizersRemaining": (
        Text("SomeFinalizersRemain", "Some content in the namespace has finalizers remaining: "),
        Text("ContentHasNoFinalizers", "All content-preserving finalizers finished"),
    ),
}


class Remains(NamedTuple):
    """What is left in a namespace, and what could not be deleted."""

    objects: dict[Resource, list[JsonObject]]
    errors: list[ApiError]


class Namespaces:
    """The namespace controller."""

    def __init__(
        self,
        client: Client,
        informers: Informers,
        served: ServedResources,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.reconciler: Reconciler[str] = Reconciler("namespace", self._reconcile)
        self._client = client
        self._served = served
        self._now = now
        self._namespaces = informers.of(NAMESPACE)
        self._namespaces.on_change(self._on_namespace)
        served.on_change(self._handler_for)

    def _on_namespace(self, _before: JsonObject | None, after: JsonObject | None) -> None:
        if after is not None and is_being_deleted(after):
            self.reconciler.queue.add(name_of(after))

    def _handler_for(self, _resource: Resource) -> Handler:
        """Each object that leaves an ending namespace may have been the last one."""

        def handle(before: JsonObject | None, after: JsonObject | None) -> None:
            changed = after or before
            namespace = namespace_of(changed) if changed is not None else ""
            known = self._namespaces.get(NamespacedName("", namespace)) if namespace else None
            if known is not None and is_being_deleted(known):
                self.reconciler.queue.add_after(namespace, GATHER_S)

        return handle

    async def _reconcile(self, name: str) -> None:
        namespace = self._namespaces.get(NamespacedName("", name))
        if namespace is None or not is_being_deleted(namespace):
            return
        if FINALIZER not in ((namespace.get("spec") or {}).get("finalizers") or ()):
            return
        resources = [served.resource for served in self._served.all if served.resource.namespaced]
        pods = await self._empty(name, [resource for resource in resources if resource == POD])
        remains = pods
        if not pods.objects and not pods.errors:
            remains = await self._empty(name, [resource for resource in resources if resource != POD])
        try:
            await self._write_conditions(namespace, remains)
            if not remains.objects and not remains.errors:
                await self._let_go(name)
        except NotFound:
            return
        if remains.errors:
            raise remains.errors[0]

    async def _empty(self, namespace: str, resources: list[Resource]) -> Remains:
        """Asks the server, not the caches: nothing may be forgotten in a namespace that vanishes."""
        remains = Remains({}, [])
        for resource in resources:
            try:
                found = (await self._client.list(resource, namespace=namespace)).items
                if any(not is_being_deleted(item) for item in found):
                    await self._client.delete_collection(resource, namespace=namespace, propagation_policy="Background")
                    found = (await self._client.list(resource, namespace=namespace)).items
            except NotFound:
                continue
            except ApiError as exc:
                remains.errors.append(exc)
                continue
            if found:
                remains.objects[resource] = found
        return remains

    async def _let_go(self, name: str) -> None:
        current = await self._client.get(NAMESPACE, name)
        finalizers = [item for item in current["spec"].get("finalizers") or () if item != FINALIZER]
        current["spec"] = {**current["spec"], "finalizers": finalizers}
        await self._client.replace(NAMESPACE, current, subresource="finalize")

    async def _write_conditions(self, namespace: JsonObject, remains: Remains) -> None:
        status = namespace.get("status") or {}
        conditions = list(status.get("conditions") or ())
        for condition in ending_conditions(remains, self._now()):
            conditions = _with_news(conditions, condition)
        if conditions != (status.get("conditions") or []):
            wanted = {**namespace, "status": {**status, "phase": "Terminating", "conditions": conditions}}
            self._namespaces.observe(await self._client.replace(NAMESPACE, wanted, subresource="status"))


def ending_conditions(remains: Remains, now: datetime) -> list[JsonObject]:
    """Why the namespace is still there, with the texts of Kubernetes."""
    counts = sorted((resource.plural, resource.group, len(items)) for resource, items in remains.objects.items())
    held = Counter(
        finalizer
        for items in remains.objects.values()
        for item in items
        for finalizer in item["metadata"].get("finalizers") or ()
    )
    found = {
        "DeletionContentFailure": [error.message for error in remains.errors],
        "ContentRemaining": [f"{plural}.{group} has {count} resource instances" for plural, group, count in counts],
        "FinalizersRemaining": [f"{name} in {count} resource instances" for name, count in sorted(held.items())],
    }
    conditions = []
    for kind, (if_so, if_not) in _TEXTS.items():
        details = ", ".join(found.get(kind, ()))
        conditions.append(
            {
                "type": f"Namespace{kind}",
                "status": "True" if details else "False",
                "lastTransitionTime": stamp(now),
                "reason": (if_so if details else if_not).reason,
                "message": f"{if_so.message}{details}" if details else if_not.message,
            }
        )
    return conditions


def _with_news(conditions: list[JsonObject], new: JsonObject) -> list[JsonObject]:
    """In place, and only when something but the time differs."""
    for index, known in enumerate(conditions):
        if known["type"] == new["type"]:
            if all(known.get(key) == new[key] for key in ("status", "reason", "message")):
                return conditions
            return [*conditions[:index], new, *conditions[index + 1 :]]
    return with_condition(conditions, new)
