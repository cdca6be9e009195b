"""Applies the manifests that a cluster begins with, in order, and waits for what they start."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final

import orjson

from crossfade_kube.client import Client
from crossfade_kube.errors import ApiError, KubeError, NotFound
from crossfade_kube.meta import JsonObject, Resource
from crossfade_kube.resources import CUSTOM_RESOURCE_DEFINITION, DEPLOYMENT

FIELD_MANAGER: Final = "crossfade-up"
LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
RELEASE: Final = "meta.helm.sh/release-name"
# Go's JSON encoder writes these so; kubectl says "unchanged" only of the very same text.
_GO_ESCAPES: Final = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})
_TIMEOUT_S: Final = 60.0
_POLL_S: Final = 0.1


class InstallFailedError(Exception):
    """An object was refused, or a Deployment did not become available; the text names it."""


class Installer:
    def __init__(self, client: Client) -> None:
        self._client = client
        self._resources: dict[tuple[str, str], Resource] = {}

    async def apply(self, items: Sequence[JsonObject]) -> None:
        """Server-side apply: a newer version updates what an older one left. Raises InstallFailedError.

        What a release of Helm has taken over is left to it; what is there as it should be needs no write.
        """
        for item in items:
            await self._apply_one(item)

    async def _apply_one(self, item: JsonObject) -> None:
        deadline = time.monotonic() + _TIMEOUT_S
        while True:
            try:
                resource = await self._resource_of(item)
                wanted, found = with_last_applied(item), await self._find(resource, item["metadata"])
                if found is None or not (_is_of_a_release(found) or is_part(wanted, found)):
                    await self._client.apply(resource, wanted, field_manager=FIELD_MANAGER)
            except KubeError as error:
                # A kind just defined is not served yet, or a webhook of a former life does not answer yet.
                passing = isinstance(error, NotFound) or not isinstance(error, ApiError) or error.code >= 500
                if not passing or time.monotonic() > deadline:
                    raise InstallFailedError(f"{_name(item)}: {error}") from error
                await asyncio.sleep(_POLL_S)
            else:
                return

    async def _find(self, resource: Resource, metadata: JsonObject) -> JsonObject | None:
        try:
            return await self._client.get(resource, metadata["name"], namespace=metadata.get("namespace"))
        except NotFound:
            return None

    async def _resource_of(self, item: JsonObject) -> Resource:
        """Raises NotFound while the kind is not served."""
        key = (item["apiVersion"], item["kind"])
        if key not in self._resources:
            group, _, version = item["apiVersion"].rpartition("/")
            path = f"/apis/{group}/{version}" if group else f"/api/{version}"
            for one in (await self._client.request("GET", path))["resources"]:
                if "/" not in one["name"]:
                    found = Resource(group, version, one["name"], one["kind"], one["namespaced"])
                    self._resources[(item["apiVersion"], one["kind"])] = found
        if key not in self._resources:
            raise NotFound(404, {"message": f"{key[1]} of {key[0]} is not served"})
        return self._resources[key]

    async def wait_for_deployments(self, items: Sequence[JsonObject], *, say: Callable[[str], None]) -> None:
        """Raises InstallFailedError when one is not available in time."""
        for item in items:
            if item["kind"] == DEPLOYMENT.kind:
                say(f"waiting for {_name(item)}")
                await self._wait_for_deployment(item)
            elif item["kind"] == CUSTOM_RESOURCE_DEFINITION.kind:
                await self._wait_for_definition(item)

    async def _wait_for_deployment(self, item: JsonObject) -> None:
        metadata = item["metadata"]
        deadline = time.monotonic() + _TIMEOUT_S
        while time.monotonic() < deadline:
            found = await self._client.get(DEPLOYMENT, metadata["name"], namespace=metadata.get("namespace"))
            status = found.get("status") or {}
            if status.get("availableReplicas", 0) >= found["spec"].get("replicas", 1):
                return
            await asyncio.sleep(_POLL_S)
        raise InstallFailedError(
            f"{_name(item)} is not available after {_TIMEOUT_S:g} s; "
            f"see `crossfade kubectl describe pods -n {metadata.get('namespace', 'default')}`"
        )

    async def _wait_for_definition(self, item: JsonObject) -> None:
        deadline = time.monotonic() + _TIMEOUT_S
        while time.monotonic() < deadline:
            found = await self._client.get(CUSTOM_RESOURCE_DEFINITION, item["metadata"]["name"])
            conditions = (found.get("status") or {}).get("conditions") or ()
            if any(one["type"] == "Established" and one["status"] == "True" for one in conditions):
                return
            await asyncio.sleep(_POLL_S)
        raise InstallFailedError(f"{_name(item)} was not established in {_TIMEOUT_S:g} s")


def with_last_applied(item: JsonObject) -> JsonObject:
    """As `kubectl apply` leaves it, so that a later `kubectl apply` of the same manifests has nothing to warn about."""
    metadata = {**item["metadata"], "annotations": item["metadata"].get("annotations") or {}}
    whole = {**item, "metadata": metadata}
    written = orjson.dumps(whole, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE).decode()
    annotations = {**metadata["annotations"], LAST_APPLIED: written.translate(_GO_ESCAPES)}
    return {**whole, "metadata": {**metadata, "annotations": annotations}}


def is_part(wanted: object, found: object) -> bool:
    """Whether all that is wanted is there: what a server adds by itself does not count."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(
            key in found and is_part(value, found[key]) for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        return (
            isinstance(found, list)
            and len(wanted) == len(found)
            and all(is_part(one, other) for one, other in zip(wanted, found, strict=True))
        )
    return type(wanted) is type(found) and wanted == found


def _is_of_a_release(found: JsonObject) -> bool:
    return RELEASE in (found["metadata"].get("annotations") or {})


def _name(item: JsonObject) -> str:
    namespace = item["metadata"].get("namespace")
    return f"{item['kind']} {namespace + '/' if namespace else ''}{item['metadata']['name']}"
