"""An Ingress without a class gets the default one, if the cluster has one (the newest of several)."""

from collections.abc import Callable
from typing import Final

from crossfade_local.apiserver.admission.attributes import Attributes
from crossfade_local.apiserver.state.storage import Storage

_DEFAULT: Final = "ingressclass.kubernetes.io/is-default-class"
_OLD_CLASS: Final = "kubernetes.io/ingress.class"


def default_class(storage: Storage) -> Callable[[Attributes], None]:
    def step(attributes: Attributes) -> None:
        ingress = attributes.new
        if attributes.operation != "CREATE" or attributes.bucket != "networking.k8s.io/ingresses" or ingress is None:
            return
        annotations = ingress["metadata"].get("annotations") or {}
        if ingress.get("spec", {}).get("ingressClassName") is not None or _OLD_CLASS in annotations:
            return
        found = [
            stored.object
            for stored in storage.scan("networking.k8s.io/ingressclasses")
            if (stored.object["metadata"].get("annotations") or {}).get(_DEFAULT) == "true"
        ]
        if not found:
            return
        newest = max(item["metadata"]["creationTimestamp"] for item in found)
        names = sorted(item["metadata"]["name"] for item in found if item["metadata"]["creationTimestamp"] == newest)
        ingress.setdefault("spec", {})["ingressClassName"] = names[0]

    return step
