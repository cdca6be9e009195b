"""Checks of a CustomResourceDefinition that need the machinery of custom resources: CEL rules, defaults, conversion."""

from collections.abc import Iterator
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.aside import aside
from crossfade_local.apiserver.crd.rules import Rules
from crossfade_local.apiserver.crd.validator import Walk, value_errors
from crossfade_local.apiserver.validation.crds import schema_places
from crossfade_local.apiserver.validation.errors import ROOT, ErrorType, FieldError, forbidden, invalid
from crossfade_local.apiserver.validation.schemas import structural_errors
from crossfade_local.values.fields import flag, objects, text

_BEHIND_SCHEMA: Final = ("additionalPrinterColumns", "subresources", "selectableFields")
_BEHIND_VERSIONS: Final = ("spec.conversion", "status.")
_KEEPS_UNKNOWN: Final = (
    "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
)


async def definition_errors(
    rules: Rules, crd: JsonObject, old: JsonObject | None = None, *, found: list[FieldError], size: int
) -> list[FieldError]:
    """Of one of about `size` bytes: these and what was `found` without them, in the order in which Kubernetes tells."""
    schemas = schema_places(crd)
    errors = await aside(size, lambda: _with_defaults(found, schemas))
    errors += _not_available(crd)
    if not any(".openAPIV3Schema" in error.field for error in errors):
        errors += await rules.rule_errors(schemas, old=schema_places(old or {}).values(), size=size)
    return errors


def _with_defaults(found: list[FieldError], schemas: dict[str, JsonObject]) -> list[FieldError]:
    errors = list(found)
    # All defaults together take no longer than an object may.
    walk = Walk()
    for place, schema in schemas.items():
        if structural_errors(place, schema):
            continue
        version = place.removesuffix(".openAPIV3Schema").rpartition(".")[0]
        behind = (place, *(f"{version}.{name}" for name in _BEHIND_SCHEMA), *_BEHIND_VERSIONS)
        at = next((index for index, error in enumerate(errors) if error.field.startswith(behind)), len(errors))
        errors[at:at] = _defaults(schema, place, walk)
    return errors


def _not_available(crd: JsonObject) -> Iterator[FieldError]:
    if flag(crd, "spec", "preserveUnknownFields"):
        yield invalid("spec.preserveUnknownFields", True, _KEEPS_UNKNOWN)
    served = sum(flag(version, "served") for version in objects(crd, "spec", "versions"))
    if served > 1 and text(crd, "spec", "conversion", "strategy") not in ("", "None"):
        yield forbidden(
            "spec.conversion.strategy",
            "the embedded API server runs no conversion webhooks, so the served versions could not be told apart; serve"
            " one version, or use strategy None",
        )


def _defaults(schema: JsonObject, path: str, walk: Walk) -> Iterator[FieldError]:
    if schema.get("default") is not None:
        yield from _default_errors(schema, f"{path}.default", walk)
    for name, inner in sorted((schema.get("properties") or {}).items()):
        yield from _defaults(inner, f"{path}.properties[{name}]", walk)
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            yield from _defaults(schema[name], f"{path}.{name}", walk)


def _default_errors(schema: JsonObject, place: str, walk: Walk) -> Iterator[FieldError]:
    """Of the default as a value of its own: the texts name what is wrong in it, and the fields where it is."""
    for error in value_errors(schema, schema["default"], "", walk):
        if error.field != ROOT:
            yield error._replace(field=f"{place}.{error.field}")
        elif error.type in (ErrorType.INVALID, ErrorType.TYPE_INVALID):
            # Kubernetes puts the name of the place before the text, and the place has none.
            yield error._replace(field=place, detail=f" {error.detail}")
        else:
            yield error._replace(field=place)
