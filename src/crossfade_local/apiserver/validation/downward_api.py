"""Validation of references to a pod's own fields and to its containers' resources."""

from collections.abc import Iterator
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.validation import names
from crossfade_local.apiserver.validation.errors import FieldError, each, invalid, not_supported, required
from crossfade_local.quantity import QuantityError, canonical, parse
from crossfade_local.values.fields import text

_MAPS: Final = ("metadata.annotations", "metadata.labels")
ENVIRONMENT_FIELDS: Final = (
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)
FILE_FIELDS: Final = (*_MAPS, "metadata.name", "metadata.namespace", "metadata.uid")
_KNOWN_FIELDS: Final = frozenset(
    {*ENVIRONMENT_FIELDS, *FILE_FIELDS, "spec.restartPolicy", "spec.schedulerName", "status.phase"}
)
_RENAMED: Final = {"spec.host": "spec.nodeName"}
_RESOURCES: Final = (
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
)
_HUGE_PAGES: Final = ("limits.hugepages-", "requests.hugepages-")
_DIVISORS_OF_CPU: Final = ("1m", "1")
_DIVISORS: Final = ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")


def validate_field_reference(field: str, reference: JsonObject, allowed: tuple[str, ...]) -> Iterator[FieldError]:
    """`fieldRef`; `allowed` are the paths that may be read where it stands."""
    version, path = text(reference, "apiVersion"), text(reference, "fieldPath")
    if not version:
        yield required(f"{field}.apiVersion")
    elif not path:
        yield required(f"{field}.fieldPath")
    elif problem := _unreadable(version, path):
        yield invalid(f"{field}.fieldPath", path, f"error converting fieldPath: {problem}")
    elif key := _subscripted(path):
        name = key[1].lower() if key[0] == "metadata.annotations" else key[1]
        yield from each(field, name, names.qualified_name(name))
    elif _RENAMED.get(path, path) not in allowed:
        yield not_supported(f"{field}.fieldPath", _RENAMED.get(path, path), allowed)


def _unreadable(version: str, path: str) -> str:
    if version != "v1":
        return f"unsupported pod version: {version}"
    if key := _subscripted(path):
        return "" if key[0] in _MAPS else f"field label does not support subscript: {path}"
    return "" if _RENAMED.get(path, path) in _KNOWN_FIELDS else f"field label not supported: {path}"


def _subscripted(path: str) -> tuple[str, str] | None:
    """`metadata.labels['a']` as ("metadata.labels", "a")."""
    base, bracket, subscript = path.partition("['")
    return (base, subscript.removesuffix("']")) if bracket and subscript.endswith("']") else None


def validate_resource_reference(field: str, reference: JsonObject, *, of_another: bool) -> Iterator[FieldError]:
    """`resourceFieldRef`; outside of a container (`of_another`) it has to name the one that is meant."""
    resource = text(reference, "resource")
    if of_another and not text(reference, "containerName"):
        yield required(f"{field}.containerName")
    elif not resource:
        yield required(f"{field}.resource")
    elif resource not in _RESOURCES and not resource.startswith(_HUGE_PAGES):
        yield not_supported(f"{field}.resource", resource, _RESOURCES)
    yield from _validate_divisor(f"{field}.divisor", resource, reference.get("divisor"))


def _validate_divisor(field: str, resource: str, divisor: object) -> Iterator[FieldError]:
    kind = "hugepages" if resource.startswith(_HUGE_PAGES) else resource.partition(".")[2]
    if divisor is None or (resource not in _RESOURCES and kind != "hugepages"):
        return
    allowed = _DIVISORS_OF_CPU if kind == "cpu" else _DIVISORS
    listed = " and ".join(allowed) if kind == "cpu" else ", ".join(allowed)
    called = "local ephemeral storage" if kind == "ephemeral-storage" else kind
    try:
        if parse(divisor) and canonical(divisor) not in allowed:
            said = f"only divisor's values {listed} are supported with the {called} resource"
            yield invalid(field, resource, said)
    except QuantityError as error:
        yield invalid(field, divisor, str(error))
