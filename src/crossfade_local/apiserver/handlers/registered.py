"""Admission of what is no stored object, by those that other people registered: commands, evictions, scales, tokens."""

from typing import Any, Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.admission.attributes import Attributes
from crossfade_local.apiserver.api import Api
from crossfade_local.apiserver.types.registry import ResourceType, Subresource
from crossfade_local.apiserver.wire.request import Call, flag
from crossfade_local.apiserver.writing.objects import known_unstored

_FLAGS: Final = ("stdin", "stdout", "stderr", "tty")


async def admit(
    api: Api, call: Call, resource: ResourceType, operation: str, obj: JsonObject, old: JsonObject | None = None
) -> JsonObject:
    """The object of a subresource as those leave it. Raises StatusError, also for an object of another form."""
    sub = resource.subresources[call.info.subresource.partition("/")[0]]
    kind = (sub.group, sub.version, sub.kind)
    known = known_unstored(kind, api.registry.types.schema(kind), obj)
    attributes = Attributes(
        call,
        resource,
        operation,
        call.info.namespace,
        call.info.name,
        _named(sub, known.object),
        None if old is None else _named(sub, old),
        sub.name,
        call.is_dry_run,
        own_kind=kind,
    )
    await api.admission.admit_foreign(attributes)
    assert attributes.new is not None
    return attributes.new


def _named(sub: Subresource, obj: JsonObject) -> JsonObject:
    return {**obj, "kind": sub.kind, "apiVersion": f"{sub.group}/{sub.version}" if sub.group else sub.version}


async def admit_connection(api: Api, call: Call, resource: ResourceType) -> None:
    """What goes through to a pod, a Service or a node. Raises StatusError."""
    await admit(api, call, resource, "CONNECT", _options(call))


def _options(call: Call) -> JsonObject:
    """As the query has them; of a proxy the path behind the name."""
    sub, _, path = call.info.subresource.partition("/")
    if sub == "proxy":
        return {"path": f"/{path}"} if path else {}
    if sub == "portforward":
        ports = [int(one) for text in _all(call, "ports") for one in text.split(",") if one.isdigit()]
        return {"ports": ports} if ports else {}
    found: dict[str, Any] = {name: True for name in _FLAGS if flag(call.query, name)}
    if call.query.get("container"):
        found["container"] = call.query["container"]
    if sub == "exec" and (command := _all(call, "command")):
        found["command"] = command
    return found


def _all(call: Call, name: str) -> list[str]:
    return list(call.transport.query.getall(name, []))
