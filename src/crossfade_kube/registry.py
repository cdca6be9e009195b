"""Turns the JSON of an API server into the frozen structs of `api/`.

Fields that a struct does not name are dropped silently here: schemas report unknown fields, decoding does not.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Protocol, TypeVar

import msgspec

from crossfade_kube.meta import GroupVersionKind, JsonObject, ObjectMeta, ObjectRef, Resource

_SECRET = GroupVersionKind("", "v1", "Secret")
_LINE_BREAKS = str.maketrans("", "", "\r\n")
_PATH_IN_MESSAGE = re.compile(r" - at `(?:key in )?\$(?P<path>.*)`$")


class TypedObject(Protocol):
    """What every kind file in `api/` defines."""

    RESOURCE: ClassVar[Resource]

    @property
    def metadata(self) -> ObjectMeta: ...


T = TypeVar("T", bound=TypedObject)


class DecodeError(Exception):
    """`field` is the JSON path inside the object `ref` (empty: all of it), `problem` what is wrong there."""

    def __init__(self, ref: ObjectRef, field: str, problem: str) -> None:
        super().__init__(f"{ref}, {field}: {problem}" if field else f"{ref}: {problem}")
        self.ref = ref
        self.field = field
        self.problem = problem


def ref_of(obj: JsonObject) -> ObjectRef:
    """Identity of an untyped object, as far as it states one."""
    metadata = obj.get("metadata") or {}
    return ObjectRef(
        obj.get("apiVersion", ""),
        obj.get("kind", ""),
        metadata.get("namespace") or "",
        metadata.get("name") or "",
        metadata.get("uid") or "",
    )


def typed_ref(obj: TypedObject) -> ObjectRef:
    """Identity of a typed object."""
    meta, resource = obj.metadata, obj.RESOURCE
    return ObjectRef(resource.api_version, resource.kind, meta.namespace, meta.name, meta.uid)


def decode(obj: JsonObject, kind: type[T]) -> T:
    """The object as `kind`; raises DecodeError.

    The object is taken to be of that kind: items of a list do not repeat their apiVersion.
    """
    try:
        return msgspec.convert(obj, kind)
    except msgspec.ValidationError:
        # null means "absent" in Kubernetes ("endpoints": null), but it can carry meaning inside free-form
        # values, so nulls are dropped only from objects that cannot be read with them.
        try:
            return msgspec.convert(_with_plain_base64(_without_nulls(obj), kind), kind)
        except msgspec.ValidationError as exc:
            raise _decode_error(obj, kind, exc) from exc


def kinds_by_gvk(kinds: Iterable[type[T]]) -> Mapping[GroupVersionKind, type[T]]:
    """Index for `decode_known`."""
    return {kind.RESOURCE.gvk: kind for kind in kinds}


def decode_known(obj: JsonObject, kinds: Mapping[GroupVersionKind, type[T]]) -> T | None:
    """The object as the struct for its apiVersion and kind; None when no struct is known for them."""
    group, _, version = str(obj.get("apiVersion", "")).rpartition("/")
    kind = kinds.get(GroupVersionKind(group, version, str(obj.get("kind", ""))))
    return None if kind is None else decode(obj, kind)


def _decode_error(obj: JsonObject, kind: type[TypedObject], cause: msgspec.ValidationError) -> DecodeError:
    # msgspec reports the place only inside its message.
    text = str(cause)
    found = _PATH_IN_MESSAGE.search(text)
    field = found["path"].lstrip(".") if found else ""
    problem = text[: found.start()] if found else text
    ref = ref_of(obj)._replace(api_version=kind.RESOURCE.api_version, kind=kind.RESOURCE.kind)
    return DecodeError(ref, field, problem[:1].lower() + problem[1:])


def _with_plain_base64(obj: Any, kind: type[TypedObject]) -> Any:
    """Kubernetes skips line breaks in a Secret's data; whoever writes it with `base64` has them every 76 characters."""
    data = obj.get("data") if isinstance(obj, dict) and kind.RESOURCE.gvk == _SECRET else None
    if not isinstance(data, dict):
        return obj
    joined = {key: value.translate(_LINE_BREAKS) if isinstance(value, str) else value for key, value in data.items()}
    return {**obj, "data": joined}


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value
