"""Validation of Events in both of their API groups."""

from collections.abc import Iterator
from typing import Final

from crossfade.api.meta import JsonObject
from crossfade.local.apiserver.fields import mapping, number, text
from crossfade.local.apiserver.validation import names
from crossfade.local.apiserver.validation.errors import FieldError, each, invalid, required

_OTHER_NAMESPACE: Final = "does not match event.namespace"
_CLUSTER_NAMESPACES: Final = ("default", "kube-system")
_SET: Final = "needs to be unset"


def validate_event(obj: JsonObject) -> Iterator[FieldError]:
    """A core Event."""
    yield from _validate_legacy(obj, "involvedObject", "reportingComponent", "message")


def validate_modern_event(obj: JsonObject) -> Iterator[FieldError]:
    """An Event of events.k8s.io."""
    yield from _validate_legacy(obj, "regarding", "reportingController", "note")
    if not obj.get("eventTime"):
        yield required("eventTime")
    kind = text(obj, "type")
    if kind not in ("Normal", "Warning"):
        yield invalid("type", "", f"has invalid value: {kind}")
    for name in ("firstTimestamp", "lastTimestamp"):
        if obj.get("deprecated" + name[0].upper() + name[1:]):
            yield invalid(name, "", _SET)
    if number(obj, "deprecatedCount"):
        yield invalid("count", "", _SET)
    source = mapping(obj, "deprecatedSource")
    if text(source, "component") or text(source, "host"):
        yield invalid("source", "", _SET)


def _validate_legacy(obj: JsonObject, about: str, reporter: str, message: str) -> Iterator[FieldError]:
    subject = about if about in obj else "involvedObject"
    namespace, own = text(obj, subject, "namespace"), text(obj, "metadata", "namespace")
    if not obj.get("eventTime"):
        mismatch = own not in _CLUSTER_NAMESPACES if not namespace else namespace != own
        if mismatch:
            yield invalid("involvedObject.namespace", namespace, _OTHER_NAMESPACE)
    else:
        if namespace != own and not (not namespace and own in _CLUSTER_NAMESPACES):
            yield invalid("involvedObject.namespace", namespace, _OTHER_NAMESPACE)
        yield from _validate_report(obj, reporter, message)
    yield from each("namespace", own, names.dns_subdomain(own))


def _validate_report(obj: JsonObject, reporter: str, message: str) -> Iterator[FieldError]:
    controller = text(obj, reporter)
    if not controller:
        yield required(reporter)
    yield from each(reporter, controller, names.qualified_name(controller))
    instance = text(obj, "reportingInstance")
    if not instance:
        yield required("reportingInstance")
    for name, limit in (("reportingInstance", 128), ("action", 128), ("reason", 128), (message, 1024)):
        value = text(obj, name)
        if name in ("action", "reason") and not value:
            yield required(name)
        if len(value) > limit:
            yield invalid(name, "", f"can have at most {limit} characters")
