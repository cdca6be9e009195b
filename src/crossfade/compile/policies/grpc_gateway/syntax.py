"""What a .proto file says, as far as it matters here. Types have full names, without a dot in front."""

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from crossfade.compile.policies.grpc_gateway.tokens import Place

SCALARS: Final = frozenset(
    {
        "double",
        "float",
        "int32",
        "int64",
        "uint32",
        "uint64",
        "sint32",
        "sint64",
        "fixed32",
        "fixed64",
        "sfixed32",
        "sfixed64",
        "bool",
        "string",
        "bytes",
    }
)
KEYS: Final = SCALARS - {"double", "float", "bytes"}
UNPACKED: Final = frozenset({"string", "bytes"})


class Field(Struct, frozen=True):
    """`type` is as written. `key` is that of a map, whose values are of `type`; `is_packed` is what an option says."""

    name: str
    number: int
    type: str
    place: Place
    is_repeated: bool = False
    key: str | None = None
    oneof: str | None = None
    is_optional: bool = False
    is_packed: bool | None = None


class Message(Struct, frozen=True):
    name: str
    place: Place
    fields: tuple[Field, ...]
    is_proto3: bool


class Enum(Struct, frozen=True):
    name: str
    place: Place
    values: tuple[tuple[str, int], ...]


class Method(Struct, frozen=True):
    """`http` are all values of the option google.api.http, in the order in which they are written."""

    name: str
    input: str
    output: str
    place: Place
    http: tuple[Mapping[str, list[Any]], ...] = ()


class Service(Struct, frozen=True):
    """`name` is full."""

    name: str
    methods: tuple[Method, ...]


class Import(Struct, frozen=True):
    path: str
    place: Place


class File(Struct, frozen=True):
    name: str
    package: str
    imports: tuple[Import, ...]
    types: tuple[Message | Enum, ...]
    services: tuple[Service, ...]
