"""A Service as it is told of."""

from crossfade.compile.gateway.state import KongService
from crossfade.compile.model import Cluster, Endpoint
from crossfade.explain.model import ServiceFound


def service_found(service: KongService, cluster: Cluster) -> ServiceFound:
    return ServiceFound(
        name=service.name,
        object=str(cluster.origin.ref),
        protocol=service.protocol,
        path=service.path,
        endpoints=tuple(address_of(each) for each in cluster.endpoints),
    )


def address_of(endpoint: Endpoint) -> str:
    host = f"[{endpoint.address}]" if ":" in endpoint.address else endpoint.address
    return f"{host}:{endpoint.port}"
