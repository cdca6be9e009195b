"""`metrics.k8s.io/v1beta1`: what pods and the node take, which is asked of the kubelet and never stored."""

from datetime import UTC, datetime
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.api import Api
from crossfade_local.apiserver.handlers.selection import selection
from crossfade_local.apiserver.state.storage import Stored
from crossfade_local.apiserver.types.registry import ResourceType
from crossfade_local.apiserver.wire import options
from crossfade_local.apiserver.wire.answers import Answer, ListAnswer, ObjectAnswer
from crossfade_local.apiserver.wire.request import Call
from crossfade_local.apiserver.wire.status import not_found
from crossfade_local.apiserver.writing.strategies import timestamp
from crossfade_local.quantity import canonical

GROUP: Final = "metrics.k8s.io"
_MINUTE_S: Final = 60.0


async def answer(api: Api, call: Call, resource: ResourceType) -> Answer:
    """Get and list. Raises StatusError: 404 for what has no usage yet, 503 where no kubelet answers."""
    name = call.info.name if call.info.verb == "get" else ""
    if not name:
        options.check_list(call, watching=False)
    chosen = selection(call, resource)
    usage = await api.kubelet.usage()
    told = _pods(api, usage, chosen.namespace) if resource.plural == "pods" else _nodes(api, usage)
    if not name:
        return ListAnswer(resource, [item for item in told if chosen.matches(item)], {})
    for item in told:
        if item["metadata"]["name"] == name:
            return ObjectAnswer({"kind": resource.kind, "apiVersion": resource.api_version, **item}, resource)
    place = f"{call.info.namespace}/{name}" if resource.namespaced else name
    raise not_found(resource.singular, resource.group, place)


def _pods(api: Api, usage: JsonObject, namespace: str | None) -> list[JsonObject]:
    by_uid = {pod["uid"]: pod for pod in usage["pods"]}
    found = []
    for stored in api.storage.scan("/pods", namespace):
        pod = by_uid.get(stored.object["metadata"]["uid"])
        if pod is not None:
            containers = [{"name": one["name"], "usage": _usage(one)} for one in pod["containers"]]
            found.append({**_head(stored, usage["time"], pod["window"]), "containers": containers})
    return found


def _nodes(api: Api, usage: JsonObject) -> list[JsonObject]:
    """There is one."""
    node = usage["node"]
    if node is None:
        return []
    return [
        {**_head(stored, usage["time"], node["window"]), "usage": _usage(node)} for stored in api.storage.scan("/nodes")
    ]


def _head(stored: Stored, seconds: float, window_s: float) -> JsonObject:
    """With the labels of what is measured; it counts as made when it was measured."""
    moment = timestamp(datetime.fromtimestamp(seconds, UTC))
    metadata: JsonObject = {"name": stored.key[1], "creationTimestamp": moment}
    if stored.key[0]:
        metadata["namespace"] = stored.key[0]
    if labels := stored.object["metadata"].get("labels"):
        metadata["labels"] = labels
    return {"metadata": metadata, "timestamp": moment, "window": duration_text(window_s)}


def _usage(amounts: JsonObject) -> JsonObject:
    return {"cpu": canonical(f"{amounts['nanocores']}n"), "memory": canonical(f"{amounts['memory'] // 1024}Ki")}


def duration_text(seconds: float) -> str:
    """As Go writes durations, to the millisecond."""
    minutes, rest = divmod(round(seconds, 3), _MINUTE_S)
    text = f"{round(rest, 3):g}s"
    return f"{minutes:.0f}m{text}" if minutes else text
