"""Keeps what the plugin acme needs in Secrets of the gateway's namespace, whose names are fixed.

Every replica watches them; only the leader writes.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Final

from crossfade.acme.store import Changes, Entries, StoreError
from crossfade.compile.gateway.acme_store import place_of
from crossfade_kube.client import Client
from crossfade_kube.errors import Conflict, KubeError, NotFound
from crossfade_kube.meta import JsonObject, NamespacedName
from crossfade_kube.resources import SECRET

LABELS: Final = {"app.kubernetes.io/managed-by": "crossfade", "app.kubernetes.io/component": "acme"}
_TRIES: Final = 5


class SecretStore:
    """An entry is a key of one of the Secrets, by its hash."""

    def __init__(self, client: Client, names: tuple[NamespacedName, ...]) -> None:
        self._client = client
        self._names = names

    async def read(self) -> Entries:
        found: dict[str, bytes] = {}
        try:
            for name in self._names:
                found |= _entries(await self._get(name))
        except KubeError as error:
            raise StoreError(f"the Secrets cannot be read: {error}") from error
        return found

    async def write(self, changes: Changes) -> None:
        by_place: dict[NamespacedName, dict[str, bytes | None]] = {}
        for key, content in changes.items():
            by_place.setdefault(place_of(key, self._names), {})[key] = content
        for name, wanted in by_place.items():
            try:
                await self._change(name, wanted)
            except KubeError as error:
                raise StoreError(f"Secret {name} cannot be written: {error}") from error

    async def _change(self, name: NamespacedName, wanted: Changes) -> None:
        for _ in range(_TRIES):
            stored = await self._get(name)
            try:
                return await self._put(name, stored, wanted)
            except Conflict:
                # Somebody else changed it: what they wrote stays, as far as it is not ours.
                continue
        raise StoreError(f"Secret {name} cannot be written: it changes all the time")

    async def _put(self, name: NamespacedName, stored: JsonObject | None, wanted: Changes) -> None:
        data = dict((stored or {}).get("data") or {})
        before = dict(data)
        for key, content in wanted.items():
            if content is None:
                data.pop(key, None)
            else:
                data[key] = base64.b64encode(content).decode()
        if data == before:
            return
        if stored is None:
            metadata = {"name": name.name, "namespace": name.namespace, "labels": LABELS}
            fresh = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": data}
            await self._client.create(SECRET, fresh)
        else:
            await self._client.replace(SECRET, {**stored, "data": data})

    async def _get(self, name: NamespacedName) -> JsonObject | None:
        try:
            return await self._client.get(SECRET, name.name, namespace=name.namespace)
        except NotFound:
            return None


def _entries(secret: JsonObject | None) -> dict[str, bytes]:
    data: Mapping[str, str] = (secret or {}).get("data") or {}
    try:
        return {key: base64.b64decode(value) for key, value in data.items()}
    except (binascii.Error, ValueError, TypeError):
        return {}
