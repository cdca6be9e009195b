"""Methods with the option google.api.http → what the policy module transcodes by (kong.md §5.22)."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from crossfade.compile.policies.grpc_gateway.linking import FoundFile, Linked, linked
from crossfade.compile.policies.grpc_gateway.syntax import SCALARS, UNPACKED, Enum, Field, Message, Method
from crossfade.compile.policies.grpc_gateway.tokens import Place
from crossfade_kube.meta import JsonObject

HTTP_METHODS: Final = ("get", "post", "put", "patch", "delete")
_UNHEEDED: Final = ("custom", "response_body")
_VARIABLE: Final = re.compile(r"\{([^{}=]*)(?:=([^{}]*))?\}")
_FIELD_PATH: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")
_WILDCARD: Final = re.compile(r"\*\*|\*")
_MOST_BINDINGS: Final = 2_000


class Transcoding(NamedTuple):
    """The policy module's configuration, and what of the files has no effect."""

    config: JsonObject
    warnings: tuple[str, ...]


def transcoding(path: str, find: Callable[[str], FoundFile | None]) -> Transcoding:
    """Raises ProtoError."""
    return _Tables(linked(path, find)).transcoding(path)


class _Tables:
    def __init__(self, files: Linked) -> None:
        self._files = files
        self._messages: dict[str, int] = {}
        self._enums: dict[str, int] = {}
        self._enum_values: list[tuple[tuple[str, int], ...]] = []
        self._pending: list[Message] = []
        self._warnings: dict[str, None] = {}

    def transcoding(self, path: str) -> Transcoding:
        bindings = [binding for each in self._methods() for binding in self._bindings(*each)]
        if len(bindings) > _MOST_BINDINGS:
            place = Place(self._files.files[-1].name, 0)
            raise place.error(f"there are {len(bindings)} ways to call methods by HTTP, more than {_MOST_BINDINGS}")
        if not bindings:
            self._warn(f"no method of {path} has the option google.api.http: every request but OPTIONS is answered 400")
        # More become known while they are walked.
        messages = [self._message(message) for message in self._pending]
        enums = [list(map(list, values)) for values in self._enum_values]
        config = {"bindings": bindings, "messages": messages, "enums": enums}
        return Transcoding(config, tuple(self._warnings))

    def _methods(self) -> Iterator[tuple[str, str, Method]]:
        """With the package and the full name of the service."""
        for file in self._files.files:
            for service in file.services:
                for method in service.methods:
                    yield file.package, service.name, method

    def _bindings(self, package: str, service: str, method: Method) -> Iterator[JsonObject]:
        for rule in _rules(method):
            for name in _UNHEEDED:
                if name in rule:
                    self._warn(f"{method.place.file}:{method.place.line}: {name} of {method.name} has no effect")
            for http_method in HTTP_METHODS:
                if http_method not in rule:
                    continue
                template = _text(rule[http_method][-1], method)
                regex, variables = _regex(template, method.place)
                body = _text(rule["body"][-1], method) if "body" in rule else ""
                yield {
                    "method": http_method,
                    "regex": regex,
                    "variables": variables,
                    "path": f"/{service}/{method.name}",
                    "input": self._place_of(method.input, package, method),
                    "output": self._place_of(method.output, package, method),
                    **({"body": body} if body else {}),
                }

    def _place_of(self, name: str, package: str, method: Method) -> int:
        found = self._files.resolved(name, package, method.place)
        if isinstance(found, Enum):
            raise method.place.error(f"{name} is an enum; a method takes and returns messages")
        return self._numbered(found)

    def _numbered(self, message: Message) -> int:
        if message.name not in self._messages:
            self._messages[message.name] = len(self._messages)
            self._pending.append(message)
        return self._messages[message.name]

    def _message(self, message: Message) -> JsonObject:
        fields = [self._field(field, message) for field in message.fields]
        return {"name": message.name, "defaults": message.is_proto3, "fields": fields}

    def _field(self, field: Field, message: Message) -> JsonObject:
        of = self._type(field, message)
        may_be_packed = field.type not in UNPACKED and "message" not in of
        is_packed = message.is_proto3 if field.is_packed is None else field.is_packed
        shape: JsonObject = {}
        if field.key is not None:
            shape = {"key": field.key}
        elif field.is_repeated:
            shape = {"repeated": True, "packed": is_packed and may_be_packed}
        if field.oneof is not None:
            shape["oneof"] = field.oneof
        if field.is_optional and message.is_proto3:
            shape["explicit"] = True
        return {"name": field.name, "number": field.number, **of, **shape}

    def _type(self, field: Field, message: Message) -> JsonObject:
        if field.type in SCALARS:
            return {"scalar": field.type}
        found = self._files.resolved(field.type, message.name, field.place)
        if isinstance(found, Enum):
            if found.name not in self._enums:
                self._enums[found.name] = len(self._enums)
                self._enum_values.append(found.values)
            return {"enum": self._enums[found.name]}
        return {"message": self._numbered(found)}

    def _warn(self, text: str) -> None:
        self._warnings[text] = None


def _rules(method: Method) -> Iterator[Mapping[str, list[Any]]]:
    """Options of their own for parts of a rule make one; each additional binding is one more."""
    if not method.http:
        return
    rule: dict[str, list[Any]] = {}
    for part in method.http:
        for name, values in part.items():
            rule.setdefault(name, []).extend(values)
    yield rule
    for additional in rule.get("additional_bindings", ()):
        if not isinstance(additional, dict):
            raise method.place.error(f"an additional binding of {method.name} is no message")
        yield additional


def _text(value: Any, method: Method) -> str:
    if not isinstance(value, str):
        raise method.place.error(f"the option google.api.http of {method.name} has something else where a text belongs")
    return value


def _regex(template: str, place: Place) -> tuple[str, list[str]]:
    """Of a path's template, and the fields that its groups stand for."""
    parts: list[str] = []
    variables: list[str] = []
    at = 0
    for found in _VARIABLE.finditer(template):
        if _FIELD_PATH.fullmatch(found.group(1)) is None:
            raise place.error(f"{found.group()} in the path {template} names no field")
        parts += [_segments(template[at : found.start()]), f"({_segments(found.group(2) or '*')})"]
        variables.append(found.group(1))
        at = found.end()
    parts.append(_segments(template[at:]))
    literal = _VARIABLE.sub("", template)
    if "{" in literal or "}" in literal:
        raise place.error(f"the path {template} has a brace too many")
    return "".join(parts), variables


def _segments(text: str) -> str:
    parts: list[str] = []
    at = 0
    for found in _WILDCARD.finditer(text):
        parts += [_escaped(text[at : found.start()]), ".+" if found.group() == "**" else "[^/]+"]
        at = found.end()
    return "".join([*parts, _escaped(text[at:])])


def _escaped(text: str) -> str:
    """Rust's regexes refuse a backslash before what needs none."""
    return re.sub(r"[\\.+*?()|\[\]{}^$#&~-]", r"\\\g<0>", text)
