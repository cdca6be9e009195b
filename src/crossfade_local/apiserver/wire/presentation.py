"""Turns what handlers give back into bytes, in the form that the client accepts."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import orjson

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.aside import slices
from crossfade_local.apiserver.types.registry import ResourceType
from crossfade_local.apiserver.wire.negotiation import YAML, Form, partial

if TYPE_CHECKING:
    from crossfade_local.apiserver.api import Api
    from crossfade_local.apiserver.wire.answers import ListAnswer, ObjectAnswer


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
        shown = table_answer(api, answer.resource, [answer.object], form, include=include)
        shown["metadata"] = {"resourceVersion": answer.object.get("metadata", {}).get("resourceVersion", "")}
        return shown
    return partial(answer.object, form.version)


def show_list(api: "Api", answer: "ListAnswer", form: Form, *, include: str) -> JsonObject:
    resource = answer.resource
    if form.convert == "Table":
        return table_answer(api, resource, answer.items, form, include=include) | {"metadata": answer.metadata}
    if form.convert:
        items = [partial(item, form.version) for item in answer.items]
        head = {"kind": "PartialObjectMetadataList", "apiVersion": f"meta.k8s.io/{form.version}"}
        return {**head, "metadata": answer.metadata, "items": items}
    items = answer.items
    if resource.custom is None:
        # Items of a built-in list carry no kind and version of their own.
        items = [{k: v for k, v in item.items() if k not in ("kind", "apiVersion")} for item in items]
    return {
        "kind": resource.list_kind,
        "apiVersion": resource.api_version,
        "metadata": answer.metadata,
        "items": items,
    }


async def list_body(api: "Api", answer: "ListAnswer", form: Form, *, include: str) -> bytes:
    """A list's bytes: made in slices, so that others are answered meanwhile, where the form allows that."""
    if form.encoding == YAML or form.pretty:
        return encode(show_list(api, answer, form, include=include), form)
    head = show_list(api, replace(answer, items=[]), form, include=include)
    name = "rows" if "rows" in head else "items"
    parts = []
    async for items in slices(answer.items):
        shown = show_list(api, replace(answer, items=list(items)), form, include=include)
        parts.append(orjson.dumps(shown[name])[1:-1])
    del head[name]
    return b"%s,%s:[%s]}\n" % (orjson.dumps(head)[:-1], orjson.dumps(name), b",".join(parts))


def _head(resource: ResourceType) -> JsonObject:
    return {"kind": resource.kind, "apiVersion": resource.api_version}


def table_answer(
    api: "Api", resource: ResourceType | None, items: list[JsonObject], form: Form, *, include: str
) -> JsonObject:
    """A `Table` of objects in served form, of Scales if there is no resource.

    `include` is None, Metadata or Object, as in the query.
    """
    from crossfade_local.apiserver.printers import table

    kind = _SCALE if resource is None else resource.gvk
    columns = resource.custom.columns if resource is not None and resource.custom is not None else None
    content = table(kind if columns is None else columns, items, api.clock())
    rows = []
    for row, item in zip(content["rows"], items, strict=True):
        shown = dict(row)
        if include == "Object":
            shown["object"] = item if resource is None else {**_head(resource), **item}
        else:
            shown["object"] = partial(item, form.version) if include == "Metadata" else None
        rows.append(shown)
    return {
        "kind": "Table",
        "apiVersion": f"meta.k8s.io/{form.version}",
        "metadata": {},
        "columnDefinitions": content["columnDefinitions"],
        "rows": rows,
    }
