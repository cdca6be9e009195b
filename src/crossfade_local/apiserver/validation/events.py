"""Validation of Events in both of their API groups."""

from collections.abc import Iterator
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.validation import names
from crossfade_local.apiserver.validation.errors import FieldError, each, invalid, required
from crossfade_local.values.fields import mapping, number, text

_OTHER_NAMESPACE: Final = "does not match event.namespace"
_CLUSTER_NAMESPACES: Final = ("default", "kube-system")
_SET: Final = "needs to be unset"


def validate_event(obj: JsonObject) -> Iterator[FieldError]:
    """As sent to the core group."""
    yield from _validate_legacy(obj, "reportingComponent")


def validate_modern_event(obj: JsonObject) -> Iterator[FieldError]:
    """As sent to events.k8s.io, in its stored (core) form; the names of the core form are reported."""
    yield from _validate_legacy(obj, "reportingController")
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


def _validate_legacy(obj: JsonObject, reporter: str) -> Iterator[FieldError]:
    namespace, own = text(obj, "involvedObject", "namespace"), text(obj, "metadata", "namespace")
    if namespace != own and (namespace or own not in _CLUSTER_NAMESPACES):
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
