"""Manifests read and compiled once for the gateway, for who asks about them."""

from crossfade.compile.gateway.compiler import CompiledGateway, compile_gateway
from crossfade.compile.gateway.settings import CompileSettings
from crossfade.gateway_files.directory import Files
from crossfade.gateway_files.facts import Fact, facts_of
from crossfade.gateway_files.reading import gateway_reading
from crossfade.gateway_files.schemas import Schemas
from crossfade.gateway_files.source import FileSource
from crossfade.install.gateway_definitions import gateway_crd


def compiled_files(files: Files, settings: CompileSettings) -> tuple[CompiledGateway, list[Fact]]:
    """With what is wrong in them. Raises FileNotFoundError without the policy module."""
    source = FileSource(files, gateway_reading(Schemas(gateway_crd)))
    source.refresh()
    state = source.state()
    compiled = compile_gateway(state.snapshot, settings)
    return compiled, list(facts_of(state, compiled.diagnostics, elsewhere=files.name))
