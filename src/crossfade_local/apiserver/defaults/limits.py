"""Defaults of LimitRanges: what one of their fields says about the others."""

from typing import Any, Final

from crossfade_kube.meta import JsonObject
from crossfade_local.quantity import QuantityError, canonical
from crossfade_local.values.fields import mapping, objects, text

_FIELDS: Final = ("default", "defaultRequest", "max", "maxLimitRequestRatio", "min")


def default_limit_range(obj: JsonObject) -> None:
    for item in objects(obj, "spec", "limits"):
        for name in _FIELDS:
            if mapping(item, name):
                item[name] = {key: _canonical(value) for key, value in mapping(item, name).items()}
        if text(item, "type") == "Container":
            _default_container(item)


def _default_container(item: JsonObject) -> None:
    """No limit given is the highest allowed; no request given is the limit, or else the lowest allowed."""
    limits = {**mapping(item, "max"), **mapping(item, "default")}
    requests = {**mapping(item, "min"), **limits, **mapping(item, "defaultRequest")}
    for name, values in (("default", limits), ("defaultRequest", requests)):
        if values:
            item[name] = values


def _canonical(value: Any) -> Any:
    try:
        return canonical(value)
    except QuantityError:
        return value
