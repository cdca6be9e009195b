"""grpc-gateway: the compiler finds the .proto file and turns it into tables; the policy module transcodes by them."""

from typing import Final

from crossfade.compile.policies.grpc_gateway.schema import SCHEMA
from crossfade.compile.policies.plugin import ModuleStep, Plugin, ProtoFile, Step
from crossfade_kube.meta import JsonObject


def plan(config: JsonObject) -> tuple[Step, ...]:
    """Without a file the module has nothing to transcode by, and says so to every request."""
    path = config["proto"]
    return (ModuleStep({}),) if path is None else (ModuleStep({"bindings": []}), ProtoFile(path))


def warnings(config: JsonObject) -> tuple[str, ...]:
    if config["proto"] is not None:
        return ()
    return ("without proto every request but OPTIONS is answered 400",)


PLUGIN: Final = Plugin(
    name="grpc-gateway", priority=998, takes_consumer=True, schema=SCHEMA, plan=plan, warnings=warnings
)
