"""grpc-web in two steps: the policy module answers what needs no translation, Envoy's filter does the rest."""

from typing import Final

from crossfade.compile.policies.grpc_web.schema import SCHEMA
from crossfade.compile.policies.plugin import EnvoyFilter, ModuleStep, Plugin, Step
from crossfade_kube.meta import JsonObject


def plan(config: JsonObject) -> tuple[Step, ...]:
    told = {
        "allow_origin_header": config["allow_origin_header"],
        "wants_transcoding": config["proto"] is not None,
    }
    return (ModuleStep(told), EnvoyFilter("grpc_web"))


def warnings(config: JsonObject) -> tuple[str, ...]:
    if config["proto"] is None:
        return ()
    refused = "application/json, application/grpc-web+json and application/grpc-web-text+json"
    return (f"config.proto: JSON is not transcoded; requests with {refused} are answered with 400",)


PLUGIN: Final = Plugin(name="grpc-web", priority=3, takes_consumer=False, schema=SCHEMA, plan=plan, warnings=warnings)
