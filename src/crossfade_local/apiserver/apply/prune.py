"""Removing what an applier once applied and no longer does."""

from typing import Any

from crossfade_local.apiserver.apply.field_set import FieldSet
from crossfade_local.apiserver.apply.typed import field_set, remove, with_named_fields
from crossfade_local.apiserver.types.schema import SchemaNode


def prune(schema: SchemaNode, merged: Any, *, last: FieldSet, owned: FieldSet) -> Any:
    """`last`: what the applier set last time; `owned`: what anyone manages now, including its new configuration.

    Fields that nobody manages, or that the applier never applied, stay.
    """
    if not last:
        return merged
    pruned = remove(schema, merged, with_named_fields(schema, last))
    everything = _named(schema, merged)
    gone = everything - (_named(schema, pruned) | with_named_fields(schema, owned))
    pruned = remove(schema, merged, gone)
    gone = (everything - _named(schema, pruned)) & with_named_fields(schema, last)
    return remove(schema, merged, gone)


def _named(schema: SchemaNode, value: Any) -> FieldSet:
    return with_named_fields(schema, field_set(schema, value))
