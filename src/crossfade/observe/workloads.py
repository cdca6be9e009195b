"""Whose pods the proxies of a cluster are. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

from crossfade.observe.graph import Workload
from crossfade.observe.targets import MESH_PATH, targets_of
from crossfade_kube.meta import ObjectRef

_TOLD_BY: Final = {"envoy": "APPMESH_RESOURCE_ARN", "proxy": "APPMESH_VIRTUAL_NODE_NAME"}
"""The variable of a container that says which node its pod is."""


def workloads_of(
    pods: Iterable[Any], owners: Mapping[str, ObjectRef]
) -> tuple[tuple[Workload, ...], dict[str, Workload]]:
    """Nodes of meshes, and gateways without a sidecar by pod; one may be both. `owners` are by what pods are told to be
    (`mesh/…`).
    """
    ready: Counter[tuple[str, str]] = Counter()
    there: Counter[tuple[str, str]] = Counter()
    told: dict[tuple[str, str], Workload] = {}
    alone: dict[str, tuple[str, str]] = {}
    for pod in pods:
        targets = targets_of([pod])
        kinds = {target.kind for target in targets}
        is_by_itself = any(target.path == MESH_PATH for target in targets)
        namespace, path = pod["metadata"].get("namespace", ""), _path(pod)
        owner = owners.get(path)
        if "sidecar" in kinds and owner is not None:
            kind = "gateway" if owner.kind == "VirtualGateway" or "gateway" in kinds else "virtualNode"
            key = (owner.namespace or "", owner.name)
            told[key] = Workload(kind, *key, mesh=path.split("/")[1])  # type: ignore[arg-type] # one of two words
            if is_by_itself:
                alone[f"{namespace}/{pod['metadata']['name']}"] = key
        elif kinds == {"gateway"} or is_by_itself:
            key = (namespace, _deployment(pod))
            told[key] = Workload("gateway", *key)
            alone[f"{namespace}/{pod['metadata']['name']}"] = key
        else:
            continue
        there[key] += 1
        ready[key] += _is_ready(pod)
    for path, owner in owners.items():
        kind = "gateway" if owner.kind == "VirtualGateway" else "virtualNode"
        key = (owner.namespace or "", owner.name)
        told.setdefault(key, Workload(kind, *key, mesh=path.split("/")[1]))  # type: ignore[arg-type] # as above
    counted = {key: one._replace(ready=ready[key], desired=there[key]) for key, one in told.items()}
    by_pod = {pod: counted[key] for pod, key in alone.items()}
    return tuple(one for key, one in counted.items() if one.mesh or key not in alone.values()), by_pod


def _path(pod: Any) -> str:
    for container in (*(pod["spec"].get("initContainers") or ()), *(pod["spec"].get("containers") or ())):
        if told_by := _TOLD_BY.get(container["name"]):
            for variable in container.get("env") or ():
                if variable.get("name") == told_by:
                    return str(variable.get("value") or "")
    return ""


def _deployment(pod: Any) -> str:
    """By the name of its ReplicaSet; the pod's own name where it has none."""
    for owner in pod["metadata"].get("ownerReferences") or ():
        if owner.get("kind") == "ReplicaSet":
            return str(owner["name"]).rpartition("-")[0] or str(owner["name"])
    return str(pod["metadata"]["name"])


def _is_ready(pod: Any) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)
