"""Validation of Events in both of their API groups."""

from collections.abc import Iterator
from typing import Any, Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.validation import names
from crossfade_local.apiserver.validation.errors import IMMUTABLE, FieldError, each, invalid, required
from crossfade_local.apiserver.values.gotext import go_struct
from crossfade_local.values.fields import mapping, number, text

_OTHER_NAMESPACE: Final = "does not match event.namespace"
_CLUSTER_NAMESPACES: Final = ("default", "kube-system")
_SET: Final = "needs to be unset"
_LEAST_SERIES: Final = 2
_REFERENCE: Final = {
    "kind": "", "namespace": "", "name": "", "UID": "", "APIVersion": "", "resourceVersion": "", "fieldPath": "",
}  # fmt: skip
_LASTING: Final[dict[str, Any]] = {
    "involvedObject": _REFERENCE,
    "reason": "",
    "message": "",
    "source": {"component": "", "host": ""},
    "firstTimestamp": None,
    "lastTimestamp": None,
    "count": 0,
    "type": "",
    "eventTime": None,
    "action": "",
    "related": _REFERENCE,
    "reportingComponent": "",
    "reportingInstance": "",
}
"""What an update may not change, with what Go has for it if it is not said."""


def validate_event(obj: JsonObject) -> Iterator[FieldError]:
    """As sent to the core group."""
    yield from _validate_legacy(obj, "reportingComponent", is_known=True)


def validate_modern_event(obj: JsonObject) -> Iterator[FieldError]:
    """As sent to events.k8s.io, in its stored (core) form; the names of the core form are reported."""
    yield from validate_modern_form(obj)
    yield from _validate_series(obj)
    if not obj.get("eventTime"):
        yield required("eventTime")
    kind = text(obj, "type")
    if kind not in ("Normal", "Warning"):
        yield invalid("type", "", f"has invalid value: {kind}")
    for name in ("firstTimestamp", "lastTimestamp"):
        if obj.get(name):
            yield invalid(name, "", _SET)
    if number(obj, "count"):
        yield invalid("count", "", _SET)
    source = mapping(obj, "source")
    if text(source, "component") or text(source, "host"):
        yield invalid("source", "", _SET)


def validate_modern_form(obj: JsonObject) -> Iterator[FieldError]:
    # Of what nobody knows the kind it can't be said where it is.
    yield from _validate_legacy(obj, "reportingController", is_known=bool(text(obj, "involvedObject", "apiVersion")))


def validate_modern_event_update(new: JsonObject, old: JsonObject) -> Iterator[FieldError]:
    if new.get("series") != old.get("series"):
        yield from _validate_series(new)
    for name, shape in _LASTING.items():
        after, before = (obj.get(name, shape if shape in ("", 0) else None) for obj in (new, old))
        if after != before:
            field = "reportingController" if name == "reportingComponent" else name
            yield invalid(field, go_struct(after or {}, shape) if isinstance(shape, dict) else after, IMMUTABLE)


def _validate_series(obj: JsonObject) -> Iterator[FieldError]:
    series = obj.get("series")
    if not isinstance(series, dict):
        return
    if number(series, "count") < _LEAST_SERIES:
        yield invalid("series.count", "", f"should be at least {_LEAST_SERIES}")
    if not series.get("lastObservedTime"):
        yield required("series.lastObservedTime")


def _validate_legacy(obj: JsonObject, reporter: str, *, is_known: bool) -> Iterator[FieldError]:
    namespace, own = text(obj, "involvedObject", "namespace"), text(obj, "metadata", "namespace")
    if namespace != own and (is_known if namespace else own not in _CLUSTER_NAMESPACES):
        yield invalid("involvedObject.namespace", namespace, _OTHER_NAMESPACE)
    if obj.get("eventTime"):
        yield from _validate_report(obj, reporter)
    yield from each("namespace", own, names.dns_subdomain(own))


def _validate_report(obj: JsonObject, reporter: str) -> Iterator[FieldError]:
    controller = text(obj, "reportingComponent")
    if not controller:
        yield required(reporter)
    yield from each(reporter, controller, names.qualified_name(controller))
    if not text(obj, "reportingInstance"):
        yield required("reportingInstance")
    for name, limit in (("reportingInstance", 128), ("action", 128), ("reason", 128), ("message", 1024)):
        value = text(obj, name)
        if name in ("action", "reason") and not value:
            yield required(name)
        if len(value) > limit:
            yield invalid(name, "", f"can have at most {limit} characters")
