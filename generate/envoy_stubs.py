"""Typed views of a descriptor set: one `.pyi` per proto package, for the type checker only."""

import keyword
from collections.abc import Iterable
from pathlib import Path

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)

HEAD = """\
from collections.abc import Iterable, Mapping
from google.protobuf.internal.containers import (
    MessageMap, RepeatedCompositeFieldContainer, RepeatedScalarFieldContainer, ScalarMap,
)
from google.protobuf.message import Message

"""

SCALARS = {
    **dict.fromkeys(("double", "float"), "float"),
    **dict.fromkeys(
        (
            "int64",
            "uint64",
            "int32",
            "uint32",
            "fixed64",
            "fixed32",
            "sfixed32",
            "sfixed64",
            "sint32",
            "sint64",
            "enum",
        ),
        "int",
    ),
    "bool": "bool",
    "string": "str",
    "bytes": "bytes",
}
REPEATED = FieldDescriptorProto.LABEL_REPEATED


def write_stubs(files: Iterable[FileDescriptorProto], folder: Path) -> None:
    """`envoy.config.core.v3` becomes `folder/envoy/config/core/v3.pyi`."""
    packages: dict[str, list[FileDescriptorProto]] = {}
    for file in files:
        packages.setdefault(file.package, []).append(file)
    packages.pop("google.protobuf", None)
    for package, members in packages.items():
        path = folder.joinpath(*package.split(".")).with_suffix(".pyi")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_package_stub(package, members))


def _package_stub(package: str, files: list[FileDescriptorProto]) -> str:
    writer = _Writer(package)
    for file in files:
        for enum in file.enum_type:
            writer.enum(enum, indent=0)
        for message in file.message_type:
            writer.message(message, scope=f".{package}", indent=0)
    imports = "".join(f"from {module} import {name} as {alias}\n" for module, name, alias in sorted(writer.imports))
    return HEAD + imports + "\n" + "\n".join(writer.lines) + "\n"


class _Writer:
    """Collects the lines of one package and the packages it needs."""

    def __init__(self, package: str) -> None:
        self.package = package
        self.lines: list[str] = []
        self.imports: set[tuple[str, str, str]] = set()

    def enum(self, enum: EnumDescriptorProto, *, indent: int) -> None:
        pad = "    " * indent
        self.lines += [f"{pad}{value.name}: int" for value in enum.value]
        self.lines.append(f"{pad}class {enum.name}:")
        self.lines += [f"{pad}    {value.name}: int" for value in enum.value if not keyword.iskeyword(value.name)]
        self.lines += [f"{pad}    @staticmethod", f"{pad}    def Name(number: int) -> str: ..."]
        self.lines += [f"{pad}    @staticmethod", f"{pad}    def Value(name: str) -> int: ..."]

    def message(self, message: DescriptorProto, *, scope: str, indent: int) -> None:
        pad, path = "    " * (indent + 1), f"{scope}.{message.name}"
        self.lines.append(f"{'    ' * indent}class {message.name}(Message):")
        entries = {f"{path}.{nested.name}": nested for nested in message.nested_type if nested.options.map_entry}
        for enum in message.enum_type:
            self.enum(enum, indent=indent + 1)
        for nested in message.nested_type:
            if not nested.options.map_entry:
                self.message(nested, scope=path, indent=indent + 1)
        arguments = []
        for field in message.field:
            if keyword.iskeyword(field.name) or field.name == "self":
                continue
            attribute, argument = self._field_types(field, entries)
            if field.label == REPEATED or field.type == FieldDescriptorProto.TYPE_MESSAGE:
                self.lines += [f"{pad}@property", f"{pad}def {field.name}(self) -> {attribute}: ..."]
            else:
                self.lines.append(f"{pad}{field.name}: {attribute}")
            arguments.append(f"{field.name}: {argument} | None = ...")
        star = ", *, " if arguments else ""
        self.lines.append(f"{pad}def __init__(self{star}{', '.join(arguments)}) -> None: ...")

    def _field_types(self, field: FieldDescriptorProto, entries: dict[str, DescriptorProto]) -> tuple[str, str]:
        """The type of the attribute, and of the constructor's argument."""
        entry = entries.get(field.type_name)
        if entry is not None:
            key, value = (self._value_type(part) for part in entry.field)
            is_message = entry.field[1].type == FieldDescriptorProto.TYPE_MESSAGE
            return f"{'MessageMap' if is_message else 'ScalarMap'}[{key}, {value}]", f"Mapping[{key}, {value}]"
        value = self._value_type(field)
        if field.label != REPEATED:
            return value, value
        is_message = field.type == FieldDescriptorProto.TYPE_MESSAGE
        container = "RepeatedCompositeFieldContainer" if is_message else "RepeatedScalarFieldContainer"
        return f"{container}[{value}]", f"Iterable[{value}]"

    def _value_type(self, field: FieldDescriptorProto) -> str:
        if field.type != FieldDescriptorProto.TYPE_MESSAGE:
            return SCALARS[FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()]
        package, _, name = _split(field.type_name)
        if package == "google.protobuf":
            return self._well_known(name)
        if package == self.package:
            return name
        parent, _, last = package.rpartition(".")
        alias = "_" + package.replace(".", "_")
        self.imports.add((f"crossfade._generated.envoy.stubs.{parent}".rstrip("."), last, alias))
        return f"{alias}.{name}"

    def _well_known(self, name: str) -> str:
        module = WELL_KNOWN[name]
        self.imports.add(("google.protobuf", module, f"_{module}"))
        return f"_{module}.{name}"


WELL_KNOWN = {
    "Any": "any_pb2",
    "Duration": "duration_pb2",
    "Empty": "empty_pb2",
    "Struct": "struct_pb2",
    "Value": "struct_pb2",
    "ListValue": "struct_pb2",
    "Timestamp": "timestamp_pb2",
    **{
        f"{kind}Value": "wrappers_pb2"
        for kind in ("Bool", "Bytes", "Double", "Float", "Int32", "Int64", "String", "UInt32", "UInt64")
    },
}


def _split(type_name: str) -> tuple[str, str, str]:
    """`.envoy.config.core.v3.Outer.Inner` as package, separator, `Outer.Inner`; packages are written in lower case."""
    parts = type_name.lstrip(".").split(".")
    first = next(index for index, part in enumerate(parts) if part[0].isupper())
    return ".".join(parts[:first]), ".", ".".join(parts[first:])
