"""`custom_fields_by_lua`, which all plugins have that write records (kong.md §5.21): functions in Lua by field.

What functions say is judged by the policy module, which has an interpreter.
"""

from typing import Final

import msgspec

from crossfade.compile.policies.schema import Field
from crossfade.policy_module import library


def lua_function(text: str) -> str | None:
    config = {"path": "/dev/null", "custom_fields_by_lua": {"it": text}}
    try:
        instance = msgspec.json.encode({"id": "", "plugin": "file-log", "config": config}).decode()
    except UnicodeError:
        return "a text that UTF-8 cannot write"
    problem = library.problem("instance", instance)
    return None if problem is None else problem.removeprefix("custom_fields_by_lua.it: ")


CUSTOM_FIELDS: Final = Field("map", len_min=0, elements=Field("string", check=lua_function))
