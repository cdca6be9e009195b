"""Claims without a class get the default one; claims and volumes are protected from the start."""

from collections.abc import Callable
from typing import Any, Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.admission.attributes import Attributes
from crossfade_local.apiserver.state.storage import Storage
from crossfade_local.apiserver.wire.status import forbidden

DEFAULT_CLASS: Final = "storageclass.kubernetes.io/is-default-class"
_OLD_DEFAULT_CLASS: Final = "storageclass.beta.kubernetes.io/is-default-class"
_CLASSES: Final = "storage.k8s.io/storageclasses"
_PROTECTION: Final = {
    "/persistentvolumeclaims": "kubernetes.io/pvc-protection",
    "/persistentvolumes": "kubernetes.io/pv-protection",
}
_OLD_CLASS: Final = "volume.beta.kubernetes.io/storage-class"


def default_class(storage: Storage) -> Callable[[Attributes], None]:
    """The newest of several. An empty class name asks for none."""

    def step(attributes: Attributes) -> None:
        claim = attributes.new
        if attributes.operation != "CREATE" or attributes.bucket != "/persistentvolumeclaims" or claim is None:
            return
        annotations = claim["metadata"].get("annotations") or {}
        if claim.setdefault("spec", {}).get("storageClassName") is not None or _OLD_CLASS in annotations:
            return
        found = [stored.object for stored in storage.scan(_CLASSES) if _is_default(stored.object)]
        if found:
            newest = max(item["metadata"]["creationTimestamp"] for item in found)
            names = [item["metadata"]["name"] for item in found if item["metadata"]["creationTimestamp"] == newest]
            claim["spec"]["storageClassName"] = min(names)

    return step


def only_growing_classes(storage: Storage) -> Callable[[Attributes], None]:
    """A claim may ask for more only where its class allows that."""

    def step(attributes: Attributes) -> None:
        new, old = attributes.new, attributes.old
        if attributes.bucket != "/persistentvolumeclaims" or attributes.subresource or new is None or old is None:
            return
        if _requested(new) == _requested(old):
            return
        stored = storage.get(_CLASSES, "", old["spec"].get("storageClassName") or "")
        if stored is None or not stored.object.get("allowVolumeExpansion"):
            text = (
                "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must "
                "support resize"
            )
            raise forbidden("persistentvolumeclaims", "", attributes.name, text)

    return step


def _requested(claim: JsonObject) -> Any:
    return ((claim["spec"].get("resources") or {}).get("requests") or {}).get("storage")


def protect(attributes: Attributes) -> None:
    """Deleted while in use they stay until the last user is gone."""
    finalizer = _PROTECTION.get(attributes.bucket)
    if attributes.operation != "CREATE" or attributes.subresource or finalizer is None or attributes.new is None:
        return
    finalizers = attributes.new["metadata"].setdefault("finalizers", [])
    if finalizer not in finalizers:
        finalizers.append(finalizer)


def _is_default(storage_class: JsonObject) -> bool:
    annotations = storage_class["metadata"].get("annotations") or {}
    return "true" in (annotations.get(DEFAULT_CLASS), annotations.get(_OLD_DEFAULT_CLASS))
