"""What one metric of an autoscaler asks for, by what the API tells of pods; errors and names in Kubernetes' words."""

from datetime import datetime
from math import ceil
from typing import Final, NamedTuple

from crossfade_kube.client import Client
from crossfade_kube.errors import ApiError, KubeError
from crossfade_kube.meta import JsonObject, Resource
from crossfade_kube.resources import POD
from crossfade_local.controllers.autoscaling.usage import (
    CannotTellError,
    Goal,
    Proposal,
    Tolerance,
    propose,
    requests_of,
    used_by_pods,
)
from crossfade_local.controllers.objects import shown_selector
from crossfade_local.pod_resources import amount
from crossfade_local.quantity import canonical
from crossfade_local.values.fields import mapping, text

POD_METRICS: Final = Resource("metrics.k8s.io", "v1beta1", "pods", "PodMetrics", namespaced=True)
_NO_CUSTOM: Final = (
    "unable to fetch metrics from custom metrics API: no custom metrics API (custom.metrics.k8s.io) registered"
)
_NO_EXTERNAL: Final = (
    "unable to fetch metrics from external metrics API: the server could not find the requested resource "
    "(get {}.external.metrics.k8s.io)"
)


class Target(NamedTuple):
    """What is scaled, as its scale subresource shows it."""

    namespace: str
    selector: str
    replicas: int
    tolerance: Tolerance


class Measured(NamedTuple):
    replicas: int
    name: str
    status: JsonObject


class UnmeasuredError(Exception):
    """`reason` and the text are for the condition; `prefix` precedes it where several metrics are summed up."""

    def __init__(self, reason: str, message: str, prefix: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.prefix = prefix


async def measure(client: Client, target: Target, metric: JsonObject, now: datetime) -> Measured:
    """Raises UnmeasuredError."""
    kind = text(metric, "type")
    if kind == "Resource":
        return await _resource(client, target, mapping(metric, "resource"), "", now)
    if kind == "ContainerResource":
        source = mapping(metric, "containerResource")
        return await _resource(client, target, source, text(source, "container"), now)
    raise _unserved(target, kind, metric)


def _unserved(target: Target, kind: str, metric: JsonObject) -> UnmeasuredError:
    """The embedded cluster serves no other metrics."""
    source = mapping(metric, kind[:1].lower() + kind[1:])
    name = text(source, "metric", "name")
    if kind == "Pods":
        return UnmeasuredError(
            "FailedGetPodsMetric", f"unable to get metric {name}: {_NO_CUSTOM}", "failed to get pods metric value"
        )
    if kind == "Object":
        described = mapping(source, "describedObject")
        said = f"{text(described, 'kind')} on {target.namespace} {text(described, 'name')}/{_NO_CUSTOM}"
        return UnmeasuredError(
            "FailedGetObjectMetric", f"unable to get metric {name}: {said}", "failed to get object metric value"
        )
    if kind == "External":
        place = f"{target.namespace}/{name}/{shown_selector(mapping(source, 'metric').get('selector'))}"
        by_average = mapping(source, "target").get("averageValue") is not None
        tried = f"failed to get {name} external metric" if by_average else f"failed to get external metric {name}"
        return UnmeasuredError(
            "FailedGetExternalMetric",
            f"unable to get external metric {place}: {_NO_EXTERNAL.format(name)}",
            f"failed to get {name} external metric value: {tried}",
        )
    said = f'unknown metric source type "{kind}"'
    return UnmeasuredError("InvalidMetricSourceType", said, said)


async def _resource(client: Client, target: Target, source: JsonObject, container: str, now: datetime) -> Measured:
    name, wanted = text(source, "name"), mapping(source, "target")
    by_amount = wanted.get("averageValue") is not None
    key, reason, label = "resource", "FailedGetResourceMetric", f"{name} resource"
    prefix = f"failed to get {name} resource metric value"
    if container:
        key, reason, label = "containerResource", "FailedGetContainerResourceMetric", f"{name} container resource"
        prefix = f"failed to get {container} container metric value"
    try:
        found = await _proposal(client, target, name, container, wanted, now)
    except CannotTellError as error:
        kind = "usage" if by_amount else "utilization"
        raise UnmeasuredError(reason, f"failed to get {name} {kind}: {error}", prefix) from error
    current: JsonObject = {"averageValue": canonical(f"{found.average}m")}
    if found.share is not None:
        label = f"{label} utilization (percentage of request)"
        current["averageUtilization"] = found.share
    place = {"container": container} if container else {}
    status = {"type": key[0].upper() + key[1:], key: {"name": name, **place, "current": current}}
    return Measured(found.replicas, label, status)


async def _proposal(
    client: Client, target: Target, resource: str, container: str, wanted: JsonObject, now: datetime
) -> Proposal:
    """Raises CannotTellError."""
    try:
        metrics = await _listed(client, POD_METRICS, target)
        if not metrics:
            raise CannotTellError("no metrics returned from resource metrics API")
        used = used_by_pods(metrics, resource, container)
    except (KubeError, CannotTellError) as error:
        api = isinstance(error, KubeError)
        said = f"unable to fetch metrics from resource metrics API: {reason_of(error)}" if api else str(error)
        raise CannotTellError(f"unable to get metrics for resource {resource}: {said}") from error
    try:
        pods = await _listed(client, POD, target)
    except KubeError as error:
        said = f"unable to get pods while calculating replica count: {reason_of(error)}"
        raise CannotTellError(said) from error
    if not pods:
        raise CannotTellError("no pods returned by selector while calculating replica count")
    average, share = wanted.get("averageValue"), wanted.get("averageUtilization")
    if average is not None:
        goal = Goal(ceil(amount(average) * 1000))
    else:
        goal = Goal(int(share or 1), requests_of(pods, resource, container))
    return propose(
        target.replicas, goal, pods=pods, used=used, resource=resource, tolerance=target.tolerance, now=now
    )  # fmt: skip


async def _listed(client: Client, resource: Resource, target: Target) -> list[JsonObject]:
    found = await client.list(resource, namespace=target.namespace, label_selector=target.selector)
    return found.items


def reason_of(error: BaseException) -> str:
    return error.message if isinstance(error, ApiError) else str(error)
