"""The schema of a custom resource version as the rest of the server sees it: with its metadata filled in."""

from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.types.registry import BuiltinTypes
from crossfade_local.apiserver.types.schema import OBJECT_META, JsonSchema, SchemaNode

_REF: Final = {"$ref": f"#/components/schemas/{OBJECT_META}"}


def openapi_schema(version: JsonObject) -> JsonSchema:
    """What the author wrote; an absent schema allows anything."""
    found: JsonSchema | None = (version.get("schema") or {}).get("openAPIV3Schema")
    return found or {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def schema_node(types: BuiltinTypes, version: JsonObject) -> SchemaNode:
    """The schema with `apiVersion`, `kind` and `metadata` as every object has them."""
    raw = openapi_schema(version)
    own = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": _REF}
    return SchemaNode({**raw, "properties": {**(raw.get("properties") or {}), **own}}, types.definitions)
