"""What exists in every cluster from the start: namespaces, the API's own Service, default classes and roles."""

import uuid
from datetime import datetime
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.admission import priorities
from crossfade_local.apiserver.admission.storage import DEFAULT_CLASS as DEFAULT_CLASS_ANNOTATION
from crossfade_local.apiserver.security.default_roles import default_roles
from crossfade_local.apiserver.state.storage import Storage
from crossfade_local.apiserver.types.registry import Registry
from crossfade_local.apiserver.writing.strategies import timestamp
from crossfade_local.local_volumes import DRIVER

NAMESPACES: Final = ("default", "kube-system", "kube-public", "kube-node-lease")
_DEFAULT_CLASS: Final = "local-path"
# "standard" is what manifests made for other local clusters ask for.
_STORAGE_CLASSES: Final = (_DEFAULT_CLASS, "standard")
API_ADDRESS: Final = "10.96.0.1"


async def make_builtin_objects(storage: Storage, registry: Registry, now: datetime) -> None:
    """Make what is missing; what is there, a user may have changed, and stays."""
    for bucket, namespace, obj in _objects():
        name = obj["metadata"]["name"]
        resource = registry.by_bucket(bucket)
        if resource is None or storage.get(bucket, namespace, name) is not None:
            continue
        metadata = {"uid": str(uuid.uuid4()), "creationTimestamp": timestamp(now), **obj["metadata"]}
        if namespace:
            metadata["namespace"] = namespace
        head = {"kind": resource.kind, "apiVersion": resource.api_version}
        await storage.create(bucket, namespace, name, {**head, **obj, "metadata": metadata})


def _objects() -> list[tuple[str, str, JsonObject]]:
    found: list[tuple[str, str, JsonObject]] = [("/namespaces", "", _namespace(name)) for name in NAMESPACES]
    found.append(("/services", "default", _api_service()))
    found += [("storage.k8s.io/storageclasses", "", _storage_class(name)) for name in _STORAGE_CLASSES]
    found += [(priorities.CLASSES, "", one) for one in priorities.SYSTEM_CLASSES]
    return [*found, *default_roles()]


def _namespace(name: str) -> JsonObject:
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}},
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Active"},
    }


def _storage_class(name: str) -> JsonObject:
    is_default = "true" if name == _DEFAULT_CLASS else "false"
    return {
        "metadata": {"name": name, "annotations": {DEFAULT_CLASS_ANNOTATION: is_default}},
        "provisioner": DRIVER,
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "WaitForFirstConsumer",
        "allowVolumeExpansion": False,
    }


def _api_service() -> JsonObject:
    return {
        "metadata": {"name": "kubernetes", "labels": {"component": "apiserver", "provider": "kubernetes"}},
        "spec": {
            "clusterIP": API_ADDRESS,
            "clusterIPs": [API_ADDRESS],
            "internalTrafficPolicy": "Cluster",
            "ipFamilies": ["IPv4"],
            "ipFamilyPolicy": "SingleStack",
            "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 443}],
            "sessionAffinity": "None",
            "type": "ClusterIP",
        },
        "status": {"loadBalancer": {}},
    }
