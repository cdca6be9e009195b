"""LimitRanges: what they give to containers that say nothing, and what they refuse, in Kubernetes' words."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.admission.attributes import Attributes
from crossfade_local.apiserver.state.storage import Storage
from crossfade_local.apiserver.wire.status import forbidden
from crossfade_local.pod_resources import Amounts, amount, amounts, containers_of, pod_amounts
from crossfade_local.quantity import canonical
from crossfade_local.values.fields import mapping, objects, text

_BUCKET: Final = "/limitranges"
_ANNOTATION: Final = "kubernetes.io/limit-ranger"


def defaults_of_limits(storage: Storage) -> Callable[[Attributes], None]:
    """Fills in requests and limits of new pods."""

    def step(attributes: Attributes) -> None:
        pod = attributes.new
        if pod is None or not attributes.is_new_pod:
            return
        for stored in storage.scan(_BUCKET, attributes.namespace):
            fill_in(pod, objects(stored.object, "spec", "limits"))

    return step


def check_limits(storage: Storage) -> Callable[[Attributes], None]:
    """Refuses pods and claims that ask for too much or too little."""

    def step(attributes: Attributes) -> None:
        obj = attributes.new
        is_claim = attributes.bucket == "/persistentvolumeclaims" and not attributes.subresource
        if obj is None or not (is_claim or attributes.is_new_pod or _is_resized_pod(attributes)):
            return
        for stored in storage.scan(_BUCKET, attributes.namespace):
            limits = objects(stored.object, "spec", "limits")
            problems = list(claim_problems(obj, limits) if is_claim else pod_problems(obj, limits))
            if problems:
                said = problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]"
                raise forbidden(attributes.resource.plural, "", attributes.name, said)

    return step


def _is_resized_pod(attributes: Attributes) -> bool:
    return attributes.bucket == "/pods" and attributes.subresource == "resize"


def fill_in(pod: JsonObject, limits: list[JsonObject]) -> None:
    """Changes the pod; an annotation says what was set."""
    requests: JsonObject = {}
    most: JsonObject = {}
    for item in limits:
        if text(item, "type") == "Container":
            requests |= mapping(item, "defaultRequest")
            most |= mapping(item, "default")
    told = []
    for container in containers_of(pod["spec"]):
        for kind, word, values in (("requests", "request", requests), ("limits", "limit", most)):
            if added := _add(container, kind, values):
                told.append(f"{', '.join(added)} {word} for container {container['name']}")
    if told:
        annotations = pod["metadata"].setdefault("annotations", {})
        annotations[_ANNOTATION] = f"LimitRanger plugin set: {'; '.join(told)}"


def _add(container: JsonObject, kind: str, values: Mapping[str, Any]) -> list[str]:
    there = mapping(container, "resources", kind)
    missing = sorted(name for name in values if name not in there)
    if missing:
        resources = container["resources"] = {**mapping(container, "resources")}
        resources[kind] = {**there, **{name: values[name] for name in missing}}
    return missing


def pod_problems(pod: JsonObject, limits: list[JsonObject]) -> Iterator[str]:
    for item in limits:
        if text(item, "type") == "Container":
            for container in containers_of(mapping(pod, "spec")):
                asked, most = (amounts(mapping(container, "resources", kind)) for kind in ("requests", "limits"))
                yield from _problems(item, asked, most)
        elif text(item, "type") == "Pod":
            yield from _problems(item, pod_amounts(pod, "requests"), pod_amounts(pod, "limits"))


def claim_problems(claim: JsonObject, limits: list[JsonObject]) -> Iterator[str]:
    asked = amounts(mapping(claim, "spec", "resources", "requests"))
    for item in limits:
        if text(item, "type") == "PersistentVolumeClaim":
            yield from _least(item, asked, {})
            for name, value in sorted(mapping(item, "max").items()):
                if name in asked and asked[name] > amount(value):
                    head = f"maximum {name} usage per PersistentVolumeClaim is {value}"
                    yield f"{head}, but request is {_told(asked, name)}"


def _problems(item: JsonObject, asked: Amounts, most: Amounts) -> Iterator[str]:
    yield from _least(item, asked, most)
    kind = text(item, "type")
    for name, value in sorted(mapping(item, "max").items()):
        head = f"maximum {name} usage per {kind} is {value}"
        if name not in most:
            yield f"{head}.  No limit is specified"
        elif most[name] > amount(value):
            yield f"{head}, but limit is {_told(most, name)}"
        elif name in asked and asked[name] > amount(value):
            yield f"{head}, but request is {_told(asked, name)}"
    for name, value in sorted(mapping(item, "maxLimitRequestRatio").items()):
        head = f"{name} max limit to request ratio per {kind} is {value}, but "
        if not asked.get(name):
            yield f"{head}no request is specified or request is 0"
        elif not most.get(name):
            yield f"{head}no limit is specified or limit is 0"
        elif most[name] / asked[name] > amount(value):
            yield f"{head}provided ratio is {float(most[name] / asked[name]):f}"


def _least(item: JsonObject, asked: Amounts, most: Amounts) -> Iterator[str]:
    for name, value in sorted(mapping(item, "min").items()):
        head = f"minimum {name} usage per {text(item, 'type')} is {value}"
        if name not in asked:
            yield f"{head}.  No request is specified"
        elif asked[name] < amount(value):
            yield f"{head}, but request is {_told(asked, name)}"
        elif name in most and most[name] < amount(value):
            yield f"{head}, but limit is {_told(most, name)}"


def _told(values: Amounts, name: str) -> str:
    """In the spelling of sizes for what is counted in bytes."""
    value = values[name]
    is_size = name in ("memory", "storage", "ephemeral-storage") and value.denominator == 1
    return canonical(f"{value.numerator // 1024}Ki") if is_size and value % 1024 == 0 else _decimal(value)


def _decimal(value: Any) -> str:
    nano = -(-value.numerator * 10**9 // value.denominator)
    return canonical(f"{nano}n")
