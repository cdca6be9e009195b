"""The kinds of `appmesh.k8s.aws/v1beta2`, reduced to the fields that Crossfade reads."""

from crossfade.api.appmesh.backend_group import BackendGroup
from crossfade.api.appmesh.gateway_route import GatewayRoute
from crossfade.api.appmesh.mesh import Mesh
from crossfade.api.appmesh.virtual_gateway import VirtualGateway
from crossfade.api.appmesh.virtual_node import VirtualNode
from crossfade.api.appmesh.virtual_router import VirtualRouter
from crossfade.api.appmesh.virtual_service import VirtualService

__all__ = [
    "BackendGroup",
    "GatewayRoute",
    "Mesh",
    "VirtualGateway",
    "VirtualNode",
    "VirtualRouter",
    "VirtualService",
]
