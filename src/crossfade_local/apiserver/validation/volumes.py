"""Validation of a pod's volumes."""

from collections.abc import Callable, Iterator
from typing import Any, Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.validation import names
from crossfade_local.apiserver.validation.errors import (
    FieldError,
    duplicate,
    each,
    forbidden,
    invalid,
    not_supported,
    required,
)
from crossfade_local.values.fields import objects, text

_HOST_PATH_TYPES: Final = (
    "",
    "BlockDevice",
    "CharDevice",
    "Directory",
    "DirectoryOrCreate",
    "File",
    "FileOrCreate",
    "Socket",
)
_MODE: Final = "must be a number between 0 and 0777 (octal), both inclusive"


def validate_volumes(field: str, volumes: list[JsonObject]) -> tuple[set[str], list[FieldError]]:
    """The names of the good volumes (others can't be mounted), and what is wrong with the rest."""
    good: set[str] = set()
    errors: list[FieldError] = []
    for index, volume in enumerate(volumes):
        found = list(_validate_volume(f"{field}[{index}]", volume, good))
        errors += found
        if not found:
            good.add(text(volume, "name"))
    return good, errors


def _validate_volume(field: str, volume: JsonObject, taken: set[str]) -> Iterator[FieldError]:
    yield from _validate_source(field, volume)
    name = text(volume, "name")
    if not name:
        yield required(f"{field}.name")
    else:
        yield from each(f"{field}.name", name, names.dns_label(name))
    if name in taken:
        yield duplicate(f"{field}.name", name)


def _validate_source(field: str, volume: JsonObject) -> Iterator[FieldError]:
    sources = [name for name in _SOURCES if isinstance(volume.get(name), dict)]
    others = [name for name, value in volume.items() if name not in _SOURCES and name != "name" and value is not None]
    if not sources and not others:
        yield required(field, "must specify a volume type")
    for position, name in enumerate(sources + others):
        if position:
            yield forbidden(f"{field}.{name}", "may not specify more than 1 volume type")
        elif name in _SOURCES:
            yield from _SOURCES[name](f"{field}.{name}", volume[name])


def _host_path(field: str, source: JsonObject) -> Iterator[FieldError]:
    path = text(source, "path")
    if not path:
        yield required(f"{field}.path")
        return
    if ".." in path.split("/"):
        yield invalid(f"{field}.path", path, "must not contain '..'")
    if text(source, "type") not in _HOST_PATH_TYPES:
        yield not_supported(f"{field}.type", text(source, "type"), _HOST_PATH_TYPES)


def _needs(name: str) -> Callable[[str, JsonObject], Iterator[FieldError]]:
    def check(field: str, source: JsonObject) -> Iterator[FieldError]:
        if not text(source, name):
            yield required(f"{field}.{name}")
        yield from _files(field, source)

    return check


def _files(field: str, source: JsonObject) -> Iterator[FieldError]:
    yield from _mode(f"{field}.defaultMode", source.get("defaultMode"))
    for index, item in enumerate(objects(source, "items")):
        place = f"{field}.items[{index}]"
        if "fieldRef" not in item and "resourceFieldRef" not in item and not text(item, "key"):
            yield required(f"{place}.key")
        if not text(item, "path"):
            yield required(f"{place}.path")
        else:
            yield from relative_path(f"{place}.path", text(item, "path"))
        yield from _mode(f"{place}.mode", item.get("mode"))


def _mode(field: str, mode: Any) -> Iterator[FieldError]:
    if isinstance(mode, int) and not 0 <= mode <= 0o777:
        yield invalid(field, mode, _MODE)


def _projected(field: str, source: JsonObject) -> Iterator[FieldError]:
    yield from _mode(f"{field}.defaultMode", source.get("defaultMode"))
    for index, part in enumerate(objects(source, "sources")):
        place = f"{field}.sources[{index}]"
        if not part:
            yield required(place, "must specify at least one of the projected volume sources")
        for name in ("secret", "configMap"):
            if isinstance(part.get(name), dict):
                if not text(part, name, "name"):
                    yield required(f"{place}.{name}.name")
                yield from _files(f"{place}.{name}", part[name])
        token = part.get("serviceAccountToken")
        if isinstance(token, dict):
            yield from _token(f"{place}.serviceAccountToken", token)


def _token(field: str, token: JsonObject) -> Iterator[FieldError]:
    seconds = token.get("expirationSeconds")
    if isinstance(seconds, int) and seconds < 600:
        yield invalid(f"{field}.expirationSeconds", seconds, "may not specify a duration less than 10 minutes")
    if isinstance(seconds, int) and seconds > 1 << 32:
        yield invalid(f"{field}.expirationSeconds", seconds, "may not specify a duration larger than 2^32 seconds")
    if not text(token, "path"):
        yield required(f"{field}.path")


def relative_path(field: str, path: str) -> Iterator[FieldError]:
    """A path inside a volume."""
    if path.startswith("/"):
        yield invalid(field, path, "must be a relative path")
    if ".." in path.split("/"):
        yield invalid(field, path, "must not contain '..'")


def _anything(_field: str, _source: JsonObject) -> Iterator[FieldError]:
    return iter(())


_SOURCES: Final[dict[str, Callable[[str, JsonObject], Iterator[FieldError]]]] = {
    "emptyDir": _anything,
    "hostPath": _host_path,
    "secret": _needs("secretName"),
    "persistentVolumeClaim": _needs("claimName"),
    "downwardAPI": _files,
    "configMap": _needs("name"),
    "projected": _projected,
    "csi": _needs("driver"),
}
