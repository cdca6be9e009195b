"""One view of a type's schema, used for built-in kinds and custom resources alike.

A `SchemaNode` wraps an OpenAPI schema as Kubernetes writes it (`x-kubernetes-*` extensions included) and follows
references by itself. It only answers questions about shape; validation, defaulting and pruning live elsewhere.
"""

from collections.abc import Iterator, Mapping
from enum import Enum
from functools import cached_property
from typing import Any, Final

from crossfade_local.apiserver.types.go_fields import GoField, go_fields

JsonSchema = dict[str, Any]
PythonTypes = frozenset[type]

_PREFIX: Final = "x-kubernetes-"
_META: Final = "io.k8s.apimachinery.pkg.apis.meta.v1."
OBJECT_META: Final = _META + "ObjectMeta"
LIST_META: Final = _META + "ListMeta"
_INT_OR_STRING: Final = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
_RAW: Final = "io.k8s.apimachinery.pkg.runtime.RawExtension"
_QUANTITY: Final = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_EXTENSIONS: Final = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1."
_OBJECT_FORMS: Final = {
    _EXTENSIONS + "JSONSchemaPropsOrArray": _EXTENSIONS + "JSONSchemaProps",
    _EXTENSIONS + "JSONSchemaPropsOrBool": _EXTENSIONS + "JSONSchemaProps",
}
"""What Go decodes an object to, where another JSON type becomes something else."""
# Go types with a JSON form of their own: any content is allowed inside, and they are replaced as a whole.
_OPAQUE: Final = frozenset(
    {
        _META + "FieldsV1",
        _RAW,
        _EXTENSIONS + "JSON",
        _EXTENSIONS + "JSONSchemaPropsOrStringArray",
        *_OBJECT_FORMS,
    }
)


_FORMATS_LOOKED_AT: Final = frozenset({"byte", "date-time"})
_PLAIN_TYPES: Final[dict[str, PythonTypes]] = {
    "string": frozenset({str}),
    "boolean": frozenset({bool}),
    "number": frozenset({int, float}),
}


class Shape(Enum):
    """How server-side apply owns a value: as a whole, or what is inside it one by one."""

    SCALAR = "scalar"
    ATOMIC = "atomic"
    FIELDS = "fields"
    ITEMS = "items"


class Definitions:
    """Named schemas that refer to each other, with the nodes made for them so far."""

    def __init__(self, schemas: Mapping[str, JsonSchema]) -> None:
        self.schemas: Final = schemas
        self._nodes: dict[str, SchemaNode] = {}

    def __contains__(self, name: object) -> bool:
        return name in self.schemas

    def node(self, name: str) -> "SchemaNode":
        """The node of a named schema; KeyError if there is none."""
        found = self._nodes.get(name)
        if found is None:
            found = self._nodes[name] = SchemaNode(self.schemas[name], self, name=name)
        return found


class SchemaNode:
    """One place in a schema: an object, a list, a map or a scalar. Immutable; children are made on first use."""

    def __init__(self, raw: JsonSchema, definitions: Definitions | None = None, *, name: str = "") -> None:
        self.raw: Final = raw
        self.name: Final = name
        """The definition's name for a named type, else empty."""
        self._definitions: Final = definitions

    def __repr__(self) -> str:
        return f"SchemaNode({self.name or self.type or '?'})"

    # -- children ------------------------------------------------------------------------------------------------

    @cached_property
    def properties(self) -> Mapping[str, "SchemaNode"]:
        return {name: self._make(raw) for name, raw in (self.raw.get("properties") or {}).items()}

    @cached_property
    def go_fields(self) -> Mapping[str, GoField]:
        """What the Go type of a built-in kind tells besides, of some of the properties."""
        return go_fields(self.name)

    @cached_property
    def unset_fields(self) -> tuple[str, ...]:
        """Those that Go writes even where nobody has set them."""
        return tuple(
            name
            for name, field in self.go_fields.items()
            if (field.writes_zero or field.writes_null) and name in self.properties
        )

    @cached_property
    def nodes_with_unset_fields(self) -> tuple[tuple[str, "SchemaNode"], ...]:
        """The properties that have such fields, in themselves or further down."""
        return tuple((name, child) for name, child in self.properties.items() if _reaches_unset_fields(child, set()))

    @cached_property
    def items(self) -> "SchemaNode | None":
        raw = self.raw.get("items")
        return self._make(raw) if isinstance(raw, dict) else None

    @cached_property
    def additional_properties(self) -> "SchemaNode | None":
        """The schema of a map's values; None if this is no map."""
        raw = self.raw.get("additionalProperties")
        if isinstance(raw, dict):
            return self._make(raw)
        return UNKNOWN if raw is True else None

    @cached_property
    def object_form(self) -> "SchemaNode | None":
        """Of a type with several forms: the one that objects have."""
        name = _OBJECT_FORMS.get(self.name)
        return self._definitions.node(name) if name is not None and self._definitions is not None else None

    def child(self, name: str) -> "SchemaNode | None":
        """The node of a field or of a map's value; `UNKNOWN` where anything is allowed, None where nothing is known."""
        found = self.properties.get(name)
        if found is None:
            found = self.additional_properties
        if found is None and self.preserves_unknown:
            return UNKNOWN
        return found

    def _make(self, raw: JsonSchema) -> "SchemaNode":
        target = raw.get("$ref")
        if not isinstance(target, str) and len(raw.get("allOf") or ()) == 1:
            target = raw["allOf"][0].get("$ref")
        if not isinstance(target, str) or self._definitions is None:
            return SchemaNode(raw, self._definitions)
        name = target.rpartition("/")[2]
        node = self._definitions.node(name)
        # What stands beside the reference belongs to the field (description, default, patch and list markers).
        beside = {key: value for key, value in raw.items() if key not in ("$ref", "allOf")}
        if not beside.keys() - {"description"}:
            return node
        return SchemaNode({**node.raw, **beside}, self._definitions, name=name)

    # -- shape ---------------------------------------------------------------------------------------------------

    @cached_property
    def type(self) -> str:
        """`object`, `array`, `string`, `integer`, `number`, `boolean`, or empty where any type is allowed."""
        kind = self.raw.get("type")
        return kind if isinstance(kind, str) else ""

    @cached_property
    def format(self) -> str:
        value = self.raw.get("format")
        return value if isinstance(value, str) else ""

    @cached_property
    def plain_types(self) -> PythonTypes:
        """Python types of which this place takes every value as it is; empty where more has to be looked at."""
        if self.is_quantity or self.is_int_or_string or self.format in _FORMATS_LOOKED_AT:
            return frozenset()
        return _PLAIN_TYPES.get(self.type, frozenset())

    @cached_property
    def required(self) -> frozenset[str]:
        return frozenset(self.raw.get("required") or ())

    @property
    def has_default(self) -> bool:
        return "default" in self.raw

    @property
    def default(self) -> Any:
        return self.raw.get("default")

    @cached_property
    def defaulted(self) -> tuple[tuple[str, "SchemaNode"], ...]:
        """The fields that have a default."""
        return tuple((name, child) for name, child in self.properties.items() if child.has_default)

    @cached_property
    def holds_defaults(self) -> bool:
        """Whether a field has one, here or further down; the metadata of objects has none."""
        if self.name == OBJECT_META:
            return False
        children = [*self.properties.values(), *filter(None, (self.items, self.additional_properties))]
        return bool(self.defaulted) or any(child.holds_defaults for child in children)

    @cached_property
    def is_map(self) -> bool:
        """An object with free keys (labels, matchLabels, data), not a struct."""
        return self.additional_properties is not None and not self.properties

    @cached_property
    def is_int_or_string(self) -> bool:
        return self.name == _INT_OR_STRING or bool(self.raw.get(_PREFIX + "int-or-string"))

    @cached_property
    def is_quantity(self) -> bool:
        return self.name == _QUANTITY

    @cached_property
    def is_any_json(self) -> bool:
        """Whatever the schema says of its type: Go keeps the text."""
        return self.name == _RAW

    @cached_property
    def is_nullable(self) -> bool:
        return bool(self.raw.get("nullable"))

    @cached_property
    def is_embedded_resource(self) -> bool:
        return bool(self.raw.get(_PREFIX + "embedded-resource"))

    @cached_property
    def preserves_unknown(self) -> bool:
        """Fields which the schema doesn't list are kept (never true for a struct of a built-in kind)."""
        return bool(self.raw.get(_PREFIX + "preserve-unknown-fields")) or self.name in _OPAQUE or not self.raw

    # -- merging -------------------------------------------------------------------------------------------------

    @cached_property
    def list_type(self) -> str:
        """`map`, `set` or `atomic`; a list without a marker is atomic."""
        return str(self.raw.get(_PREFIX + "list-type") or "atomic")

    @cached_property
    def map_keys(self) -> tuple[str, ...]:
        """Fields that tell the items of a list of type `map` apart."""
        return tuple(self.raw.get(_PREFIX + "list-map-keys") or ())

    @cached_property
    def is_atomic(self) -> bool:
        """Owned and replaced as one value by server-side apply: scalars, atomic lists, maps and structs."""
        if self.type == "array":
            return self.list_type == "atomic"
        if self.name in _OPAQUE:
            return True
        if self.type == "object" or self.properties or self.additional_properties is not None:
            return self.raw.get(_PREFIX + "map-type") == "atomic"
        # Without a type, content is deduced from the value: maps are then granular (only for custom resources).
        return not self.preserves_unknown

    @cached_property
    def shape(self) -> Shape | None:
        """None where the value decides."""
        if self.is_int_or_string or self.is_quantity:
            return Shape.SCALAR
        if not self.type and not self.properties and self.additional_properties is None:
            return None
        if self.type == "array":
            return Shape.ATOMIC if self.is_atomic else Shape.ITEMS
        if self.type in ("object", ""):
            return Shape.ATOMIC if self.is_atomic else Shape.FIELDS
        return Shape.SCALAR

    @cached_property
    def patch_strategy(self) -> frozenset[str]:
        """Of a strategic merge patch: some of `merge`, `replace`, `retainKeys`; empty means replace for lists."""
        return frozenset(filter(None, str(self.raw.get(_PREFIX + "patch-strategy") or "").split(",")))

    @property
    def merge_key(self) -> str | None:
        """Of a strategic merge patch: the field that tells the items of a merged list apart."""
        value = self.raw.get(_PREFIX + "patch-merge-key")
        return value if isinstance(value, str) else None

    def walk(self, path: tuple[str, ...]) -> "SchemaNode | None":
        """The node at a path of field names; `*` stands for a list's items."""
        node: SchemaNode | None = self
        for name in path:
            if node is None:
                return None
            node = node.items if name == "*" else node.child(name)
        return node

    def fields(self) -> Iterator[tuple[str, "SchemaNode"]]:
        return iter(self.properties.items())


UNKNOWN: Final = SchemaNode({})
"""A place where anything is allowed."""


def _reaches_unset_fields(node: SchemaNode, seen: set[str]) -> bool:
    if node.name in seen:
        return False
    if node.name:
        seen.add(node.name)
    if node.unset_fields:
        return True
    children = (*node.properties.values(), node.items, node.additional_properties)
    return any(_reaches_unset_fields(child, seen) for child in children if child is not None)
