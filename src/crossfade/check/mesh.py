"""Manifests read and compiled once as the mesh's controller does it, for who asks about them."""

from collections.abc import Sequence

from crossfade.check.kinds import full_reading
from crossfade.check.namespaces import with_assumed_namespaces
from crossfade.compile.mesh import ArnScope, MeshModel, compile_mesh
from crossfade.gateway_files.directory import Files
from crossfade.gateway_files.facts import Fact, facts_of
from crossfade.gateway_files.source import FileSource


def compiled_mesh(files: Files) -> tuple[MeshModel, Sequence[Fact]]:
    """With what is wrong in them."""
    source = FileSource(files, full_reading())
    source.refresh()
    state = source.state()
    model = compile_mesh(with_assumed_namespaces(state.snapshot).snapshot, ArnScope())
    return model, list(facts_of(state, model.diagnostics, elsewhere=files.name))
