"""Schema of pre-function's configuration, and of post-function's, which has the same fields (kong.md §5.22).

What functions say is judged by the policy module, which has an interpreter.
"""

from collections.abc import Callable
from typing import Final

from crossfade.compile.policies.module_words import module_words
from crossfade.compile.policies.presence import at_least_one_of
from crossfade.compile.policies.schema import Field, Schema


def no_certificate(text: str) -> str | None:
    del text
    return "functions cannot run in the TLS handshake, use ip-restriction or access"


def no_rewrite(text: str) -> str | None:
    del text
    return "the route is chosen before any function runs, use access"


def _judged(plugin: str, phase: str) -> Callable[[str], str | None]:
    def lua_function(text: str) -> str | None:
        return module_words(plugin, {phase: [text]}, about=f"{phase}.1: ")

    return lua_function


def schema(plugin: str) -> Schema:
    def functions(check: Callable[[str], str | None]) -> Field:
        # Kong takes an empty function, which does nothing.
        return Field("array", [], required=True, elements=Field("string", len_min=0, check=check))

    phases = ("access", "header_filter", "body_filter", "log")
    return Schema(
        {
            "certificate": functions(no_certificate),
            "rewrite": functions(no_rewrite),
            **{phase: functions(_judged(plugin, phase)) for phase in phases},
        },
        presence_checks=(at_least_one_of("certificate", "rewrite", *phases),),
    )


SCHEMA: Final = schema("pre-function")
