"""App Mesh objects → what every virtual node's sidecar and every virtual gateway does."""

from typing import TYPE_CHECKING

from crossfade.compile.on_demand import names_on_demand

if TYPE_CHECKING:
    from crossfade.compile.mesh.acm import ACM_SELECTOR, uses_acm
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

__getattr__ = names_on_demand(
    __name__,
    {
        "ACM_SELECTOR": "acm",
        "Accepted": "fallback",
        "ArnScope": "names",
        "ClusterView": "service_names",
        "Compiled": "fallback",
        "InstancesByName": "cloud_map",
        "MeshCompiler": "compiler",
        "MeshModel": "model",
        "ObjectState": "model",
        "Refusals": "fallback",
        "Refused": "fallback",
        "compile_mesh": "pipeline",
        "compile_with_fallback": "fallback",
        "current": "fallback",
        "needs_pods": "pipeline",
        "refusable": "fallback",
        "uses_acm": "acm",
    },
)
