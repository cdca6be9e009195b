"""Names of resources (`cpu`, `requests.storage`, `a.com/gpu`): which are known where, and which are counted whole."""

from collections.abc import Iterator
from typing import Final

from crossfade_local.apiserver.validation import names
from crossfade_local.apiserver.validation.errors import FieldError, each, invalid

_BASIC: Final = frozenset({"cpu", "memory", "ephemeral-storage"})
_COUNTED: Final = frozenset(
    {
        "configmaps", "persistentvolumeclaims", "pods", "replicationcontrollers", "resourcequotas", "secrets",
        "services", "services.loadbalancers", "services.nodeports",
    }
)  # fmt: skip
_OF_QUOTAS: Final = frozenset(
    {*_BASIC, *_COUNTED, "requests.storage"} | {f"{kind}.{name}" for kind in ("limits", "requests") for name in _BASIC}
)
_OF_PODS: Final = frozenset(
    {"pods", *(f"{kind}{name}" for kind in ("", "limits.", "requests.") for name in ("cpu", "memory"))}
)
_OF_SCOPES: Final = {
    "BestEffort": frozenset({"pods"}),
    "CrossNamespacePodAffinity": _OF_PODS,
    "NotBestEffort": _OF_PODS,
    "NotTerminating": _OF_PODS,
    "PriorityClass": _OF_PODS,
    "Terminating": _OF_PODS,
    "VolumeAttributesClass": frozenset({"persistentvolumeclaims", "requests.storage"}),
}
SCOPES: Final = frozenset(_OF_SCOPES)
_REQUESTS: Final = "requests."
_HUGE_PAGES: Final = "hugepages-"


def resource_name(field: str, name: str) -> Iterator[FieldError]:
    if problems := names.qualified_name(name):
        yield from each(field, name, problems)
    elif "/" not in name and name != "storage" and not _is_of_quotas(name):
        yield invalid(field, name, "must be a standard resource type or fully qualified")


def container_resource_name(field: str, name: str) -> Iterator[FieldError]:
    yield from resource_name(field, name)
    if "/" not in name and name not in _BASIC and not name.startswith(_HUGE_PAGES):
        yield invalid(field, name, "must be a standard resource for containers")


def quota_resource_name(field: str, name: str) -> Iterator[FieldError]:
    yield from resource_name(field, name)
    if "/" not in name and not _is_of_quotas(name):
        yield invalid(field, name, "must be a standard resource for quota")


def _is_of_quotas(name: str) -> bool:
    return name in _OF_QUOTAS or name.removeprefix(_REQUESTS).startswith(_HUGE_PAGES)


def is_in_scope(scope: str, name: str) -> bool:
    """Whether a quota of that scope can count that resource."""
    return not _is_of_quotas(name) or scope not in _OF_SCOPES or name in _OF_SCOPES[scope]


def is_counted_whole(name: str) -> bool:
    return name in _COUNTED or _is_extended(name)


def may_be_overcommitted(name: str) -> bool:
    return ("/" not in name or "kubernetes.io/" in name) and not name.startswith(_HUGE_PAGES)


def _is_extended(name: str) -> bool:
    is_native = "/" not in name or "kubernetes.io/" in name or name.startswith(_REQUESTS)
    return not is_native and not names.qualified_name(_REQUESTS + name)
