"""post-function for the policy module: its functions as they stand."""

from typing import Final

from crossfade.compile.policies.plugin import Plugin
from crossfade.compile.policies.post_function.schema import SCHEMA
from crossfade.compile.policies.pre_function.plan import plan

PLUGIN: Final = Plugin(name="post-function", priority=-1000, takes_consumer=False, schema=SCHEMA, plan=plan)
