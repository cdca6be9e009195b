"""From a snapshot to what the gateway's proxy is to have, remembering what did not change since the last one."""

from typing import TYPE_CHECKING, NamedTuple

from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.gateway.compiler import CompiledGateway, KongEntities, compile_gateway
from crossfade.compile.gateway.settings import CompileSettings
from crossfade.compile.memo import Memo
from crossfade.compile.model import ProxyModel
from crossfade.envoy.resource_set import ResourceSet
from crossfade.envoy.resources import Encoded, Failed, resources_from_model
from crossfade.envoy.settings import EnvoyOptions
from crossfade.store.snapshot import Snapshot

if TYPE_CHECKING:
    from crossfade.compile.mesh_native import OwnNode


class Built(NamedTuple):
    """`failed` could not be encoded; `resources` hold the last good version, or nothing where there is none."""

    model: ProxyModel
    diagnostics: Diagnostics
    resources: ResourceSet
    failed: tuple[Failed, ...] = ()
    entities: KongEntities | None = None

    @property
    def compiled(self) -> CompiledGateway | None:
        return None if self.entities is None else CompiledGateway(self.model, self.diagnostics, self.entities)

    @property
    def faults(self) -> tuple[Exception, ...]:
        """Ours, for the log."""
        return (*(fault.exception for fault in self.diagnostics.faults), *(failed.exception for failed in self.failed))


class NodeUnknownError(Exception):
    """The virtual node that the gateway is said to be has not been there yet: nobody knows what may be sent where."""


class GatewayBuilder:
    """For one gateway, one snapshot after the other. Takes no locks: not for two threads at once."""

    def __init__(self, settings: CompileSettings, options: EnvoyOptions) -> None:
        self.settings = settings
        self._options = options
        self._memo = Memo()
        self._encoded = Encoded()
        self._node = _own_node(settings)
        self._merging = Memo()

    def build(self, snapshot: Snapshot) -> Built:
        """Raises NodeUnknownError."""
        compiled = compile_gateway(snapshot, self.settings, self._memo)
        if self._node is not None:
            sidecar = self._node.sidecar(snapshot)
            if sidecar is None:
                raise NodeUnknownError(self._node.path)
            from crossfade.compile.mesh_native import merged

            compiled = merged(compiled, sidecar, self._merging)
        model, diagnostics, entities = compiled
        resources = resources_from_model(model, options=self._options, before=self._encoded)
        return Built(model, diagnostics, resources, tuple(self._encoded.failed), entities)


def _own_node(settings: CompileSettings) -> "OwnNode | None":
    """Most gateways are none, and need not wait until the mesh's compiler is imported."""
    if not settings.mesh_node:
        return None
    from crossfade.compile.mesh_native import OwnNode

    return OwnNode(settings.mesh_node, settings.cluster_domain, has_identity=settings.has_mesh_identity)
