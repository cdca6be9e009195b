"""First pass: sorts the objects by mesh and keeps one object per name of the former cloud API."""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Final, TypeAlias, TypeVar

from crossfade.api.appmesh import (
    BackendGroup,
    GatewayRoute,
    Mesh,
    VirtualGateway,
    VirtualNode,
    VirtualRouter,
    VirtualService,
)
from crossfade.api.fitting import fitted
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.isolate import isolated
from crossfade.compile.memo import Memo
from crossfade.compile.mesh.membership import Refusal, choose_mesh
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core import Namespace
from crossfade_kube.meta import NamespacedName
from crossfade_kube.registry import typed_ref

Named: TypeAlias = VirtualNode | VirtualService | VirtualRouter | VirtualGateway | GatewayRoute
Member: TypeAlias = Named | BackendGroup
MEMBER_KINDS: Final[tuple[type[Member], ...]] = (
    VirtualNode,
    VirtualService,
    VirtualRouter,
    VirtualGateway,
    GatewayRoute,
    BackendGroup,
)
MAX_NAME_LENGTH: Final = 255
_NO_EFFECT: Final = "the object has no effect"

K = TypeVar("K", bound=Member | Mesh)


class Members:
    """The objects of one mesh, by name and by awsName."""

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh
        self._by_key: dict[tuple[type[Any], NamespacedName], Any] = {}
        self._by_aws_name: dict[tuple[type[Any], str], Any] = {}
        self._refused: dict[tuple[type[Any], NamespacedName], str] = {}

    def add(self, item: Member) -> None:
        self._by_key[type(item), item.metadata.key] = item
        if not isinstance(item, BackendGroup):
            self._by_aws_name[type(item), item.aws_name] = item

    def refuse(self, item: Member, problem: str) -> None:
        self._refused[type(item), item.metadata.key] = problem

    def refusal(self, kind: type[Any], key: NamespacedName) -> str:
        """Why an object of this mesh has no effect; empty for others."""
        return self._refused.get((kind, key), "")

    def holder(self, item: Named) -> Named | None:
        """Who has the awsName of `item` already."""
        found: Named | None = self._by_aws_name.get((type(item), item.aws_name))
        return found

    def all(self, kind: type[K]) -> list[K]:
        return [item for (found, _), item in self._by_key.items() if found is kind]

    def get(self, kind: type[K], key: NamespacedName) -> K | None:
        found: K | None = self._by_key.get((kind, key))
        return found

    def named(self, kind: type[K], aws_name: str) -> K | None:
        found: K | None = self._by_aws_name.get((kind, aws_name))
        return found


def admit(snapshot: Snapshot, memo: Memo, diagnostics: Diagnostics) -> Mapping[str, Members]:
    """Members by the mesh's metadata.name; an object left out has a diagnostic."""
    meshes = {mesh.metadata.name: Members(mesh) for mesh in _usable_meshes(snapshot, diagnostics)}
    for kind in MEMBER_KINDS:
        for item in _oldest_first(snapshot.all(kind)):
            isolated(
                partial(_admit_member, item, meshes, snapshot, memo, diagnostics),
                otherwise=None,
                ref=typed_ref(item),
                effect=_NO_EFFECT,
                diagnostics=diagnostics,
            )
    return meshes


def _admit_member(
    item: Member, meshes: Mapping[str, Members], snapshot: Snapshot, memo: Memo, diagnostics: Diagnostics
) -> None:
    members = _members_of(item, meshes, snapshot, diagnostics)
    if members is None or not _has_own_name(item, members, diagnostics):
        return
    make = partial(_fitted, item)
    members.add(memo.of(("fitted", type(item), item.metadata.key), (item,), make, diagnostics))


def _fitted(item: Member, diagnostics: Diagnostics) -> Member:
    within, adjustments = fitted(item)
    for adjustment in adjustments:
        diagnostics.error(
            typed_ref(item),
            "value.out-of-range",
            adjustment.problem,
            effect=f"{adjustment.used} is used instead",
            hint="give a value within the bounds",
            field=adjustment.field,
        )
    return within


def _usable_meshes(snapshot: Snapshot, diagnostics: Diagnostics) -> Iterator[Mesh]:
    """Each with an awsName of its own, since proxies and clusters are known by it."""
    taken: dict[str, Mesh] = {}
    for mesh in _oldest_first(snapshot.all(Mesh)):
        problem = isolated(
            partial(_mesh_problem, mesh, taken),
            otherwise=None,
            ref=typed_ref(mesh),
            effect=_NO_EFFECT,
            diagnostics=diagnostics,
        )
        if problem:
            _report_name(mesh, problem, diagnostics)
        elif problem is not None:
            yield mesh


def _mesh_problem(mesh: Mesh, taken: dict[str, Mesh]) -> str:
    problem = _name_problem(mesh.aws_name)
    if not problem and taken.setdefault(mesh.aws_name, mesh) is not mesh:
        problem = f"awsName {mesh.aws_name} is taken by {typed_ref(taken[mesh.aws_name])}"
    return problem


def _oldest_first(items: Iterable[K]) -> list[K]:
    """Of two objects with one name the older keeps it, whatever the order they are seen in."""
    return sorted(items, key=lambda item: item.metadata.age)


def _members_of(
    item: Member, meshes: Mapping[str, Members], snapshot: Snapshot, diagnostics: Diagnostics
) -> Members | None:
    reference = item.spec.mesh_ref
    if reference is None:
        return _designated(item, meshes, snapshot, diagnostics)
    members = meshes.get(reference.name)
    problem = ""
    if members is None:
        problem = f"unable to fetch mesh: {reference.name}"
    elif reference.uid and members.mesh.metadata.uid and reference.uid != members.mesh.metadata.uid:
        problem, members = f"mesh UID mismatch: {reference.uid}", None
    if problem:
        diagnostics.error(
            typed_ref(item),
            "mesh.unknown",
            problem,
            effect="the object has no effect",
            hint="create the object again, in a namespace that a mesh selects",
            field="spec.meshRef",
        )
    return members


def _designated(
    item: Member, meshes: Mapping[str, Members], snapshot: Snapshot, diagnostics: Diagnostics
) -> Members | None:
    namespace = snapshot.get(Namespace, "", item.metadata.namespace)
    labels = namespace.metadata.labels if namespace else {}
    chosen = choose_mesh((members.mesh for members in meshes.values()), item.metadata.namespace, labels)
    if isinstance(chosen, Refusal):
        diagnostics.error(
            typed_ref(item),
            "mesh.no-membership",
            chosen.reason,
            effect="the object has no effect",
            hint="give the namespace the labels of exactly one mesh's namespaceSelector",
        )
        return None
    return meshes[chosen.metadata.name]


def _has_own_name(item: Member, members: Members, diagnostics: Diagnostics) -> bool:
    if isinstance(item, BackendGroup):
        return True
    problem = _name_problem(item.aws_name)
    if not problem and (holder := members.holder(item)) is not None:
        problem = f"awsName {item.aws_name} is taken by {typed_ref(holder)}"
    if problem:
        members.refuse(item, problem)
        _report_name(item, problem, diagnostics)
    return not problem


def _name_problem(aws_name: str) -> str:
    """Names become parts of host names, paths and headers."""
    if len(aws_name) > MAX_NAME_LENGTH:
        return f"awsName has {len(aws_name)} characters, at most {MAX_NAME_LENGTH} are allowed"
    if "*" in aws_name:
        return f"awsName {aws_name} contains a wildcard"
    if "/" in aws_name:
        return f"awsName {aws_name} contains a slash"
    if not aws_name.isprintable() or " " in aws_name:
        return f"awsName {aws_name!a} contains a blank or control character"
    return ""


def _report_name(item: Named | Mesh, problem: str, diagnostics: Diagnostics) -> None:
    diagnostics.error(
        typed_ref(item),
        "name.unusable",
        problem,
        effect=_NO_EFFECT,
        hint="choose another spec.awsName in a new object (the field cannot be changed)",
        field="spec.awsName",
    )
