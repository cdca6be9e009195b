"""The containers which an empty object of a built-in kind already has.

Kubernetes compares a created object with the zero value of its Go type: structs held by value are there from the
start, so creating the object doesn't count as adding them.
"""

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.types.schema import SchemaNode
from crossfade_local.apiserver.types.zero_values import with_zero_values


def zero_object(obj: JsonObject, schema: SchemaNode) -> JsonObject:
    """The empty object of the same kind."""
    return with_zero_values(schema, {**{key: obj[key] for key in ("apiVersion", "kind") if key in obj}, "metadata": {}})
