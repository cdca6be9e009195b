"""CustomResourceDefinition between apiextensions.k8s.io/v1, where it is stored, and v1beta1.

In v1beta1 schema, subresources and columns may stand at the top for all versions, and by default nothing is pruned.
"""

from typing import Any, Final

from crossfade_kube.meta import JsonObject
from crossfade_local.values.fields import at, mapping, objects, text

_KEEP_UNKNOWN: Final = "x-kubernetes-preserve-unknown-fields"
_SHARED: Final = ("subresources", "additionalPrinterColumns", "selectableFields")


def crd_v1_from_v1beta1(obj: JsonObject) -> JsonObject:
    old = mapping(obj, "spec")
    spec: JsonObject = {name: old[name] for name in ("group", "names", "scope") if name in old}
    spec.setdefault("scope", "Namespaced")
    keeps_unknown = old.get("preserveUnknownFields") is not False
    versions = objects(old, "versions")
    if not versions and text(old, "version"):
        versions = [{"name": text(old, "version"), "served": True, "storage": True}]
    spec["versions"] = [_version(version, old, keeps_unknown=keeps_unknown) for version in versions]
    spec["conversion"] = _conversion(mapping(old, "conversion"))
    return {**obj, "apiVersion": "apiextensions.k8s.io/v1", "spec": spec}


def _version(version: JsonObject, spec: JsonObject, *, keeps_unknown: bool) -> JsonObject:
    result = dict(version)
    schema: Any = at(version, "schema", "openAPIV3Schema") or at(spec, "validation", "openAPIV3Schema")
    if not isinstance(schema, dict):
        schema = {"type": "object", _KEEP_UNKNOWN: True}
    elif keeps_unknown:
        schema = _open({"type": "object", **schema})
    result["schema"] = {"openAPIV3Schema": schema}
    for name in _SHARED:
        if name not in result and spec.get(name) is not None:
            result[name] = spec[name]
    if "additionalPrinterColumns" in result:
        columns = objects(result, "additionalPrinterColumns")
        result["additionalPrinterColumns"] = [_renamed(column, "JSONPath", "jsonPath") for column in columns]
    return result


def _open(schema: JsonObject) -> JsonObject:
    """The schema with nothing pruned at any depth."""
    result = dict(schema)
    if isinstance(schema.get("properties"), dict):
        result["properties"] = {
            name: _open(child) if isinstance(child, dict) else child for name, child in schema["properties"].items()
        }
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            result[name] = _open(schema[name])
    if text(schema, "type") in ("object", "") and "additionalProperties" not in schema:
        result[_KEEP_UNKNOWN] = True
    return result


def _renamed(obj: JsonObject, old: str, new: str) -> JsonObject:
    return {new if name == old else name: value for name, value in obj.items()}


def _conversion(old: JsonObject) -> JsonObject:
    result: JsonObject = {"strategy": text(old, "strategy") or "None"}
    if "webhookClientConfig" in old:
        webhook = {"clientConfig": old["webhookClientConfig"]}
        result["webhook"] = {**webhook, "conversionReviewVersions": old.get("conversionReviewVersions") or ["v1beta1"]}
    return result


def crd_v1beta1_from_v1(obj: JsonObject) -> JsonObject:
    new = mapping(obj, "spec")
    spec = {name: value for name, value in new.items() if name not in ("conversion", "versions")}
    versions = []
    for version in objects(new, "versions"):
        shown = dict(version)
        if "additionalPrinterColumns" in shown:
            columns = objects(shown, "additionalPrinterColumns")
            shown["additionalPrinterColumns"] = [_renamed(column, "jsonPath", "JSONPath") for column in columns]
        versions.append(shown)
    _lift(spec, versions, "schema", "validation")
    for name in _SHARED:
        _lift(spec, versions, name, name)
    spec["version"] = text(versions[0], "name") if versions else ""
    spec["versions"] = versions
    spec["preserveUnknownFields"] = new.get("preserveUnknownFields") is True
    conversion = mapping(new, "conversion")
    spec["conversion"] = {"strategy": text(conversion, "strategy") or "None"}
    webhook = mapping(conversion, "webhook")
    if webhook:
        spec["conversion"]["webhookClientConfig"] = webhook.get("clientConfig")
        spec["conversion"]["conversionReviewVersions"] = webhook.get("conversionReviewVersions")
    return {**obj, "apiVersion": "apiextensions.k8s.io/v1beta1", "spec": spec}


def _lift(spec: JsonObject, versions: list[JsonObject], name: str, target: str) -> None:
    """What is the same in all versions is said once, at the top."""
    first = versions[0].get(name) if versions else None
    if first is not None and all(version.get(name) == first for version in versions):
        spec[target] = first
        for version in versions:
            version.pop(name, None)
