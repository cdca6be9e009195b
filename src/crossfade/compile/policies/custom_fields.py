"""`custom_fields_by_lua`, which all plugins have that write records (kong.md §5.21): functions in Lua by field.

What functions say is judged by the policy module, which has an interpreter.
"""

from typing import Final

from crossfade.compile.policies.module_words import module_words
from crossfade.compile.policies.schema import Field


def lua_function(text: str) -> str | None:
    config = {"path": "/dev/null", "custom_fields_by_lua": {"it": text}}
    return module_words("file-log", config, about="custom_fields_by_lua.it: ")


CUSTOM_FIELDS: Final = Field("map", len_min=0, elements=Field("string", check=lua_function))
