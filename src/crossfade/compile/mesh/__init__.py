"""App Mesh objects → what every virtual node's sidecar and every virtual gateway does.

A name is imported when it is first asked for: who needs one small module does not wait for the compiler.
"""

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
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

_HOMES: Final = {
    "acm": ("ACM_SELECTOR", "uses_acm"),
    "cloud_map": ("InstancesByName",),
    "compiler": ("MeshCompiler",),
    "fallback": ("Accepted", "Compiled", "Refusals", "Refused", "compile_with_fallback", "current", "refusable"),
    "model": ("MeshModel", "ObjectState"),
    "names": ("ArnScope",),
    "pipeline": ("compile_mesh", "needs_pods"),
    "service_names": ("ClusterView",),
}
_OTHERWISE_CALLED: Final = {"ACM_SELECTOR": "SELECTOR"}


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            found = getattr(importlib.import_module(f"{__name__}.{home}"), _OTHERWISE_CALLED.get(name, name))
            globals()[name] = found
            return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
