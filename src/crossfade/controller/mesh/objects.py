"""Looks up what admission and injection decisions depend on: what is known first, the API where that is not enough.

An object may be admitted a moment after the one that it depends on was created, sooner than a watch tells; so nothing
is refused for something missing before the API has been asked.
"""

from collections.abc import Callable
from typing import TypeAlias

from crossfade.api.appmesh import Mesh, VirtualGateway, VirtualNode, VirtualRouter, VirtualService
from crossfade.store.snapshot import Snapshot
from crossfade_kube.client import Client
from crossfade_kube.core import Namespace
from crossfade_kube.errors import NotFound
from crossfade_kube.registry import DecodeError, TypedObject, decode

_Kind: TypeAlias = Mesh | VirtualNode | VirtualRouter | VirtualService | VirtualGateway


class MeshObjects:
    """`snapshot` gives the latest one."""

    def __init__(self, client: Client, snapshot: Callable[[], Snapshot]) -> None:
        self._client = client
        self._snapshot = snapshot

    @property
    def known(self) -> Snapshot:
        return self._snapshot()

    async def namespace_labels(self, name: str) -> dict[str, str]:
        """Always asked for: labels decide who belongs where, and are often set just before the objects come."""
        namespace = await self._namespace(name)
        return namespace.metadata.labels if namespace else {}

    async def namespace_goes(self, name: str) -> bool:
        """Also where it is gone."""
        namespace = await self._namespace(name)
        return namespace is None or namespace.metadata.deletion_timestamp is not None

    async def _namespace(self, name: str) -> Namespace | None:
        try:
            return decode(await self._client.get(Namespace.RESOURCE, name), Namespace)
        except NotFound:
            return None

    async def fresh(self, namespace: str | None, *kinds: type[_Kind]) -> Snapshot:
        """These kinds as the API has them now; `namespace` None asks for all."""
        found: list[TypedObject] = []
        for kind in kinds:
            scope = namespace if kind.RESOURCE.namespaced else None
            listed = await self._client.list(kind.RESOURCE, namespace=scope)
            for item in listed.items:
                try:
                    found.append(decode(item, kind))
                except DecodeError:
                    # An unreadable object can neither select nor be selected; the controller reports it.
                    continue
        return Snapshot.of(found)
