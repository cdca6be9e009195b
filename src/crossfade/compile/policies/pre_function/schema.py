"""Schema of pre-function's configuration, and of post-function's, which has the same fields (kong.md §5.22).

What functions say is checked by the policy module, which has an interpreter.
"""

from typing import Final

from crossfade.compile.policies.presence import at_least_one_of
from crossfade.compile.policies.schema import Field, Schema


def no_certificate(text: str) -> str | None:
    del text
    return "functions cannot run in the TLS handshake, use ip-restriction or access"


def no_rewrite(text: str) -> str | None:
    del text
    return "the route is chosen before any function runs, use access"


_PHASES: Final = ("access", "header_filter", "body_filter", "log")
# Kong takes an empty function, which does nothing.
_FUNCTIONS: Final = Field("array", [], required=True, elements=Field("string", len_min=0))


def schema() -> Schema:
    """Each plugin has one of its own."""
    return Schema(
        {
            "certificate": Field("array", [], required=True, elements=Field("string", check=no_certificate)),
            "rewrite": Field("array", [], required=True, elements=Field("string", check=no_rewrite)),
            **dict.fromkeys(_PHASES, _FUNCTIONS),
        },
        presence_checks=(at_least_one_of("certificate", "rewrite", *_PHASES),),
    )


SCHEMA: Final = schema()
