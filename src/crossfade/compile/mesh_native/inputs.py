"""What a gateway of a mesh reads besides its own kinds."""

from typing import Final

from crossfade.api.appmesh import BackendGroup, Mesh, VirtualNode, VirtualRouter, VirtualService
from crossfade_kube.core import Namespace
from crossfade_kube.registry import TypedObject

MESH_KINDS: Final[tuple[type[TypedObject], ...]] = (
    Namespace,
    Mesh,
    VirtualNode,
    VirtualService,
    VirtualRouter,
    BackendGroup,
)
