"""Validation of RuntimeClasses."""

from collections.abc import Iterator

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.validation import names
from crossfade_local.apiserver.validation.errors import FieldError, duplicate, each, required
from crossfade_local.apiserver.validation.metadata import immutable, validate_labels
from crossfade_local.apiserver.validation.resources import validate_resources
from crossfade_local.apiserver.validation.scheduling import validate_tolerations
from crossfade_local.apiserver.values.gotext import GoStruct
from crossfade_local.values.fields import mapping, objects, text


def validate_runtime_class(obj: JsonObject) -> Iterator[FieldError]:
    handler = text(obj, "handler")
    if handler:
        yield from each("handler", handler, names.dns_label(handler))
    else:
        yield required("handler")
    yield from validate_resources("overhead", {"limits": mapping(obj, "overhead", "podFixed")})
    scheduling = mapping(obj, "scheduling")
    yield from validate_labels(mapping(scheduling, "nodeSelector"), "scheduling.nodeSelector")
    tolerations = objects(scheduling, "tolerations")
    yield from validate_tolerations("scheduling.tolerations", tolerations)
    for index, toleration in enumerate(tolerations):
        if toleration in tolerations[:index]:
            yield duplicate(f"scheduling.tolerations[{index}]", _as_in_go(toleration))


def validate_runtime_class_update(new: JsonObject, old: JsonObject) -> Iterator[FieldError]:
    yield from immutable("handler", text(new, "handler"), text(old, "handler"))


def _as_in_go(toleration: JsonObject) -> GoStruct:
    return GoStruct(
        Key=text(toleration, "key"),
        Operator=text(toleration, "operator"),
        Value=text(toleration, "value"),
        Effect=text(toleration, "effect"),
        TolerationSeconds=toleration.get("tolerationSeconds"),
    )
