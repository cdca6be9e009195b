"""App Mesh objects → what every virtual node's sidecar and every virtual gateway does."""

from crossfade.compile.mesh.acm import SELECTOR as ACM_SELECTOR
from crossfade.compile.mesh.acm import uses_acm
from crossfade.compile.mesh.cloud_map import InstancesByName
from crossfade.compile.mesh.compiler import MeshCompiler
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
from crossfade.compile.mesh.pipeline import compile_mesh, needs_pods
from crossfade.compile.mesh.service_names import ClusterView

__all__ = [
    "ACM_SELECTOR",
    "Accepted",
    "ArnScope",
    "ClusterView",
    "Compiled",
    "InstancesByName",
    "MeshCompiler",
    "MeshModel",
    "ObjectState",
    "Refusals",
    "Refused",
    "compile_mesh",
    "compile_with_fallback",
    "current",
    "needs_pods",
    "refusable",
    "uses_acm",
]
