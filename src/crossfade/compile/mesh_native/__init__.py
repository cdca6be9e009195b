"""A gateway that is a virtual node of a mesh without a sidecar: its own proxy does what the sidecar would."""

from typing import TYPE_CHECKING

from crossfade.compile.on_demand import names_on_demand

if TYPE_CHECKING:
    from crossfade.compile.mesh_native.merge import merged
    from crossfade.compile.mesh_native.own_node import OwnNode, OwnSidecar

__all__ = ["OwnNode", "OwnSidecar", "merged"]

__getattr__ = names_on_demand(__name__, {"OwnNode": "own_node", "OwnSidecar": "own_node", "merged": "merge"})
