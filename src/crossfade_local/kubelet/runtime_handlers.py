"""Which handlers of RuntimeClasses the node has: there is one way to run containers."""

from typing import Final

from crossfade_kube.client import Client
from crossfade_kube.errors import NotFound
from crossfade_kube.meta import JsonObject
from crossfade_kube.resources import RUNTIME_CLASS

HANDLERS: Final = ("", "runc")
"""That of pods without a class, and what container runtimes call it where it has a name."""


class NoRuntimeError(Exception):
    """The pod's RuntimeClass is gone, or asks for what the node does not have."""


async def check_runtime(client: Client, spec: JsonObject) -> None:
    """Raises NoRuntimeError and KubeError."""
    if not (name := spec.get("runtimeClassName")):
        return
    try:
        handler = (await client.get(RUNTIME_CLASS, name))["handler"]
    except NotFound as error:
        raise NoRuntimeError(str(error)) from error
    if handler not in HANDLERS:
        raise NoRuntimeError(
            "rpc error: code = Unknown desc = failed to get sandbox runtime: "
            f'no runtime for "{handler}" is configured; RuntimeClass {name} needs handler {HANDLERS[-1]} here'
        )
