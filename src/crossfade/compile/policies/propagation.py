"""Kong's record `propagation`: which headers of traces are read, taken away and written (kong.md §5.20)."""

from collections.abc import Container, Mapping
from typing import Final

from crossfade.compile.policies.checks import header_name, internal_header
from crossfade.compile.policies.plugin import ModuleStep, Step
from crossfade.compile.policies.schema import Field
from crossfade_kube.meta import JsonObject

FORMATS: Final = ("w3c", "b3", "b3-single", "jaeger", "ot", "datadog", "aws", "gcp", "instana")
_READ: Final = tuple(one for one in FORMATS if one != "b3-single")
# Those of `header_type: preserve`, in their order: the first that tells anything counts.
_READ_BY_DEFAULT: Final = ("b3", "w3c", "jaeger", "ot", "datadog", "aws", "gcp", "instana")
HEADER_TYPES: Final = ("preserve", "ignore", *FORMATS)


def cleared_header(name: str) -> str | None:
    return header_name(name) or internal_header(name)


def propagation_field(default_format: str) -> Field:
    return Field(
        "record",
        default={"default_format": default_format},
        required=True,
        fields={
            "extract": Field("array", elements=Field("string", one_of=_READ)),
            "clear": Field("array", elements=Field("string", check=cleared_header)),
            "inject": Field("array", elements=Field("string", one_of=("preserve", *FORMATS))),
            "default_format": Field("string", required=True, one_of=FORMATS),
        },
    )


def propagation(config: JsonObject) -> JsonObject:
    """As Kong has it when `header_type` is all that says anything."""
    found: JsonObject = dict(config["propagation"])
    if any(found[name] is not None for name in ("extract", "clear", "inject")):
        return found
    default = config.get("default_header_type") or found["default_format"]
    header_type = config["header_type"] or "preserve"
    if header_type == "ignore":
        return {**found, "inject": [default], "default_format": default}
    written = ["preserve"] if header_type == "preserve" else ["preserve", header_type]
    return {**found, "extract": list(_READ_BY_DEFAULT), "inject": written, "default_format": default}


def traced(config: JsonObject, *, without: Container[str]) -> tuple[Step, ...]:
    """What a plugin that traces is to the module: its configuration but for fields that `propagation` stands for."""
    own = {name: value for name, value in config.items() if name not in without}
    return (ModuleStep({**own, "propagation": propagation(config)}),)


def old_fields(plugin: str, default: Mapping[str, str], config: JsonObject) -> tuple[str, ...]:
    """Kong's own words for fields that `propagation` replaces; `default` are their values that say nothing."""
    texts = {
        "header_type": "config.header_type is deprecated, please use config.propagation options instead",
        "default_header_type": "config.default_header_type is deprecated, please use config.propagation.default_format "
        "instead",
    }
    return tuple(f"{plugin}: {texts[name]}" for name, silent in default.items() if config[name] not in (None, silent))
