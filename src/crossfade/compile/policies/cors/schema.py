"""Schema of cors' configuration (kong.md §5.12)."""

import json
from typing import Final

from crossfade.compile.policies.checks import header_value
from crossfade.compile.policies.schema import Field, Problems, Schema
from crossfade.policy_module import library
from crossfade_kube.meta import JsonObject

METHODS: Final = ("GET", "HEAD", "PUT", "PATCH", "POST", "DELETE", "OPTIONS", "TRACE", "CONNECT")


def _regexes(config: JsonObject) -> Problems:
    """All in one question: the module stops at the first that is wrong or makes them too large together."""
    instance = {"id": "", "plugin": "cors", "config": {"origins": config["origins"]}}
    problem = library.problem("instance", json.dumps(instance))
    if problem is None:
        return {}
    place, _, reason = problem.removeprefix("origins.").partition(": ")
    return {"origins": {place: reason} if place.isdecimal() else problem}


_TEXTS: Final = Field("array", elements=Field("string", check=header_value))

SCHEMA: Final = Schema(
    {
        "origins": _TEXTS,
        "headers": _TEXTS,
        "exposed_headers": _TEXTS,
        "methods": Field("array", list(METHODS), elements=Field("string", one_of=METHODS)),
        "max_age": Field("number"),
        "credentials": Field("boolean", default=False, required=True),
        "private_network": Field("boolean", default=False, required=True),
        "preflight_continue": Field("boolean", default=False, required=True),
    },
    (_regexes,),
)
