"""Turns what handlers give back into bytes, in the form that the client accepts."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import orjson

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.aside import slices
from crossfade_local.apiserver.types.registry import ResourceType
from crossfade_local.apiserver.wire.negotiation import YAML, Form, partial

if TYPE_CHECKING:
    from crossfade_local.apiserver.api import Api
    from crossfade_local.apiserver.printers import Table
    from crossfade_local.apiserver.wire.answers import ListAnswer, ObjectAnswer

_DEAREST_COLUMN: Final = 64
"""Looks at an object, of a custom resource's author who wants many."""
_SCALE: Final = ("autoscaling", "v1", "Scale")
"""The one kind that is shown in tables without a resource of its own."""


def encode(value: Any, form: Form) -> bytes:
    if form.encoding == YAML:
        from crossfade_local.apiserver.wire import yaml_text

        return yaml_text.write(value)
    options = orjson.OPT_APPEND_NEWLINE | (orjson.OPT_INDENT_2 if form.pretty else 0)
    return orjson.dumps(value, option=options)


def show_object(api: "Api", answer: "ObjectAnswer", form: Form, *, include: str) -> JsonObject:
    """An object as itself, as its metadata, or as a table of one row."""
    kind = answer.object.get("kind")
    if not form.convert or kind == "Status" or (answer.resource is None and kind != _SCALE[2]):
        return answer.object
    if form.convert == "Table":
        return table_answer(api, answer.resource, answer.object, form, include=include)
    return partial(answer.object, form.version)


async def list_body(api: "Api", answer: "ListAnswer", form: Form, *, include: str) -> bytes:
    """A list's bytes: made in slices, so that others are answered meanwhile, where the form allows that."""
    head, name, show, looks = _list_parts(api, answer, form, include=include)
    if form.encoding == YAML or form.pretty:
        return encode({**head, name: show(answer.items)}, form)
    parts = [orjson.dumps(show(items))[1:-1] async for items in slices(answer.items, looks)]
    return b"%s,%s:[%s]}\n" % (orjson.dumps(head)[:-1], orjson.dumps(name), b",".join(parts))


_Show = Callable[[Sequence[JsonObject]], list[JsonObject]]


def _list_parts(api: "Api", answer: "ListAnswer", form: Form, *, include: str) -> tuple[JsonObject, str, _Show, int]:
    """What a list has besides its items, their name, how they are shown, and how much there is to look at in each."""
    resource = answer.resource
    if form.convert == "Table":
        table = _table(api, resource)
        head = {**_table_head(table, form), "metadata": answer.metadata}
        looks = _DEAREST_COLUMN + len(resource.custom.columns) if resource.custom else 0
        return head, "rows", lambda items: _rows(table, resource, items, form, include=include), looks
    if form.convert:
        head = {"kind": "PartialObjectMetadataList", "apiVersion": f"meta.k8s.io/{form.version}"}
        return (
            {**head, "metadata": answer.metadata},
            "items",
            lambda items: [partial(i, form.version) for i in items],
            0,
        )
    head = {"kind": resource.list_kind, "apiVersion": resource.api_version, "metadata": answer.metadata}
    return head, "items", _bare if resource.custom is None else list, 0


def _bare(items: Sequence[JsonObject]) -> list[JsonObject]:
    """Items of a built-in list carry no kind and version of their own."""
    return [{key: value for key, value in item.items() if key not in ("kind", "apiVersion")} for item in items]


def table_answer(api: "Api", resource: ResourceType | None, obj: JsonObject, form: Form, *, include: str) -> JsonObject:
    """A `Table` of one object in served form, of a Scale if there is no resource.

    `include` is None, Metadata or Object, as in the query.
    """
    table = _table(api, resource)
    metadata = {"resourceVersion": obj.get("metadata", {}).get("resourceVersion", "")}
    rows = _rows(table, resource, [obj], form, include=include)
    return {**_table_head(table, form), "metadata": metadata, "rows": rows}


def _table(api: "Api", resource: ResourceType | None) -> "Table":
    from crossfade_local.apiserver.printers import Table

    if resource is None:
        return Table(_SCALE, api.clock())
    return Table(resource.gvk if resource.custom is None else resource.custom.columns, api.clock())


def _table_head(table: "Table", form: Form) -> JsonObject:
    return {"kind": "Table", "apiVersion": f"meta.k8s.io/{form.version}", "columnDefinitions": table.columns()}


def _head(resource: ResourceType) -> JsonObject:
    return {"kind": resource.kind, "apiVersion": resource.api_version}


def _rows(
    table: "Table", resource: ResourceType | None, items: Sequence[JsonObject], form: Form, *, include: str
) -> list[JsonObject]:
    rows = []
    for row, item in zip(table.rows(items), items, strict=True):
        shown = dict(row)
        if include == "Object":
            shown["object"] = item if resource is None else {**_head(resource), **item}
        else:
            shown["object"] = partial(item, form.version) if include == "Metadata" else None
        rows.append(shown)
    return rows
