"""Kubernetes' limits on the length of an object's parts, which are told even of one that is too large to be stored."""

from collections.abc import Callable, Iterator
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.validation.data import config_map_too_long, secret_too_long
from crossfade_local.apiserver.validation.errors import FieldError
from crossfade_local.apiserver.validation.metadata import annotations_too_long
from crossfade_local.values.fields import mapping

_OF_KINDS: Final[dict[tuple[str, str], Callable[[JsonObject], Iterator[FieldError]]]] = {
    ("", "ConfigMap"): config_map_too_long,
    ("", "Secret"): secret_too_long,
}


def length_errors(kind_key: tuple[str, str, str], obj: JsonObject) -> Iterator[FieldError]:
    """`kind_key` is (group, version, kind)."""
    yield from annotations_too_long(mapping(obj, "metadata", "annotations"), "metadata.annotations")
    if check := _OF_KINDS.get((kind_key[0], kind_key[2])):
        yield from check(obj)
