"""Decodes into JSON the binary bodies which kubectl from 1.32 on, and most controllers in Go, post for built-in kinds.

Only decoding: all of them accept JSON answers. The table of field numbers is `wire_fields.txt`; kinds that it lacks are
refused, fields skipped as any protobuf reader would.
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
# What takes about half a second to read.
_MAX_FIELDS: Final = 150_000
_MAX_VARINT_BITS: Final = 70


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
        obj = (
            orjson.loads(raw)
            if content_type == "application/json"
            else _Reader().message(name_of(api_version, kind), raw)
        )
    except RecursionError:
        raise ProtobufError("malformed protobuf body: nested too deeply") from None
    except (IndexError, OverflowError, struct.error, UnicodeDecodeError, ValueError) as error:
        raise ProtobufError(f"malformed protobuf body: {error}") from error
    if not isinstance(obj, dict):
        raise ProtobufError("malformed protobuf body: no object")
    return {"apiVersion": api_version, "kind": kind, **obj}


def name_of(api_version: str, kind: str) -> str:
    """Of a kind's message in the table."""
    group, _, version = api_version.rpartition("/")
    return f"meta.v1.{kind}" if kind.endswith("Options") else f"{group.partition('.')[0] or 'core'}.{version}.{kind}"


@cache
def messages() -> dict[str, str]:
    """Name to fields, as they stand in the table."""
    text = files(__package__).joinpath("wire_fields.txt").read_text(encoding="utf-8")
    return dict(line.split(" = ", 1) for line in text.splitlines() if not line.startswith("#"))


@cache
def _fields_of(message: str) -> dict[int, _Field] | None:
    text = messages().get(message)
    return None if text is None else dict(map(_field, text.split()))


def _field(text: str) -> tuple[int, _Field]:
    number, name, kind = text.split(":", 2)
    return int(number), _Field(name, kind.strip("*!"), kind.startswith("*"), kind.endswith("!"))


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at
        shift += 7
        if shift >= _MAX_VARINT_BITS:
            raise ValueError("integer overflow")


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


class _Reader:
    """Of one body: counts what it reads."""

    def __init__(self) -> None:
        self._count = 0

    def message(self, name: str, data: bytes | memoryview) -> JsonObject:
        table = _fields_of(name)
        if table is None:
            raise ProtobufError(f"the kind {name} is not known in protobuf form; send JSON")
        result: JsonObject = {}
        for number, raw in self._parts(data):
            if (field := table.get(number)) is not None:
                self._put(result, field, raw)
        return result

    def _parts(self, data: bytes | memoryview) -> Iterator[tuple[int, Any]]:
        for part in _fields(memoryview(data)):
            self._count += 1
            if self._count > _MAX_FIELDS:
                raise ValueError(f"more than {_MAX_FIELDS} fields")
            yield part

    def _put(self, result: JsonObject, field: _Field, raw: Any) -> None:
        if field.type.startswith("{"):
            key, value = "", self._value(field.type[1:-1], b"")
            for number, part in self._parts(raw):
                key, value = (_text(part), value) if number == 1 else (key, self._value(field.type[1:-1], part))
            result.setdefault(field.name, {})[key] = value
            return
        value = self._value(field.type, raw)
        if field.repeated:
            result.setdefault(field.name, []).append(value)
        elif not field.name:
            result.update(value)
        elif value is not None and (field.keeps_zero or value not in ("", 0) or isinstance(value, dict | list)):
            result[field.name] = value

    def _value(self, kind: str, raw: Any) -> Any:
        reader = _READERS.get(kind)
        if reader is not None:
            return reader(raw)
        if kind.startswith("="):
            return self.message(kind[1:], raw).get("", [])
        if kind.startswith("or_"):
            choice, _, schema = kind.partition(":")
            return self._either(choice, schema, raw)
        return self.message(kind, raw)

    def _either(self, kind: str, schema: str, raw: Any) -> Any:
        """The types that stand for a schema or for something else (k8s.io/apiextensions-apiserver, marshal.go)."""
        one, others, allowed = None, [], False
        for number, part in self._parts(raw):
            if number == (2 if kind == "or_bool" else 1) and not isinstance(part, int):
                one = self.message(schema, part)
            elif kind == "or_bool":
                allowed = bool(part)
            else:
                others.append(_text(part) if kind == "or_strings" else self.message(schema, part))
        if kind == "or_bool":
            return allowed if one is None else one
        return others or one


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


def _duration(raw: Any) -> str:
    """As Go prints it, in seconds."""
    nanos = _integer(dict(_fields(memoryview(raw))).get(1, 0))
    return f"{nanos // 1_000_000_000}s" if nanos % 1_000_000_000 == 0 else f"{nanos / 1_000_000_000!r}s"


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
    "duration": _duration,
    "intstr": _int_or_string,
    "quantity": _first_text,
    "raw": _first_json,
    "json": _first_json,
    "fields": _first_json,
}
