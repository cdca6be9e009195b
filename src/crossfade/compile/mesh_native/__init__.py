"""A gateway that is a virtual node of a mesh without a sidecar: its own proxy does what the sidecar would."""

from crossfade.compile.mesh_native.merge import merged
from crossfade.compile.mesh_native.own_node import OwnNode, OwnSidecar

__all__ = ["OwnNode", "OwnSidecar", "merged"]
