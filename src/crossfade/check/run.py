"""Manifests → findings: read, judged and compiled as the controllers do it, nothing of it kept."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from crossfade.check.kinds import full_reading
from crossfade.check.namespaces import with_assumed_namespaces
from crossfade.compile.diagnostics import Diagnostic, Severity
from crossfade.compile.gateway.compiler import compile_gateway
from crossfade.compile.gateway.settings import CompileSettings
from crossfade.compile.mesh import ArnScope, compile_mesh
from crossfade.gateway_files.directory import Files
from crossfade.gateway_files.facts import Fact, facts_of, line_of
from crossfade.gateway_files.lines import Lines
from crossfade.gateway_files.source import FileSource
from crossfade.gateway_files.uses import Place
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core.endpoint_slice import SERVICE_NAME_LABEL, EndpointSlice
from crossfade_kube.core.service import Service
from crossfade_kube.meta import NamespacedName, ObjectRef


class Finding(Struct, frozen=True):
    """`line` counts from 1, 0 for a file as a whole; `code` is stable; `field` is a JSON path in the object."""

    path: str
    line: int
    severity: Severity
    code: str
    ref: ObjectRef | None
    field: str
    message: str
    effect: str
    hint: str


class Checked(NamedTuple):
    """`findings` by file and line. `objects` are those that are in order or have a warning at most, `refs` all."""

    findings: tuple[Finding, ...]
    files: int
    objects: int
    refs: tuple[ObjectRef, ...] = ()

    def count(self, severity: Severity) -> int:
        return sum(finding.severity is severity for finding in self.findings)


def check_files(files: Files, settings: CompileSettings) -> Checked:
    """Never raises for what is in the files. Raises FileNotFoundError without the policy module."""
    source = FileSource(files, full_reading())
    source.refresh()
    state = source.state()
    facts = facts_of(state, _diagnostics(state.snapshot, settings), elsewhere=files.name)
    lines = Lines()
    findings = sorted((_finding(fact, place, lines) for fact, place in facts.items()), key=_place_of)
    valid = sum(use.is_valid for use in state.uses.values())
    return Checked(tuple(findings), len(state.paths), valid, tuple(state.uses))


def _diagnostics(snapshot: Snapshot, settings: CompileSettings) -> Iterator[Diagnostic]:
    gateway = compile_gateway(snapshot, replace(settings, stands_alone=True)).diagnostics
    elsewhere = _services_of_pods(snapshot)
    for item in gateway:
        if item.code != "service.no-endpoints" or NamespacedName(item.ref.namespace, item.ref.name) not in elsewhere:
            yield item
    mesh, notes = _mesh_diagnostics(snapshot)
    yield from mesh
    yield from notes


def _services_of_pods(snapshot: Snapshot) -> frozenset[NamespacedName]:
    """Those that get their endpoints from pods, in a cluster: the manifests name none."""
    slices = snapshot.all(EndpointSlice)
    given = {(item.metadata.namespace, item.metadata.labels.get(SERVICE_NAME_LABEL, "")) for item in slices}
    selecting = (item.metadata.key for item in snapshot.all(Service) if item.spec.selector)
    return frozenset(key for key in selecting if key not in given)


def _mesh_diagnostics(snapshot: Snapshot) -> tuple[Iterable[Diagnostic], Iterable[Diagnostic]]:
    assumed = with_assumed_namespaces(snapshot)
    return compile_mesh(assumed.snapshot, ArnScope()).diagnostics, assumed.notes


def _finding(fact: Fact, place: Place, lines: Lines) -> Finding:
    return Finding(
        path=place.path,
        line=line_of(place, lines),
        severity=fact.severity,
        code=fact.code,
        ref=fact.subject.ref,
        field=fact.field,
        message=fact.message,
        effect=fact.effect,
        hint=fact.hint,
    )


def _place_of(finding: Finding) -> tuple[str, int, str, str, str]:
    return finding.path, finding.line, str(finding.ref), finding.field, finding.code
