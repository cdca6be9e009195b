"""A cluster's objects read and compiled once as its mesh controller does it, for who asks about them."""

from contextlib import nullcontext, suppress
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
from crossfade_kube.errors import Forbidden
from crossfade_kube.kubeconfig import ClusterConfig
from crossfade_kube.registry import TypedObject

_KINDS: Final[tuple[type[TypedObject], ...]] = (*ROUTING_KINDS, EndpointSlice, Pod)


async def compiled_cluster(config: ClusterConfig, *, may_lack_secrets: bool = False) -> MeshModel:
    """Raises KubeError when the cluster does not answer or refuses. Kinds that it does not know have no objects.

    Secrets hold certificates that stand for those of ACM, no more; who `may_lack_secrets` is answered without them.
    """
    cache = Cache(_KINDS)
    async with Client(config, user_agent=f"crossfade-explain/{__version__}") as client:
        for kind in _KINDS:
            if kind is not Secret:
                await list_into(cache, kind, client)
        with suppress(Forbidden) if may_lack_secrets else nullcontext():
            await list_into(cache, Secret, client, label_selector=ACM_SELECTOR)
    model, unreadable = compile_mesh(cache.snapshot(), ArnScope()), Diagnostics()
    for error in cache.rejected:
        unreadable.error(error.ref, UNREADABLE, error.problem, effect="it counts as absent", field=error.field)
    return structs.replace(model, diagnostics=(*model.diagnostics, *unreadable))
