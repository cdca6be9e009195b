"""All kinds that Crossfade reads, the mesh's and the gateway's, with the rules of their admission webhooks."""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Final

from crossfade.admission.appmesh_rules import check_object
from crossfade.admission.kong import WITHOUT_EFFECT
from crossfade.admission.review import AdmissionRequest, Denied
from crossfade.api.appmesh import Mesh
from crossfade.api.appmesh.values import GROUP
from crossfade.compile.diagnostics import Severity
from crossfade.compile.gateway.compiler import INPUT_KINDS
from crossfade.compile.mesh.admit import MEMBER_KINDS
from crossfade.gateway_files.reading import Problem, Reading, kong_problems, readable
from crossfade.gateway_files.schemas import Schemas
from crossfade.install.gateway_definitions import gateway_crd
from crossfade.install.mesh import mesh_crds
from crossfade_kube.core import Namespace
from crossfade_kube.meta import JsonObject, ObjectRef, Resource
from crossfade_kube.registry import TypedObject

MESH_KINDS: Final[tuple[type[TypedObject], ...]] = (Namespace, Mesh, *MEMBER_KINDS)
_ALL: Final[tuple[type[TypedObject], ...]] = (*INPUT_KINDS, *MESH_KINDS)

# Groups of Kubernetes itself have no dot, or this end.
_OF_KUBERNETES: Final = ".k8s.io"
_NOT_KUBERNETES: Final = frozenset({"gateway.networking.k8s.io", GROUP})


def full_reading() -> Reading:
    return Reading(readable(_ALL), Schemas(_definition), _problems, _foreign)


def _problems(item: TypedObject, document: JsonObject) -> Iterable[Problem]:
    kind = item.RESOURCE
    yield from _appmesh_problems(kind, document) if kind.group == GROUP else kong_problems(item, document)


def _appmesh_problems(kind: Resource, document: JsonObject) -> Iterator[Problem]:
    metadata = document["metadata"]
    request = AdmissionRequest(
        uid="",
        kind=kind.kind,
        operation="CREATE",
        namespace=metadata["namespace"],
        name=str(metadata["name"]),
        object=document,
    )
    try:
        check_object(request)
    except Denied as denial:
        yield Problem("spec", str(denial))


def _foreign(ref: ObjectRef) -> tuple[Problem, ...]:
    effect = WITHOUT_EFFECT.get(ref.kind)
    group = ref.api_version.rpartition("/")[0]
    if effect is not None:
        text, severity = f"{ref.kind} has no effect in this gateway: {effect}", Severity.WARNING
    elif group in _NOT_KUBERNETES or ("." in group and not group.endswith(_OF_KUBERNETES)):
        text, severity = f"nothing of Crossfade reads {ref.api_version} {ref.kind}", Severity.WARNING
    else:
        text, severity = f"{ref.api_version} {ref.kind} is for Kubernetes itself and not looked at", Severity.NOTE
    return (Problem("", text, severity=severity, code="kind.unread"),)


@cache
def _mesh_definitions() -> dict[str, JsonObject]:
    return {crd["metadata"]["name"]: crd for crd in mesh_crds()}


@cache
def _definition(kind: Resource) -> JsonObject | None:
    return _mesh_definitions().get(f"{kind.plural}.{kind.group}") if kind.group == GROUP else gateway_crd(kind)
