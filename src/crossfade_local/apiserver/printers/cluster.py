"""Rows of the cluster's own kinds: namespaces, nodes, data, access rules, events."""

from datetime import datetime
from fractions import Fraction
from typing import Any, Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.printers.columns import NONE, UNSET, name_of
from crossfade_local.apiserver.printers.durations import age, human_duration, since
from crossfade_local.pod_resources import amount
from crossfade_local.quantity import canonical
from crossfade_local.values.fields import at, flag, mapping, number, objects, sequence, text

_UNKNOWN: Final = "<unknown>"
_ROLE_PREFIX: Final = "node-role.kubernetes.io/"
_MODES: Final = {
    "ReadWriteOnce": "RWO",
    "ReadOnlyMany": "ROX",
    "ReadWriteMany": "RWX",
    "ReadWriteOncePod": "RWOP",
}


def namespace_cells(obj: JsonObject, now: datetime, /) -> list[Any]:
    return [name_of(obj), text(obj, "status", "phase"), age(obj, now)]


def node_cells(obj: JsonObject, now: datetime, /) -> list[Any]:
    info = mapping(obj, "status", "nodeInfo")
    addresses = objects(obj, "status", "addresses")
    return [
        name_of(obj),
        _node_status(obj),
        _node_roles(mapping(obj, "metadata", "labels")),
        age(obj, now),
        text(info, "kubeletVersion"),
        _node_address(addresses, "InternalIP"),
        _node_address(addresses, "ExternalIP"),
        *(text(info, name) or _UNKNOWN for name in ("osImage", "kernelVersion", "containerRuntimeVersion")),
    ]


def _node_status(obj: JsonObject) -> str:
    ready = [text(item, "status") for item in objects(obj, "status", "conditions") if text(item, "type") == "Ready"]
    found = ["Ready" if ready[0] == "True" else "NotReady"] if ready else ["Unknown"]
    if flag(obj, "spec", "unschedulable"):
        found.append("SchedulingDisabled")
    return ",".join(found)


def _node_roles(labels: JsonObject) -> str:
    found = {key.removeprefix(_ROLE_PREFIX) for key in labels if key.startswith(_ROLE_PREFIX)}
    found.add(labels.get("kubernetes.io/role") or "")
    return ",".join(sorted(found - {""})) or NONE


def _node_address(addresses: list[JsonObject], kind: str) -> str:
    return next((text(item, "address") for item in addresses if text(item, "type") == kind), NONE)


def config_map_cells(obj: JsonObject, now: datetime, /) -> list[Any]:
    return [name_of(obj), len(mapping(obj, "data")) + len(mapping(obj, "binaryData")), age(obj, now)]


def secret_cells(obj: JsonObject, now: datetime, /) -> list[Any]:
    return [name_of(obj), text(obj, "type"), len(mapping(obj, "data")), age(obj, now)]


def plain_cells(obj: JsonObject, now: datetime, /) -> list[Any]:
    return [name_of(obj), age(obj, now)]


def created_cells(obj: JsonObject, _now: datetime, /) -> list[Any]:
    return [name_of(obj), text(obj, "metadata", "creationTimestamp")]


def lease_cells(obj: JsonObject, now: datetime, /) -> list[Any]:
    return [name_of(obj), text(obj, "spec", "holderIdentity"), age(obj, now)]


def webhooks_cells(obj: JsonObject, now: datetime, /) -> list[Any]:
    return [name_of(obj), len(sequence(obj, "webhooks")), age(obj, now)]


def policy_cells(obj: JsonObject, now: datetime, /) -> list[Any]:
    kind = at(obj, "spec", "paramKind")
    shown = f"{text(kind, 'apiVersion')}/{text(kind, 'kind')}" if kind else UNSET
    count = len(sequence(obj, "spec", "validations")) + len(sequence(obj, "spec", "mutations"))
    return [name_of(obj), count, shown, age(obj, now)]


def policy_binding_cells(obj: JsonObject, now: datetime, /) -> list[Any]:
    """A parameter without a namespace may be cluster-scoped, or of the request's namespace."""
    reference = mapping(obj, "spec", "paramRef")
    shown = UNSET
    if name := text(reference, "name"):
        shown = f"{text(reference, 'namespace') or '*'}/{name}"
    elif reference.get("selector") is not None:
        shown = _go_selector(reference["selector"])
    return [name_of(obj), text(obj, "spec", "policyName"), shown, age(obj, now)]


def _go_selector(selector: JsonObject) -> str:
    """As Go writes a LabelSelector."""
    labels = ",".join(f"{key}: {value}," for key, value in sorted(mapping(selector, "matchLabels").items()))
    expressions = ",".join(
        f"LabelSelectorRequirement{{Key:{text(one, 'key')},Operator:{text(one, 'operator')},"
        f"Values:[{' '.join(sequence(one, 'values'))}],}}"
        for one in objects(selector, "matchExpressions")
    )
    listed = f"[]LabelSelectorRequirement{{{expressions}{',' if expressions else ''}}}"
    return f"&LabelSelector{{MatchLabels:map[string]string{{{labels}}},MatchExpressions:{listed},}}"


def binding_cells(obj: JsonObject, now: datetime, /) -> list[Any]:
    reference = mapping(obj, "roleRef")
    by_kind: dict[str, list[str]] = {"User": [], "Group": [], "ServiceAccount": []}
    for subject in objects(obj, "subjects"):
        name, kind = text(subject, "name"), text(subject, "kind")
        shown = f"{text(subject, 'namespace')}/{name}" if kind == "ServiceAccount" else name
        by_kind.setdefault(kind, []).append(shown)
    subjects = [", ".join(by_kind[kind]) for kind in ("User", "Group", "ServiceAccount")]
    return [name_of(obj), f"{text(reference, 'kind')}/{text(reference, 'name')}", age(obj, now), *subjects]


def event_cells(obj: JsonObject, now: datetime, /) -> list[Any]:
    """Of a core Event; the name comes last, as in kubectl's wide output."""
    first = since(obj.get("firstTimestamp") or obj.get("eventTime"), now)
    last = since(obj["lastTimestamp"], now) if obj.get("lastTimestamp") else first
    count = number(obj, "count") or 1
    series = obj.get("series")
    if isinstance(series, dict):
        last, count = since(series.get("lastObservedTime"), now), number(series, "count")
    subject = mapping(obj, "involvedObject")
    target = text(subject, "kind").lower() + (f"/{text(subject, 'name')}" if text(subject, "name") else "")
    component = text(obj, "source", "component") or text(obj, "reportingComponent")
    instance = text(obj, "source", "host") or text(obj, "reportingInstance")
    return [
        last,
        text(obj, "type"),
        text(obj, "reason"),
        target,
        text(subject, "fieldPath"),
        f"{component}, {instance}" if instance else component,
        text(obj, "message").strip(),
        first,
        count,
        name_of(obj),
    ]


def claim_cells(obj: JsonObject, now: datetime, /) -> list[Any]:
    spec, status = mapping(obj, "spec"), mapping(obj, "status")
    bound = bool(text(spec, "volumeName"))
    phase = "Terminating" if at(obj, "metadata", "deletionTimestamp") else text(status, "phase")
    return [
        name_of(obj),
        phase,
        text(spec, "volumeName"),
        str(mapping(status, "capacity").get("storage", "")) if bound else "",
        _modes(sequence(status, "accessModes")) if bound else "",
        text(spec, "storageClassName"),
        text(spec, "volumeAttributesClassName") or UNSET,
        age(obj, now),
        text(spec, "volumeMode") or UNSET,
    ]


def volume_cells(obj: JsonObject, now: datetime, /) -> list[Any]:
    spec, claim = mapping(obj, "spec"), mapping(obj, "spec", "claimRef")
    phase = "Terminating" if at(obj, "metadata", "deletionTimestamp") else text(obj, "status", "phase")
    return [
        name_of(obj),
        str(mapping(spec, "capacity").get("storage", "")),
        _modes(sequence(spec, "accessModes")),
        text(spec, "persistentVolumeReclaimPolicy"),
        phase,
        f"{text(claim, 'namespace')}/{text(claim, 'name')}" if claim else "",
        text(spec, "storageClassName"),
        text(spec, "volumeAttributesClassName") or UNSET,
        text(obj, "status", "reason"),
        age(obj, now),
        text(spec, "volumeMode") or UNSET,
    ]


def _modes(modes: list[Any]) -> str:
    return ",".join(_MODES.get(mode, mode) for mode in dict.fromkeys(modes))


def request_cells(obj: JsonObject, now: datetime, /) -> list[Any]:
    """Of a CertificateSigningRequest."""
    seconds = at(obj, "spec", "expirationSeconds")
    asked = human_duration(seconds) if isinstance(seconds, int) else NONE
    kinds = {text(item, "type") for item in objects(obj, "status", "conditions")}
    shown = ["Denied"] if "Denied" in kinds else ["Approved"] if "Approved" in kinds else []
    shown += ["Failed"] if "Failed" in kinds else []
    shown += ["Issued"] if text(obj, "status", "certificate") else []
    condition = ",".join(shown) or "Pending"
    return [
        name_of(obj),
        age(obj, now),
        text(obj, "spec", "signerName"),
        text(obj, "spec", "username"),
        asked,
        condition,
    ]


def priority_class_cells(obj: JsonObject, now: datetime, /) -> list[Any]:
    policy = text(obj, "preemptionPolicy")
    return [name_of(obj), number(obj, "value"), flag(obj, "globalDefault"), age(obj, now), policy]


def storage_class_cells(obj: JsonObject, now: datetime, /) -> list[Any]:
    name = name_of(obj)
    if mapping(obj, "metadata", "annotations").get("storageclass.kubernetes.io/is-default-class") == "true":
        name += " (default)"
    return [
        name,
        text(obj, "provisioner"),
        text(obj, "reclaimPolicy") or "Delete",
        text(obj, "volumeBindingMode") or UNSET,
        flag(obj, "allowVolumeExpansion"),
        age(obj, now),
    ]


def runtime_class_cells(obj: JsonObject, now: datetime, /) -> list[Any]:
    return [name_of(obj), text(obj, "handler"), age(obj, now)]


def quota_cells(obj: JsonObject, now: datetime, /) -> list[Any]:
    hard, used = mapping(obj, "status", "hard"), mapping(obj, "status", "used")
    shown: dict[bool, list[str]] = {True: [], False: []}
    for name in sorted(hard):
        shown[name.startswith("limits")].append(f"{name}: {used.get(name, 0)}/{hard[name]}")
    return [name_of(obj), ", ".join(shown[False]), ", ".join(shown[True]), age(obj, now)]


def controller_revision_cells(obj: JsonObject, now: datetime, /) -> list[Any]:
    owners = [item for item in objects(obj, "metadata", "ownerReferences") if flag(item, "controller")]
    controller = NONE
    if owners:
        group = text(owners[0], "apiVersion").rpartition("/")[0]
        kind = text(owners[0], "kind").lower()
        controller = f"{kind}{f'.{group}' if group else ''}/{text(owners[0], 'name')}"
    return [name_of(obj), controller, number(obj, "revision"), age(obj, now)]


def api_service_cells(obj: JsonObject, now: datetime, /) -> list[Any]:
    service = at(obj, "spec", "service")
    backend = f"{text(service, 'namespace')}/{text(service, 'name')}" if isinstance(service, dict) else "Local"
    available = next((item for item in objects(obj, "status", "conditions") if text(item, "type") == "Available"), None)
    shown = "Unknown"
    if available is not None:
        shown = text(available, "status")
        if shown != "True" and text(available, "reason"):
            shown += f" ({text(available, 'reason')})"
    return [name_of(obj), backend, shown, age(obj, now)]


def scale_cells(obj: JsonObject, now: datetime, /) -> list[Any]:
    return [name_of(obj), number(obj, "spec", "replicas"), number(obj, "status", "replicas"), age(obj, now)]


def node_usage_cells(obj: JsonObject, _now: datetime, /) -> list[Any]:
    return [name_of(obj), *_usage([mapping(obj, "usage")]), text(obj, "window")]


def pod_usage_cells(obj: JsonObject, _now: datetime, /) -> list[Any]:
    return [name_of(obj), *_usage([mapping(one, "usage") for one in objects(obj, "containers")]), text(obj, "window")]


def _usage(parts: list[JsonObject]) -> list[str]:
    cpu, memory = (sum((amount(part.get(name, 0)) for part in parts), Fraction()) for name in ("cpu", "memory"))
    return [canonical(f"{round(cpu * 10**9)}n"), canonical(f"{memory // 1024}Ki")]
