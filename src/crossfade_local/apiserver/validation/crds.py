"""Validation of CustomResourceDefinitions: names, scope, versions and columns.

What all versions share is reported at the top of the spec, where Kubernetes keeps it internally.
"""

from collections.abc import Iterator
from typing import Any, Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.crd.patterns import Compiling
from crossfade_local.apiserver.validation import names
from crossfade_local.apiserver.validation.crd_versions import (
    validate_columns,
    validate_deprecation,
    validate_selectable_fields,
    validate_subresources,
)
from crossfade_local.apiserver.validation.errors import FieldError, invalid, not_supported, required
from crossfade_local.apiserver.validation.metadata import immutable
from crossfade_local.apiserver.validation.schemas import validate_schema
from crossfade_local.apiserver.values.gotext import GoStruct
from crossfade_local.values.fields import at, flag, mapping, objects, sequence, text

_PARTS: Final = ("schema", "subresources", "additionalPrinterColumns", "selectableFields")
_SCOPES: Final = ("Cluster", "Namespaced")
_STRATEGIES: Final = ("None", "Webhook")
_NAMES: Final = ("plural", "singular", "kind", "listKind")
_MIXED: Final = "may have mixed case, but should otherwise match: "


def validate_crd(obj: JsonObject) -> Iterator[FieldError]:
    """Without the defaults in its schemas, which are values of what it defines."""
    spec = mapping(obj, "spec")
    group, name = text(spec, "group"), text(obj, "metadata", "name")
    if name and name != f"{text(spec, 'names', 'plural')}.{group}":
        yield invalid("metadata.name", name, 'must be spec.names.plural+"."+spec.group')
    yield from _validate_group(group)
    yield from _choice("spec.scope", text(spec, "scope"), _SCOPES)
    versions = objects(spec, "versions")
    yield from _missing_schemas(versions)
    shared, patterns = {name: _shared(versions, name) for name in _PARTS}, Compiling()
    for index, version in enumerate(versions):
        own = {**version, **{name: None for name in _PARTS if shared[name]}}
        yield from _validate_version(f"spec.versions[{index}]", version, own, patterns)
    yield from _validate_storage(spec.get("versions"))
    if versions:
        first = text(versions[0], "name")
        yield from _joined("spec.version", first, names.dns1035_label(first) if first else [])
    yield from _validate_names(mapping(spec, "names"))
    if flag(spec, "preserveUnknownFields") and any(map(_has_default, versions)):
        yield invalid("spec.preserveUnknownFields", True, "must be false in order to use defaults in the schema")
    if versions:
        yield from _validate_parts("spec", "spec.validation", shared, patterns)
    yield from _choice("spec.conversion.strategy", text(spec, "conversion", "strategy"), _STRATEGIES)
    if not any(flag(version, "storage") for version in versions):
        yield invalid("status.storedVersions", None, "must have at least one stored version")


def schema_places(crd: JsonObject) -> dict[str, JsonObject]:
    """The schemas of a definition by the fields that they are reported at."""
    versions = objects(crd, "spec", "versions")
    if shared := _shared(versions, "schema"):
        found = {"spec.validation": shared}
    else:
        found = {f"spec.versions[{index}].schema": version.get("schema") for index, version in enumerate(versions)}
    schemas = {place: mapping({"schema": schema}, "schema").get("openAPIV3Schema") for place, schema in found.items()}
    return {f"{place}.openAPIV3Schema": one for place, one in schemas.items() if isinstance(one, dict)}


def validate_crd_update(new: JsonObject, old: JsonObject) -> Iterator[FieldError]:
    if any(text(item, "type") == "Established" for item in objects(old, "status", "conditions")):
        for path in (("scope",), ("names", "kind")):
            field = ".".join(("spec", *path))
            yield from immutable(field, text(new, "spec", *path), text(old, "spec", *path))
    for path in (("group",), ("names", "plural")):
        yield from immutable(".".join(("spec", *path)), text(new, "spec", *path), text(old, "spec", *path))


def _shared(versions: list[JsonObject], name: str) -> Any:
    """What every version says alike; None if they differ or say nothing."""
    first = versions[0].get(name) if versions else None
    return first if first and all(version.get(name) == first for version in versions) else None


def _has_default(value: Any) -> bool:
    if isinstance(value, dict):
        return "default" in value or any(map(_has_default, value.values()))
    return isinstance(value, list) and any(map(_has_default, value))


def _validate_version(place: str, version: JsonObject, own: JsonObject, patterns: Compiling) -> Iterator[FieldError]:
    """`own` is what the version does not say as all others do."""
    name = text(version, "name")
    yield from _joined(f"{place}.name", name, names.dns1035_label(name))
    yield from validate_deprecation(f"{place}.deprecationWarning", version)
    yield from _validate_parts(place, f"{place}.schema", own, patterns)


def _validate_parts(place: str, schema_place: str, version: JsonObject, patterns: Compiling) -> Iterator[FieldError]:
    schema = at(version, "schema", "openAPIV3Schema")
    if isinstance(schema, dict):
        has_status = isinstance(at(version, "subresources", "status"), dict)
        yield from validate_schema(f"{schema_place}.openAPIV3Schema", schema, patterns, has_status=has_status)
    yield from validate_columns(f"{place}.additionalPrinterColumns", version.get("additionalPrinterColumns"))
    yield from validate_subresources(f"{place}.subresources", version.get("subresources"))
    yield from validate_selectable_fields(f"{place}.selectableFields", version.get("selectableFields"), schema)


def _choice(field: str, value: str, supported: tuple[str, ...]) -> Iterator[FieldError]:
    if not value:
        yield required(field)
    elif value not in supported:
        yield not_supported(field, value, supported)


def _joined(field: str, value: str, problems: list[str], prefix: str = "") -> Iterator[FieldError]:
    if problems:
        yield invalid(field, value, prefix + ",".join(problems))


def _validate_group(group: str) -> Iterator[FieldError]:
    if not group:
        yield required("spec.group")
    elif problems := names.dns_subdomain(group):
        yield from _joined("spec.group", group, problems)
    elif "." not in group:
        yield invalid("spec.group", group, "should be a domain with at least one dot")


def _missing_schemas(versions: list[JsonObject]) -> Iterator[FieldError]:
    for index, version in enumerate(versions):
        if not isinstance(at(version, "schema", "openAPIV3Schema"), dict):
            yield required(f"spec.versions[{index}].schema.openAPIV3Schema")


def _validate_storage(found: Any) -> Iterator[FieldError]:
    versions = objects({"versions": found}, "versions")
    shown = None if found is None else [_internal_version(version) for version in versions]
    if len({text(version, "name") for version in versions}) != len(versions):
        yield invalid("spec.versions", shown, "must contain unique version names")
    if sum(flag(version, "storage") for version in versions) != 1:
        yield invalid("spec.versions", shown, "must have exactly one version marked as storage version")


def _internal_version(version: JsonObject) -> GoStruct:
    return GoStruct(
        Name=text(version, "name"),
        Served=flag(version, "served"),
        Storage=flag(version, "storage"),
        Deprecated=flag(version, "deprecated"),
        DeprecationWarning=version.get("deprecationWarning"),
        Schema=None,
        Subresources=None,
        AdditionalPrinterColumns=None,
        SelectableFields=None,
    )


def _validate_names(found: JsonObject) -> Iterator[FieldError]:
    for name in _NAMES:
        if not text(found, name):
            yield required(f"spec.names.{name}")
    for name in _NAMES:
        value = text(found, name)
        mixed = name in ("kind", "listKind")
        problems = names.dns1035_label(value.lower() if mixed else value) if value else []
        yield from _joined(f"spec.names.{name}", value, problems, _MIXED if mixed else "")
    for name in ("shortNames", "categories"):
        if name == "categories" and text(found, "kind") and text(found, "kind") == text(found, "listKind"):
            yield invalid("spec.names.listKind", text(found, "listKind"), "kind and listKind may not be the same")
        for index, value in enumerate(map(str, sequence(found, name))):
            yield from _joined(f"spec.names.{name}[{index}]", value, names.dns1035_label(value))
