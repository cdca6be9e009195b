"""aws-lambda for the policy module: what has an effect of its configuration."""

from typing import Final

from crossfade.compile.policies.aws_lambda.schema import REFUSED, SCHEMA
from crossfade.compile.policies.plugin import ModuleStep, Plugin, Step
from crossfade_kube.meta import JsonObject

# Of how credentials are found, which are given here.
_OF_CREDENTIALS: Final = ("aws_role_session_name", "aws_imds_protocol_version")


def plan(config: JsonObject) -> tuple[Step, ...]:
    left_out = (*REFUSED, *_OF_CREDENTIALS)
    return (ModuleStep({name: value for name, value in config.items() if name not in left_out}),)


PLUGIN: Final = Plugin(name="aws-lambda", priority=750, takes_consumer=True, schema=SCHEMA, plan=plan)
