"""A cluster's objects read and compiled once as its gateway does it, for who asks about them."""

from crossfade import __version__
from crossfade.compile.diagnostics import UNREADABLE
from crossfade.compile.gateway.compiler import (
    INPUT_FIELDS,
    INPUT_KINDS,
    INPUT_SELECTORS,
    ON_DEMAND,
    CompiledGateway,
    compile_gateway,
)
from crossfade.compile.gateway.settings import CompileSettings
from crossfade.controller.listing import list_into
from crossfade.store.cache import Cache
from crossfade_kube.client import Client
from crossfade_kube.kubeconfig import ClusterConfig
from crossfade_kube.registry import TypedObject


async def compiled_cluster(config: ClusterConfig, settings: CompileSettings) -> CompiledGateway:
    """Raises KubeError when the cluster does not answer or refuses. Kinds that it does not know have no objects."""
    kinds: tuple[type[TypedObject], ...] = (*INPUT_KINDS, *ON_DEMAND)
    cache = Cache(kinds)
    async with Client(config, user_agent=f"crossfade-explain/{__version__}") as client:
        for kind in kinds:
            if kind in ON_DEMAND and not ON_DEMAND[kind](cache.snapshot()):
                continue
            selectors = {"label_selector": INPUT_SELECTORS.get(kind), "field_selector": INPUT_FIELDS.get(kind)}
            await list_into(cache, kind, client, **selectors)
    compiled = compile_gateway(cache.snapshot(), settings)
    for error in cache.rejected:
        compiled.diagnostics.error(
            error.ref, UNREADABLE, error.problem, effect="it counts as absent", field=error.field
        )
    return compiled
