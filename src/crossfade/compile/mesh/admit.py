"""First pass: sorts the objects by mesh and keeps one object per name of the former cloud API."""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar

from crossfade.api.appmesh import (
    BackendGroup,
    GatewayRoute,
    Mesh,
    VirtualGateway,
    VirtualNode,
    VirtualRouter,
    VirtualService,
)
from crossfade.api.fitting import Adjustment, fitted
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.isolate import isolated
from crossfade.compile.memo import Memo
from crossfade.compile.mesh.membership import Refusal, choose_mesh
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core import Namespace
from crossfade_kube.meta import NamespacedName, ObjectRef
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


class Admitted(NamedTuple):
    """An object with the mesh (its metadata.name) that it belongs to.

    `adjustments` are what was done to its values, `problem` says why its awsName cannot be used.
    """

    item: Member
    ref: ObjectRef
    key: NamespacedName
    mesh: str
    adjustments: tuple[Adjustment, ...] = ()
    problem: str = ""


class MembersOfKind:
    """The objects of one kind in one mesh, by name and by awsName, and why others have no effect."""

    def __init__(self) -> None:
        self.by_key: dict[NamespacedName, Admitted] = {}
        self.by_aws_name: dict[str, Admitted] = {}
        self.refused: dict[NamespacedName, str] = {}
        self.items: tuple[Any, ...] = ()
        """The oldest first."""
        self.rows: tuple[tuple[Any], ...] = ()

    def add(self, one: Admitted) -> str:
        """Of two objects with one name the first keeps it. Gives why this one is refused."""
        if isinstance(one.item, BackendGroup):
            self.by_key[one.key] = one
            return ""
        problem = one.problem
        if not problem and (holder := self.by_aws_name.setdefault(one.item.aws_name, one)) is not one:
            problem = f"awsName {one.item.aws_name} is taken by {holder.ref}"
        if problem:
            self.refused[one.key] = problem
        else:
            self.by_key[one.key] = one
        return problem


_NO_MEMBERS: Final = MembersOfKind()


class Members:
    """The objects of one mesh."""

    def __init__(self, mesh: Mesh, by_kind: Mapping[type[Member], MembersOfKind]) -> None:
        self.mesh = mesh
        self._by_kind: Mapping[type[Any], MembersOfKind] = by_kind

    def refusal(self, kind: type[Any], key: NamespacedName) -> str:
        """Why an object of this mesh has no effect; empty for others."""
        return self._of(kind).refused.get(key, "")

    def all(self, kind: type[K]) -> tuple[K, ...]:
        """The oldest first; the very same tuple as long as none of them changed."""
        return self._of(kind).items

    def rows(self, kind: type[K]) -> tuple[tuple[K], ...]:
        """The same, as inputs of `Memo.each`."""
        return self._of(kind).rows

    def keys(self, kind: type[Any]) -> Iterable[NamespacedName]:
        return self._of(kind).by_key

    def admitted(self, kind: type[Any]) -> Iterable[Admitted]:
        """The oldest first."""
        return self._of(kind).by_key.values()

    def get(self, kind: type[K], key: NamespacedName) -> K | None:
        found: Any = self._of(kind).by_key.get(key)
        return None if found is None else found.item

    def named(self, kind: type[K], aws_name: str) -> K | None:
        found: Any = self._of(kind).by_aws_name.get(aws_name)
        return None if found is None else found.item

    def _of(self, kind: type[Any]) -> MembersOfKind:
        return self._by_kind.get(kind, _NO_MEMBERS)


def admit(snapshot: Snapshot, memo: Memo, diagnostics: Diagnostics) -> Mapping[str, Members]:
    """Members by the mesh's metadata.name; an object left out has a diagnostic."""
    meshes = {mesh.metadata.name: mesh for mesh in _usable_meshes(snapshot, diagnostics)}
    by_kind = {kind: _members_by_mesh(kind, meshes, snapshot, memo, diagnostics) for kind in MEMBER_KINDS}
    return {
        name: Members(mesh, {kind: found[name] for kind, found in by_kind.items() if name in found})
        for name, mesh in meshes.items()
    }


def _members_by_mesh(
    kind: type[Member], meshes: Mapping[str, Mesh], snapshot: Snapshot, memo: Memo, diagnostics: Diagnostics
) -> Mapping[str, MembersOfKind]:
    def in_order(_: Diagnostics) -> tuple[tuple[Member], ...]:
        return tuple((item,) for item in _oldest_first(snapshot.all(kind)))

    ordered = memo.of(("ordered", kind), (snapshot.all(kind),), in_order, diagnostics)
    surroundings = (snapshot.all(Mesh), snapshot.all(Namespace))
    make = partial(_admitted, meshes=meshes, snapshot=snapshot)
    admitted = memo.each(("admitted", kind), ordered, surroundings, make, diagnostics)
    return memo.of(("members", kind), (admitted,), partial(_sorted_by_mesh, admitted), diagnostics)


def _sorted_by_mesh(admitted: Iterable[Admitted | None], diagnostics: Diagnostics) -> Mapping[str, MembersOfKind]:
    found: dict[str, MembersOfKind] = {}
    for one in admitted:
        if one is None:
            continue
        if problem := found.setdefault(one.mesh, MembersOfKind()).add(one):
            _report_name(one.ref, problem, diagnostics)
        else:
            _report_adjustments(one, diagnostics)
    for members in found.values():
        members.items = tuple(one.item for one in members.by_key.values())
        members.rows = tuple((item,) for item in members.items)
    return found


def _admitted(
    item: Member, diagnostics: Diagnostics, *, meshes: Mapping[str, Mesh], snapshot: Snapshot
) -> Admitted | None:
    ref = typed_ref(item)
    return isolated(
        partial(_member, item, ref, meshes, snapshot, diagnostics),
        otherwise=None,
        ref=ref,
        effect=_NO_EFFECT,
        diagnostics=diagnostics,
    )


def _member(
    item: Member, ref: ObjectRef, meshes: Mapping[str, Mesh], snapshot: Snapshot, diagnostics: Diagnostics
) -> Admitted | None:
    mesh = _mesh_of(item, meshes, snapshot, diagnostics)
    if mesh is None:
        return None
    key, name = item.metadata.key, mesh.metadata.name
    if not isinstance(item, BackendGroup) and (problem := _name_problem(item.aws_name)):
        return Admitted(item, ref, key, name, problem=problem)
    within, adjustments = fitted(item)
    return Admitted(within, ref, key, name, tuple(adjustments))


def _report_adjustments(one: Admitted, diagnostics: Diagnostics) -> None:
    for adjustment in one.adjustments:
        diagnostics.error(
            one.ref,
            "value.out-of-range",
            adjustment.problem,
            effect=f"{adjustment.used} is used instead",
            hint="give a value within the bounds",
            field=adjustment.field,
        )


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
            _report_name(typed_ref(mesh), problem, diagnostics)
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


def _mesh_of(item: Member, meshes: Mapping[str, Mesh], snapshot: Snapshot, diagnostics: Diagnostics) -> Mesh | None:
    reference = item.spec.mesh_ref
    if reference is None:
        return _designated(item, meshes, snapshot, diagnostics)
    mesh = meshes.get(reference.name)
    problem = ""
    if mesh is None:
        problem = f"unable to fetch mesh: {reference.name}"
    elif reference.uid and mesh.metadata.uid and reference.uid != mesh.metadata.uid:
        problem, mesh = f"mesh UID mismatch: {reference.uid}", None
    if problem:
        diagnostics.error(
            typed_ref(item),
            "mesh.unknown",
            problem,
            effect="the object has no effect",
            hint="create the object again, in a namespace that a mesh selects",
            field="spec.meshRef",
        )
    return mesh


def _designated(item: Member, meshes: Mapping[str, Mesh], snapshot: Snapshot, diagnostics: Diagnostics) -> Mesh | None:
    namespace = snapshot.get(Namespace, "", item.metadata.namespace)
    labels = namespace.metadata.labels if namespace else {}
    chosen = choose_mesh(meshes.values(), item.metadata.namespace, labels)
    if isinstance(chosen, Refusal):
        diagnostics.error(
            typed_ref(item),
            "mesh.no-membership",
            chosen.reason,
            effect="the object has no effect",
            hint="give the namespace the labels of exactly one mesh's namespaceSelector",
        )
        return None
    return chosen


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


def _report_name(ref: ObjectRef, problem: str, diagnostics: Diagnostics) -> None:
    diagnostics.error(
        ref,
        "name.unusable",
        problem,
        effect=_NO_EFFECT,
        hint="choose another spec.awsName in a new object (the field cannot be changed)",
        field="spec.awsName",
    )
