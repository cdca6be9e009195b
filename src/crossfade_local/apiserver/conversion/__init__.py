"""Older API versions of built-in kinds, to and from the one version that is stored."""

from collections.abc import Callable
from typing import Final

from crossfade_kube.core.ingress_v1beta1 import ingress_v1_from_v1beta1
from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.conversion.autoscaler import autoscaler_v1_from_v2, autoscaler_v2_from_v1
from crossfade_local.apiserver.conversion.definition import crd_v1_from_v1beta1, crd_v1beta1_from_v1
from crossfade_local.apiserver.conversion.event import core_event_from_modern, modern_event_from_core
from crossfade_local.apiserver.conversion.ingress import ingress_v1beta1_from_v1

__all__ = ["from_storage", "to_storage"]

_Convert = Callable[[JsonObject], JsonObject]
_TO: Final[dict[tuple[str, str, str], _Convert]] = {
    ("apiextensions.k8s.io", "v1beta1", "CustomResourceDefinition"): crd_v1_from_v1beta1,
    ("autoscaling", "v1", "HorizontalPodAutoscaler"): autoscaler_v2_from_v1,
    ("events.k8s.io", "v1", "Event"): core_event_from_modern,
    ("events.k8s.io", "v1beta1", "Event"): core_event_from_modern,
    ("extensions", "v1beta1", "Ingress"): ingress_v1_from_v1beta1,
    ("networking.k8s.io", "v1beta1", "Ingress"): ingress_v1_from_v1beta1,
}
_FROM: Final[dict[tuple[str, str, str], _Convert]] = {
    ("apiextensions.k8s.io", "v1beta1", "CustomResourceDefinition"): crd_v1beta1_from_v1,
    ("autoscaling", "v1", "HorizontalPodAutoscaler"): autoscaler_v1_from_v2,
    ("events.k8s.io", "v1", "Event"): modern_event_from_core,
    ("events.k8s.io", "v1beta1", "Event"): modern_event_from_core,
    ("extensions", "v1beta1", "Ingress"): ingress_v1beta1_from_v1,
    ("networking.k8s.io", "v1beta1", "Ingress"): ingress_v1beta1_from_v1,
}
# Kinds that only an old version has: it is the one that is stored.
_UNIQUE: Final = frozenset({("policy", "v1beta1", "PodSecurityPolicy")})
# Groups whose v1beta1 differs from v1 in name only, for the kinds served here.
_RENAMED: Final = frozenset(
    {
        "admissionregistration.k8s.io",
        "batch",
        "coordination.k8s.io",
        "networking.k8s.io",
        "policy",
        "rbac.authorization.k8s.io",
        "scheduling.k8s.io",
        "storage.k8s.io",
    }
)


def renamed(gvk: tuple[str, str, str]) -> str:
    """The version of the group in which a kind of version `gvk` looks the same; empty if it has a form of its own."""
    group, version, _kind = gvk
    if gvk in _TO or gvk in _UNIQUE:
        return ""
    if version == "v1beta1" and group in _RENAMED:
        return "v1"
    return "v2" if (group, version) == ("autoscaling", "v2beta2") else ""


def to_storage(gvk: tuple[str, str, str], obj: JsonObject) -> JsonObject:
    """The stored form of an object in version `gvk` = (group, version, kind); the argument stays as it is."""
    convert = _TO.get(gvk)
    if convert is not None:
        return convert(obj)
    stored = renamed(gvk)
    return {**obj, "apiVersion": f"{gvk[0]}/{stored}"} if stored else obj


def from_storage(gvk: tuple[str, str, str], obj: JsonObject) -> JsonObject:
    """A stored object as version `gvk` shows it; the argument stays as it is."""
    group, version, _kind = gvk
    convert = _FROM.get(gvk)
    if convert is not None:
        return {**convert(obj), "apiVersion": f"{group}/{version}"}
    return {**obj, "apiVersion": f"{group}/{version}"} if renamed(gvk) else obj
