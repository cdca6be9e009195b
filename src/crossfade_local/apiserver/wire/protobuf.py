"""Decodes the binary bodies which kubectl 1.32 and later posts for built-in kinds into their JSON form.

Only decoding: kubectl accepts JSON answers. The table of field numbers is `wire_fields.txt`; kinds and fields that it
lacks are refused or skipped as any protobuf reader would.
"""

import base64
import struct
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any, Final, NamedTuple

import orjson

from crossfade_kube.meta import JsonObject

MEDIA_TYPE: Final = "application/vnd.kubernetes.protobuf"
_MAGIC: Final = b"k8s\x00"


class ProtobufError(Exception):
    """The body is no Kubernetes protobuf, or its kind is unknown here."""


class _Field(NamedTuple):
    name: str
    type: str
    repeated: bool
    keeps_zero: bool


def decode(body: bytes) -> JsonObject:
    """The object of a `k8s\\0` envelope, apiVersion and kind included; raises ProtobufError."""
    if not body.startswith(_MAGIC):
        raise ProtobufError("provided data does not appear to be a protobuf message")
    api_version = kind = content_type = ""
    raw = b""
    try:
        for number, value in _fields(memoryview(body)[len(_MAGIC) :]):
            if number == 1:
                for inner, text in _fields(value):
                    api_version, kind = (_text(text), kind) if inner == 1 else (api_version, _text(text))
            elif number == 2:
                raw = bytes(value)
            elif number == 4:
                content_type = _text(value)
        obj = orjson.loads(raw) if content_type == "application/json" else _message(_name(api_version, kind), raw)
    except (IndexError, struct.error, UnicodeDecodeError, ValueError) as error:
        raise ProtobufError(f"malformed protobuf body: {error}") from error
    return {"apiVersion": api_version, "kind": kind, **obj}


def _name(api_version: str, kind: str) -> str:
    group, _, version = api_version.rpartition("/")
    return f"meta.v1.{kind}" if kind.endswith("Options") else f"{group.partition('.')[0] or 'core'}.{version}.{kind}"


@cache
def _table() -> dict[str, dict[int, _Field]]:
    text = files(__package__).joinpath("wire_fields.txt").read_text()
    messages = (line.split(" = ") for line in text.splitlines() if not line.startswith("#"))
    return {name: dict(map(_field, fields.split())) for name, fields in messages}


def _field(text: str) -> tuple[int, _Field]:
    number, name, kind = text.split(":")
    return int(number), _Field(name, kind.strip("*!"), kind.startswith("*"), kind.endswith("!"))


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _fields(data: memoryview) -> Iterator[tuple[int, Any]]:
    """Number and raw value of each field: int for varints, bytes otherwise."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield number, value
            continue
        if wire == 2:
            size, at = _varint(data, at)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise ValueError(f"wire type {wire}")
        if at + size > len(data):
            raise ValueError("truncated")
        yield number, data[at : at + size]
        at += size


def _message(name: str, data: bytes | memoryview) -> JsonObject:
    table = _table().get(name)
    if table is None:
        raise ProtobufError(f"the kind {name} is not known in protobuf form; send JSON")
    result: JsonObject = {}
    for number, raw in _fields(memoryview(data)):
        field = table.get(number)
        if field is not None:
            _put(result, field, raw)
    return result


def _put(result: JsonObject, field: _Field, raw: Any) -> None:
    if field.type.startswith("{"):
        key, value = "", _value(field.type[1:-1], b"")
        for number, part in _fields(raw):
            key, value = (_text(part), value) if number == 1 else (key, _value(field.type[1:-1], part))
        result.setdefault(field.name, {})[key] = value
        return
    value = _value(field.type, raw)
    if field.repeated:
        result.setdefault(field.name, []).append(value)
    elif not field.name:
        result.update(value)
    elif value is not None and (field.keeps_zero or value not in ("", 0) or isinstance(value, dict | list)):
        result[field.name] = value


def _value(kind: str, raw: Any) -> Any:
    reader = _READERS.get(kind)
    if reader is not None:
        return reader(raw)
    if kind.startswith("="):
        return _message(kind[1:], raw).get("", [])
    return _message(kind, raw)


def _text(raw: Any) -> str:
    return bytes(raw).decode()


def _integer(raw: Any) -> int:
    if not isinstance(raw, int):
        return 0
    return raw - (1 << 64) if raw >= 1 << 63 else raw


def _time(raw: Any) -> str | None:
    parts = dict(_fields(memoryview(raw)))
    if not parts:
        return None
    moment = datetime.fromtimestamp(_integer(parts.get(1, 0)), UTC).strftime("%Y-%m-%dT%H:%M:%S")
    nanos = parts.get(2, 0)
    return f"{moment}.{nanos // 1000:06d}Z" if nanos else f"{moment}Z"


def _int_or_string(raw: Any) -> int | str:
    parts = dict(_fields(memoryview(raw)))
    return _text(parts.get(3, b"")) if parts.get(1) == 1 else _integer(parts.get(2, 0))


def _first_text(raw: Any) -> str:
    return _text(dict(_fields(memoryview(raw))).get(1, b""))


def _first_json(raw: Any) -> Any:
    content = bytes(dict(_fields(memoryview(raw))).get(1, b""))
    return orjson.loads(content) if content else None


_READERS: Final[dict[str, Callable[[Any], Any]]] = {
    "s": _text,
    "b": lambda raw: base64.b64encode(bytes(raw)).decode(),
    "i": _integer,
    "o": bool,
    "d": lambda raw: struct.unpack("<d", raw)[0],
    "time": _time,
    "intstr": _int_or_string,
    "quantity": _first_text,
    "raw": _first_json,
    "fields": _first_json,
}
