"""Defaults of LimitRanges: what one of their fields says about the others."""

from crossfade_kube.meta import JsonObject
from crossfade_local.values.fields import mapping, objects, text


def default_limit_range(obj: JsonObject) -> None:
    for item in objects(obj, "spec", "limits"):
        if text(item, "type") == "Container":
            _default_container(item)


def _default_container(item: JsonObject) -> None:
    """No limit given is the highest allowed; no request given is the limit, or else the lowest allowed."""
    limits = {**mapping(item, "max"), **mapping(item, "default")}
    requests = {**mapping(item, "min"), **limits, **mapping(item, "defaultRequest")}
    for name, values in (("default", limits), ("defaultRequest", requests)):
        if values:
            item[name] = values
