"""The mesh controller's loop: every snapshot is compiled, published to sidecars, and reported to authors."""

from collections.abc import Callable
from datetime import UTC, datetime

from crossfade.api.appmesh import Mesh
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.mesh import Accepted, ArnScope, MeshModel, compile_with_fallback
from crossfade.compile.model import ProxyModel
from crossfade.controller.sources import ClusterSource
from crossfade.envoy.resource_set import ResourceSet
from crossfade.envoy.resources import resources_from_model
from crossfade.envoy.settings import EnvoyOptions
from crossfade.status.appmesh import decide_changes
from crossfade.status.change import News, ObjectChange
from crossfade.status.writer import StatusWriter
from crossfade.store.snapshot import Snapshot
from crossfade.xds.publisher import Publisher


class MeshLoop:
    """`snapshot` and `model` are the latest; `model` is None until the first compilation."""

    def __init__(
        self,
        source: ClusterSource,
        *,
        publisher: Publisher,
        writer: StatusWriter,
        scope: ArnScope,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.snapshot = Snapshot(0, {})
        self.model: MeshModel | None = None
        self._source = source
        self._publisher = publisher
        self._writer = writer
        self._scope = scope
        self._now = now
        self._accepted: Accepted = {}
        self._built: dict[str, tuple[ProxyModel, ResourceSet]] = {}

    async def run(self) -> None:
        """Until cancelled."""
        async for snapshot in self._source:
            self.snapshot = snapshot
            self.model, self._accepted = compile_with_fallback(snapshot, self._scope, self._accepted)
            self._publish(self.model)
            self._writer.submit(decide_changes(snapshot, self.model.states, now=self._now()))
            self._writer.submit(_unreadable(self._source.diagnostics()))

    def _publish(self, model: MeshModel) -> None:
        before, self._built = self._built, {}
        for path, proxy in model.proxies.items():
            known = before.get(path)
            # Building messages costs more than comparing models, and most changes concern few proxies.
            resources = known[1] if known and known[0] == proxy else resources_from_model(proxy, options=EnvoyOptions())
            self._built[path] = (proxy, resources)
            self._publisher.publish(path, resources)
        for gone in before.keys() - self._built.keys():
            self._publisher.withdraw(gone)


def _unreadable(diagnostics: Diagnostics) -> list[ObjectChange]:
    """Objects that no struct can hold have no condition to say so; an Event does."""
    return [
        ObjectChange(
            diagnostic.ref,
            Mesh.RESOURCE,
            "",
            news=(News("ReconcileError", f"{diagnostic.field}: {diagnostic.message}; {diagnostic.effect}"),),
        )
        for diagnostic in diagnostics
    ]
