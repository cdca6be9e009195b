"""What proxies of a mesh count beyond what they always do."""

from msgspec import structs

from crossfade.api.appmesh import Mesh
from crossfade.compile.mesh.choices import STATUSES_BY_CLUSTER
from crossfade.compile.model import FilterChain, HttpHandler, ProxyModel


def counting(proxy: ProxyModel, mesh: Mesh) -> ProxyModel:
    """As the mesh's annotation has it; the very same proxy without it."""
    if STATUSES_BY_CLUSTER.of(mesh) == "disabled":
        return proxy
    listeners = (
        structs.replace(listener, chains=tuple(map(_with_statuses, listener.chains))) for listener in proxy.listeners
    )
    return structs.replace(proxy, listeners=tuple(listeners))


def _with_statuses(chain: FilterChain) -> FilterChain:
    if not isinstance(chain.handler, HttpHandler):
        return chain
    telemetry = structs.replace(chain.handler.telemetry, counts_statuses=True)
    return structs.replace(chain, handler=structs.replace(chain.handler, telemetry=telemetry))
