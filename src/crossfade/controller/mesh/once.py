"""A cluster's objects read and compiled once as its mesh controller does it, for who asks about them."""

from typing import Final

from msgspec import structs

from crossfade import __version__
from crossfade.compile.diagnostics import UNREADABLE, Diagnostics
from crossfade.compile.mesh import ACM_SELECTOR, ArnScope, MeshModel, compile_mesh
from crossfade.compile.mesh.compiler import ROUTING_KINDS
from crossfade.controller.listing import list_into
from crossfade.store.cache import Cache
from crossfade_kube.client import Client
from crossfade_kube.core import EndpointSlice, Pod, Secret
from crossfade_kube.kubeconfig import ClusterConfig
from crossfade_kube.registry import TypedObject

_KINDS: Final[tuple[type[TypedObject], ...]] = (*ROUTING_KINDS, EndpointSlice, Pod)


async def compiled_cluster(config: ClusterConfig) -> MeshModel:
    """Raises KubeError when the cluster does not answer or refuses. Kinds that it does not know have no objects."""
    cache = Cache(_KINDS)
    async with Client(config, user_agent=f"crossfade-explain/{__version__}") as client:
        for kind in _KINDS:
            await list_into(cache, kind, client, label_selector=ACM_SELECTOR if kind is Secret else None)
    model, unreadable = compile_mesh(cache.snapshot(), ArnScope()), Diagnostics()
    for error in cache.rejected:
        unreadable.error(error.ref, UNREADABLE, error.problem, effect="it counts as absent", field=error.field)
    return structs.replace(model, diagnostics=(*model.diagnostics, *unreadable))
