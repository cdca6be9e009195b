"""The values of a chart: their defaults, their JSON Schema, what is refused and what has no effect."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from msgspec import Struct

from crossfade.install.template.evaluate import Context, evaluate
from crossfade.install.template.nodes import Unlisted
from crossfade_kube.meta import JsonObject

Schema = JsonObject
BOOLEAN: Final[Schema] = {"type": "boolean"}
TEXT: Final[Schema] = {"type": "string"}
NAME: Final[Schema] = {"type": "string", "minLength": 1}
PORT: Final[Schema] = {"type": "integer", "minimum": 1, "maximum": 65535}
OBJECT: Final[Schema] = {"type": "object"}
LIST: Final[Schema] = {"type": "array"}
TEXTS: Final[Schema] = {"type": "array", "items": TEXT}
_LABELS_TEXT: Final[Schema] = {"type": "object", "additionalProperties": TEXT}
ANNOTATIONS: Final = _LABELS_TEXT
RESTRICTED: Final[JsonObject] = {
    "runAsUser": 1000,
    "runAsNonRoot": True,
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
"""What Pod Security `restricted` asks of a container, and no more than our programs need."""


class ValueSpec(Struct, frozen=True):
    """`path` with dots; `about` is a sentence for values.yaml and the reference."""

    path: str
    default: Any
    schema: Schema
    about: str


class Remark(Struct, frozen=True):
    """What is said where `condition` holds: `path` begins the message, `reason` says why and what to do."""

    path: str
    reason: str
    condition: Any = None

    @property
    def applies(self) -> Any:
        return Unlisted(self.path) if self.condition is None else self.condition

    @property
    def message(self) -> str:
        return f"{self.path}: {self.reason}"


class ValueTable(Struct, frozen=True):
    """`refused` ends an installation; `idle` values are taken and have no effect."""

    specs: tuple[ValueSpec, ...]
    refused: tuple[Remark, ...] = ()
    idle: tuple[Remark, ...] = ()

    def defaults(self) -> JsonObject:
        found: JsonObject = {}
        for spec in self.specs:
            *way, last = spec.path.split(".")
            level = found
            for name in way:
                level = level.setdefault(name, {})
            level[last] = spec.default
        return found

    def spec(self, path: str) -> ValueSpec:
        """Raises KeyError."""
        return {one.path: one for one in self.specs}[path]

    def schema(self) -> Schema:
        """Of the whole file; what is refused or idle may be there, the chart says why it should not."""
        root = _closed()
        for spec in self.specs:
            level, last = _way(root, spec.path, is_open=False)
            level["properties"][last] = {"description": spec.about, **spec.schema}
            if spec.default is not None:
                level["required"].append(last)
        for remark in (*self.refused, *self.idle):
            level, last = _way(root, remark.path, is_open=True)
            level["properties"].setdefault(last, {"description": remark.reason})
        # Helm hands it to every chart.
        root["properties"]["global"] = OBJECT
        return {"$schema": "http://json-schema.org/draft-07/schema#", **root}

    def complete(self, given: JsonObject) -> JsonObject:
        """With the defaults. Raises ValueError for what the schema forbids, all of it in one message."""
        values = merged(self.defaults(), given)
        # Controllers import this module too, and never validate.
        import jsonschema_rs

        validator = jsonschema_rs.validator_for(self.schema())
        errors = [
            f"{'.'.join(map(str, error.instance_path)) or 'values'}: {error.message}"
            for error in validator.iter_errors(values)
        ]
        if errors:
            raise ValueError("\n".join(errors))
        return values


def optional(schema: Schema) -> Schema:
    """For a value that has no default."""
    return {**schema, "type": [schema["type"], "null"]}


class RefusedValuesError(ValueError):
    """Values that do not exist here."""


def refuse(table: ValueTable, context: Context) -> None:
    """Raises RefusedValuesError naming all that is refused."""
    refused = said(table.refused, context)
    if refused:
        raise RefusedValuesError("\n".join(refused))


def said(remarks: Iterable[Remark], context: Context) -> list[str]:
    return [remark.message for remark in remarks if evaluate(remark.applies, context)]


def overlaid(first: JsonObject, second: JsonObject) -> JsonObject:
    """Objects are merged, all else of `second` counts, null too."""
    found = dict(first)
    for name, value in second.items():
        below = first.get(name)
        found[name] = overlaid(below, value) if isinstance(value, dict) and isinstance(below, dict) else value
    return found


def merged(defaults: JsonObject, given: JsonObject) -> JsonObject:
    """As Helm does: objects are merged, all else is replaced, and null takes a default away."""
    found = dict(defaults)
    for name, value in given.items():
        if isinstance(value, dict) and isinstance(defaults.get(name), dict):
            found[name] = merged(defaults[name], value)
        elif value is None and name in defaults:
            del found[name]
        else:
            found[name] = value
    return found


def named(prefix: str, *specs: tuple[str, Any, Schema, str]) -> tuple[ValueSpec, ...]:
    """Path, default, schema and what it is about; all paths begin with `prefix`."""
    return tuple(ValueSpec(f"{prefix}{path}", default, schema, about) for path, default, schema, about in specs)


def probe(path: str, port: int | str, **changed: int) -> JsonObject:
    timing = {"periodSeconds": 1, "timeoutSeconds": 5, "failureThreshold": 3, **changed}
    return {"httpGet": {"path": path, "port": port}, **timing}


def choice(*allowed: str) -> Schema:
    return {"type": "string", "enum": list(allowed)}


def integer(minimum: int, maximum: int | None = None) -> Schema:
    return {"type": "integer", "minimum": minimum, **({} if maximum is None else {"maximum": maximum})}


def labels(but: Sequence[str] = ()) -> Schema:
    """Labels of one's own, which may not be those that the chart selects by."""
    return {**_LABELS_TEXT, "propertyNames": {"not": {"enum": list(but)}}} if but else _LABELS_TEXT


def variables() -> Schema:
    """Names that an environment can have; an object says where the value comes from."""
    return {
        "type": "object",
        "propertyNames": {"pattern": "^[A-Za-z_][A-Za-z0-9_]*$"},
        "additionalProperties": {
            "anyOf": [
                {"type": ["string", "number", "boolean"]},
                {
                    "type": "object",
                    "required": ["valueFrom"],
                    "properties": {"valueFrom": OBJECT},
                    "additionalProperties": False,
                },
            ]
        },
    }


def _closed() -> Schema:
    return {"type": "object", "additionalProperties": False, "required": [], "properties": {}}


def _way(root: Schema, path: str, *, is_open: bool) -> tuple[Schema, str]:
    """The object that the last name of `path` is in. `is_open`: objects on the way that have no value may have any."""
    *way, last = path.split(".")
    level = root
    for name in way:
        made = {"type": "object", "properties": {}} if is_open else _closed()
        level = level["properties"].setdefault(name, made)
        level.setdefault("properties", {})
    return level, last
