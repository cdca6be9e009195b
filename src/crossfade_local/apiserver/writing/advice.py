"""Warnings for objects that are accepted but ask for trouble, in Kubernetes' words (HTTP header Warning: 299)."""

import base64
from collections.abc import Callable, Iterator
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.validation.names import dns_label
from crossfade_local.apiserver.values.gotext import plain
from crossfade_local.apiserver.writing.pod_fields import unhonoured_fields
from crossfade_local.apiserver.writing.pod_warnings import pod_warnings
from crossfade_local.apiserver.writing.unheeded import unheeded_security
from crossfade_local.values.fields import at, mapping, number, objects, text

_NAMES_OF_PODS: Final = frozenset({"Deployment", "Job", "ReplicaSet", "ReplicationController"})
"""Kinds whose name their pods' begin with, and may be no name of a host."""
_WORKLOADS: Final = frozenset(
    {
        ("", "ReplicationController"),
        ("apps", "DaemonSet"),
        ("apps", "Deployment"),
        ("apps", "ReplicaSet"),
        ("apps", "StatefulSet"),
        ("batch", "CronJob"),
        ("batch", "Job"),
    }
)
_ALWAYS: Final = frozenset({("", "Secret"), ("", "Service")})
_CLASS_ANNOTATION: Final = "kubernetes.io/ingress.class"


def warnings_on_create(kind_key: tuple[str, str, str], obj: JsonObject) -> list[str]:
    """For an object in stored form; `kind_key` is (group, version, kind) of that form."""
    check = _CHECKS.get((kind_key[0], kind_key[2]))
    return list(check(obj)) if check else []


def warnings_on_update(kind_key: tuple[str, str, str], new: JsonObject, old: JsonObject) -> list[str]:
    """The same of a new version: workloads are spoken of when their spec changes, pods and Ingresses never again."""
    key = kind_key[0], kind_key[2]
    if key in _WORKLOADS and new.get("spec") == old.get("spec"):
        return []
    return warnings_on_create(kind_key, new) if key in _WORKLOADS or key in _ALWAYS else []


def _service(obj: JsonObject) -> Iterator[str]:
    if at(obj, "spec", "externalIPs"):
        yield "spec.externalIPs is deprecated and may no longer be implemented in some clusters"


def _secret(obj: JsonObject) -> Iterator[str]:
    if obj.get("type") == "kubernetes.io/tls":
        for key, called in (("tls.crt", "certificate"), ("tls.key", "key")):
            if not _has_pem(text(obj, "data", key)):
                yield f"tls: failed to find any PEM data in {called} input"
                return


def _has_pem(encoded: str) -> bool:
    try:
        return b"-----BEGIN " in base64.b64decode(encoded)
    except ValueError:
        return False


def _stateful_set(obj: JsonObject) -> Iterator[str]:
    yield from _workload(obj)
    if number(obj, "spec", "revisionHistoryLimit") < 0:
        said = "a negative value retains all historical revisions; a value >= 0 is recommended"
        yield f"spec.revisionHistoryLimit: {said}"


def _ingress(obj: JsonObject) -> Iterator[str]:
    annotations = mapping(obj, "metadata", "annotations")
    if _CLASS_ANNOTATION in annotations and at(obj, "spec", "ingressClassName") is None:
        yield f"annotation \"{_CLASS_ANNOTATION}\" is deprecated, please use 'spec.ingressClassName' instead"


def _pod(obj: JsonObject) -> Iterator[str]:
    yield from _host_name(obj, "the Pod's hostname")
    yield from _pod_spec("spec", mapping(obj, "spec"))


def _workload(obj: JsonObject) -> Iterator[str]:
    if obj.get("kind") in _NAMES_OF_PODS:
        yield from _host_name(obj, "Pod names and hostnames")
    yield from _pod_spec("spec.template.spec", mapping(obj, "spec", "template", "spec"))


def _cron_job(obj: JsonObject) -> Iterator[str]:
    path = ("spec", "jobTemplate", "spec", "template", "spec")
    yield from _host_name(obj, "Pod names and hostnames")
    yield from _pod_spec(".".join(path), mapping(obj, *path))


def _host_name(obj: JsonObject, use: str) -> Iterator[str]:
    name = text(obj, "metadata", "name")
    faults = dns_label(name)
    if name and faults:
        said = f"this is used in {use}, which can result in surprising behavior; a DNS label is recommended"
        yield f"metadata.name: {said}: {plain(faults)}"


def _pod_spec(field: str, spec: JsonObject) -> Iterator[str]:
    if number(spec, "terminationGracePeriodSeconds") < 0:
        said = "must be >= 0; negative values are invalid and will be treated as 1"
        yield f"{field}.terminationGracePeriodSeconds: {said}"
    yield from pod_warnings(field, spec)
    yield from unheeded_security(field, spec)
    yield from unhonoured_fields(field, spec)
    seen: dict[tuple[str, int], str] = {}
    for name in ("initContainers", "containers"):
        for index, container in enumerate(objects(spec, name)):
            place = f"{field}.{name}[{index}]"
            yield from _hidden_variables(f"{place}.env", objects(container, "env"))
            if name == "containers":
                yield from _duplicate_ports(f"{place}.ports", objects(container, "ports"), seen)


def _hidden_variables(field: str, variables: list[JsonObject]) -> Iterator[str]:
    taken: set[str] = set()
    for index, variable in enumerate(variables):
        name = text(variable, "name")
        # A variable that is built from its own earlier value is meant to be there twice.
        if name in taken and f"$({name})" not in text(variable, "value"):
            yield f'{field}[{index}]: hides previous definition of "{name}", which may be dropped when using apply'
        taken.add(name)


def _duplicate_ports(field: str, ports: list[JsonObject], seen: dict[tuple[str, int], str]) -> Iterator[str]:
    for index, port in enumerate(ports):
        place, key = f"{field}[{index}]", (text(port, "protocol"), number(port, "containerPort"))
        if key in seen:
            yield f"{place}: duplicate port definition with {seen[key]}"
        seen.setdefault(key, place)


_CHECKS: Final[dict[tuple[str, str], Callable[[JsonObject], Iterator[str]]]] = {
    ("", "Pod"): _pod,
    ("", "ReplicationController"): _workload,
    ("", "Secret"): _secret,
    ("", "Service"): _service,
    ("apps", "DaemonSet"): _workload,
    ("apps", "Deployment"): _workload,
    ("apps", "ReplicaSet"): _workload,
    ("apps", "StatefulSet"): _stateful_set,
    ("batch", "CronJob"): _cron_job,
    ("batch", "Job"): _workload,
    ("networking.k8s.io", "Ingress"): _ingress,
}
