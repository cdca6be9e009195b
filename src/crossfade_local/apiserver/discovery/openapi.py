"""OpenAPI v3 documents: an index, and per group and version the schemas and paths that kubectl needs.

kubectl reads them to validate fields (every kind has a PATCH path with `fieldValidation`) and for `explain`.
"""

import hashlib
from collections.abc import Iterator
from typing import Any, Final

import orjson

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.discovery.enumerations import with_enumerations
from crossfade_local.apiserver.types.registry import Registry, ResourceType
from crossfade_local.apiserver.values.kept_json import kept_json

_REF: Final = "#/components/schemas/"
_META: Final = "io.k8s.apimachinery.pkg.apis.meta.v1."
_EITHER: Final = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": ("string", "number"),
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": ("integer", "string"),
}
"""Types that are written in more than one way, which only OpenAPI v3 can say."""
_GVK: Final = "x-kubernetes-group-version-kind"
_VERBS: Final = {"get": "get", "put": "update", "patch": "patch", "delete": "delete"}
_PATCHES: Final = ("application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml")
_STRATEGIC: Final = "application/strategic-merge-patch+json"


class OpenApi:
    """Documents are made when they are first asked for after the registry has changed."""

    def __init__(self, registry: Registry) -> None:
        self._registry: Final = registry
        self._revision = -1
        self._documents: dict[str, bytes] = {}

    def index(self) -> JsonObject:
        paths = {
            path: {"serverRelativeURL": f"/openapi/v3/{path}?hash={self.hash_of(path)}"}
            for path in sorted(self._paths())
        }
        return {"paths": paths}

    def document(self, path: str) -> bytes | None:
        """The document of `api/v1` or `apis/GROUP/VERSION`; None if that is not served."""
        self._refresh()
        found = self._documents.get(path)
        if found is None:
            place = self._paths().get(path)
            if place is None:
                return None
            found = self._documents[path] = kept_json(_document(self._registry, *place))
        return found

    def hash_of(self, path: str) -> str:
        """Of what the document is made from; cheaper than the document itself."""
        place = self._paths()[path]
        entries = self._registry.in_version(*place)
        seed = [
            [entry.plural, entry.custom.crd["metadata"]["resourceVersion"] if entry.custom else ""] for entry in entries
        ]
        return hashlib.sha256(orjson.dumps([path, seed])).hexdigest().upper()

    def _paths(self) -> dict[str, tuple[str, str]]:
        return {
            f"apis/{group}/{version}" if group else f"api/{version}": (group, version)
            for group, versions in self._registry.groups().items()
            for version in versions
        }

    def _refresh(self) -> None:
        if self._revision != self._registry.revision:
            self._documents.clear()
            self._revision = self._registry.revision


def _document(registry: Registry, group: str, version: str) -> JsonObject:
    entries = registry.in_version(group, version)
    schemas: JsonObject = {}
    paths: JsonObject = {}
    for entry in entries:
        name = schema_name(registry, entry)
        schemas[name] = _schema(registry, entry)
        paths |= _paths_of(entry, name, typed=registry.types.definition_name(entry.gvk) is not None)
        for sub in entry.subresources.values():
            definition = registry.types.definition_name((sub.group, sub.version, sub.kind))
            if sub.foreign and definition:
                schemas.setdefault(definition, _described(registry, definition))
    _complete(registry, schemas)
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "unversioned"},
        "paths": paths,
        "components": {"schemas": schemas},
    }


def schema_name(registry: Registry, entry: ResourceType) -> str:
    """The definition's name: Kubernetes' own, or the group reversed for custom resources."""
    found = registry.types.definition_name(entry.gvk)
    if found is not None:
        return found
    domain = ".".join(reversed(entry.group.split(".")))
    return f"{domain}.{entry.version}.{entry.kind}"


def _schema(registry: Registry, entry: ResourceType) -> JsonObject:
    gvk = [{"group": entry.group, "version": entry.version, "kind": entry.kind}]
    definition = registry.types.definition_name(entry.gvk)
    if definition is not None:
        return {**_described(registry, definition), _GVK: gvk}
    if entry.custom is None:
        # An old version of a built-in kind: nothing is known about its fields, so nothing is refused by them.
        return {"type": "object", "x-kubernetes-preserve-unknown-fields": True, _GVK: gvk}
    from crossfade_local.apiserver.crd.published import published_schema

    return {**published_schema(entry), _GVK: gvk}


def _described(registry: Registry, definition: str) -> JsonObject:
    found: JsonObject = _with_ref_wrappers(registry.types.raw(definition))
    if definition in _EITHER:
        without_type = {key: value for key, value in found.items() if key != "type"}
        return {**without_type, "oneOf": [{"type": name} for name in _EITHER[definition]]}
    return with_enumerations(definition, found)


def _with_ref_wrappers(value: Any) -> Any:
    """References with a description beside them, in the form that OpenAPI v3 allows: inside `allOf`."""
    if isinstance(value, list):
        return [_with_ref_wrappers(item) for item in value]
    if not isinstance(value, dict):
        return value
    if isinstance(value.get("$ref"), str) and len(value) > 1:
        rest = {key: item for key, item in value.items() if key != "$ref"}
        return {"allOf": [{"$ref": value["$ref"]}], **rest}
    return {key: _with_ref_wrappers(item) for key, item in value.items()}


def _complete(registry: Registry, schemas: JsonObject) -> None:
    """Add every schema that is referred to."""
    todo = list(schemas.values())
    while todo:
        for reference in _references(todo.pop()):
            name = reference.removeprefix(_REF)
            if name not in schemas and name in registry.types.definitions:
                schemas[name] = _described(registry, name)
                todo.append(schemas[name])


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for item in value.values():
            yield from _references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)


def _paths_of(entry: ResourceType, name: str, *, typed: bool) -> JsonObject:
    root = f"/apis/{entry.group}/{entry.version}" if entry.group else f"/api/{entry.version}"
    collection = f"{root}/namespaces/{{namespace}}/{entry.plural}" if entry.namespaced else f"{root}/{entry.plural}"
    content = {"application/json": {"schema": {"$ref": _REF + name}}}
    gvk = {"group": entry.group, "version": entry.version, "kind": entry.kind}
    # kubectl apply sends a strategic merge patch wherever the path offers it; custom resources know no such thing.
    # Only described built-in kinds have the markers that strategic merge patches need.
    patches = (*_PATCHES, _STRATEGIC) if typed else _PATCHES
    found: JsonObject = {collection: {}, f"{collection}/{{name}}": {}}
    for method, verb in _VERBS.items():
        if verb in entry.verbs:
            found[f"{collection}/{{name}}"][method] = _operation(verb, gvk, content, patches)
    for method, verb in (("get", "list"), ("post", "post")):
        if verb in entry.verbs or (verb == "post" and "create" in entry.verbs):
            found[collection][method] = _operation(verb, gvk, content, patches)
    return found


def _operation(verb: str, gvk: JsonObject, content: JsonObject, patches: tuple[str, ...]) -> JsonObject:
    result: JsonObject = {
        "responses": {"200": {"description": "OK", "content": content}},
        "x-kubernetes-action": verb,
        _GVK: gvk,
    }
    if verb in ("update", "post", "patch"):
        schema = {"type": "string", "uniqueItems": True}
        result["parameters"] = [
            {"name": name, "in": "query", "schema": schema}
            for name in ("dryRun", "fieldManager", "fieldValidation", *(("force",) if verb == "patch" else ()))
        ]
        body = {"schema": {"$ref": f"{_REF}{_META}Patch"}}
        result["requestBody"] = {"content": dict.fromkeys(patches, body) if verb == "patch" else content}
    return result
