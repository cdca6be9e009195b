"""App Mesh objects → what every virtual node's sidecar and every virtual gateway does."""

from crossfade.compile.mesh.fallback import (
    Accepted,
    Compiled,
    Refusals,
    Refused,
    compile_with_fallback,
    current,
    refusable,
)
from crossfade.compile.mesh.model import MeshModel, ObjectState
from crossfade.compile.mesh.names import ArnScope
from crossfade.compile.mesh.pipeline import compile_mesh

__all__ = [
    "Accepted",
    "ArnScope",
    "Compiled",
    "MeshModel",
    "ObjectState",
    "Refusals",
    "Refused",
    "compile_mesh",
    "compile_with_fallback",
    "current",
    "refusable",
]
