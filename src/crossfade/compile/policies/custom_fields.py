"""`custom_fields_by_lua`, which all plugins have that write records (kong.md §5.21): functions in Lua by field."""

from typing import Final

from crossfade.compile.policies.schema import Field

CUSTOM_FIELDS: Final = Field("map", len_min=0, elements=Field("string"))
"""What a function may do is judged by the policy module, which has an interpreter."""
