"""What one object takes from the quotas of its namespace, and which quotas look at it; pure."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, Final

from crossfade_kube.meta import JsonObject
from crossfade_local.pod_resources import Amounts, amount, containers_of, pod_amounts
from crossfade_local.values.fields import mapping, objects, sequence, text

PODS: Final = "/pods"
_ONE: Final = Fraction(1)
_BASIC: Final = frozenset({"cpu", "memory", "ephemeral-storage"})
_COUNTED: Final = frozenset(
    {"configmaps", "persistentvolumeclaims", "replicationcontrollers", "resourcequotas", "secrets", "services"}
)
"""Core kinds that are also counted by their bare name; pods are while they run."""
_CLASS: Final = ".storageclass.storage.k8s.io/"


def usage(bucket: str, obj: JsonObject | None) -> Amounts:
    """`bucket` is GROUP/PLURAL."""
    if obj is None:
        return {}
    group, _, plural = bucket.partition("/")
    used: Amounts = {f"count/{plural}.{group}" if group else f"count/{plural}": _ONE}
    if group:
        return used
    if plural in _COUNTED:
        used[plural] = _ONE
    if plural == "pods" and not is_over(obj):
        used |= _of_pod(obj)
    elif plural == "services":
        used |= _of_service(obj)
    elif plural == "persistentvolumeclaims":
        used |= _of_claim(obj)
    return used


def is_over(pod: JsonObject) -> bool:
    return text(pod, "status", "phase") in ("Succeeded", "Failed")


def _of_pod(pod: JsonObject) -> Amounts:
    used: Amounts = {"pods": _ONE}
    for name, value in pod_amounts(pod, "requests").items():
        used[f"requests.{name}"] = value
        if name in _BASIC or name.startswith("hugepages-"):
            used[name] = value
    for name, value in pod_amounts(pod, "limits").items():
        if name in _BASIC:
            used[f"limits.{name}"] = value
    return used


def _of_service(service: JsonObject) -> Amounts:
    kind, ports = text(service, "spec", "type"), objects(service, "spec", "ports")
    if kind == "NodePort":
        return {"services.nodeports": Fraction(len(ports))}
    if kind != "LoadBalancer":
        return {}
    given = len(ports)
    if service["spec"].get("allocateLoadBalancerNodePorts") is False:
        given = sum(bool(port.get("nodePort")) for port in ports)
    return {"services.loadbalancers": _ONE, "services.nodeports": Fraction(given)}


def _of_claim(claim: JsonObject) -> Amounts:
    size = amount(mapping(claim, "spec", "resources", "requests").get("storage", "0"))
    used: Amounts = {"requests.storage": size}
    if name := text(claim, "spec", "storageClassName"):
        used[f"{name}{_CLASS}requests.storage"] = size
        used[f"{name}{_CLASS}persistentvolumeclaims"] = _ONE
    return used


def looks_at(quota: JsonObject, bucket: str, obj: JsonObject) -> bool:
    """By the quota's scopes, which are about pods only."""
    spec = mapping(quota, "spec")
    wanted = [{"scopeName": name, "operator": "Exists"} for name in sequence(spec, "scopes")]
    wanted += objects(spec, "scopeSelector", "matchExpressions")
    return not wanted or (bucket == PODS and all(_in_scope(one, obj) for one in wanted))


def _in_scope(scope: JsonObject, pod: JsonObject) -> bool:
    match text(scope, "scopeName"):
        case "Terminating":
            return mapping(pod, "spec").get("activeDeadlineSeconds") is not None
        case "NotTerminating":
            return mapping(pod, "spec").get("activeDeadlineSeconds") is None
        case "BestEffort":
            return is_best_effort(pod)
        case "NotBestEffort":
            return not is_best_effort(pod)
        case "PriorityClass":
            return _has_priority(scope, text(pod, "spec", "priorityClassName"))
        case "CrossNamespacePodAffinity":
            return any(_crosses(term) for term in _pod_terms(pod))
    return False


def is_best_effort(pod: JsonObject) -> bool:
    """Asks for neither CPU nor memory."""
    return not any(
        amount(mapping(container, "resources", kind).get(name, "0"))
        for container in containers_of(mapping(pod, "spec"))
        for kind in ("requests", "limits")
        for name in ("cpu", "memory")
    )


def _has_priority(scope: JsonObject, name: str) -> bool:
    values = sequence(scope, "values")
    match text(scope, "operator"):
        case "In":
            return name in values
        case "NotIn":
            return name not in values
        case "DoesNotExist":
            return not name
    return bool(name)


def _pod_terms(pod: JsonObject) -> Iterator[JsonObject]:
    for kind in ("podAffinity", "podAntiAffinity"):
        terms = mapping(pod, "spec", "affinity", kind)
        yield from objects(terms, "requiredDuringSchedulingIgnoredDuringExecution")
        for one in objects(terms, "preferredDuringSchedulingIgnoredDuringExecution"):
            yield mapping(one, "podAffinityTerm")


def _crosses(term: JsonObject) -> bool:
    return bool(sequence(term, "namespaces")) or term.get("namespaceSelector") is not None


def missing(quota: JsonObject, pod: JsonObject) -> str:
    """What the containers would have to say for the quota to be counted, and do not; empty if nothing."""
    needed = sorted(name for name in mapping(quota, "spec", "hard") if _names_basic(name))
    told = []
    for name in needed:
        kind, _, resource = name.rpartition(".")
        silent = [
            container["name"]
            for container in containers_of(mapping(pod, "spec"))
            if resource not in mapping(container, "resources", kind or "requests")
        ]
        if silent and resource not in mapping(pod, "spec", "resources", kind or "requests"):
            told.append(f"{name} for: {','.join(sorted(silent))}")
    return "; ".join(told)


def _names_basic(name: str) -> bool:
    kind, _, resource = name.rpartition(".")
    return resource in _BASIC and resource != "ephemeral-storage" and kind in ("", "requests", "limits")


def listed(values: dict[str, Any]) -> str:
    return ",".join(f"{name}={values[name]}" for name in sorted(values))
