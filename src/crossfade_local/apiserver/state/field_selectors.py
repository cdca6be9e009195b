"""Field selectors: terms over the few fields that each kind offers for selection."""

from typing import Final, NamedTuple

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.values.gotext import quoted
from crossfade_local.values import fields

_COMMON: Final = ("metadata.name", "metadata.namespace")
_INVOLVED: Final = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
_SELECTABLE: Final[dict[tuple[str, str], tuple[str, ...]]] = {
    ("", "Pod"): (
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.podIPs",
        "status.nominatedNodeName",
    ),
    ("", "Node"): ("spec.unschedulable",),
    ("", "ReplicationController"): ("status.replicas",),
    ("", "Namespace"): ("status.phase",),
    ("", "Secret"): ("type",),
    ("", "Service"): ("spec.clusterIP", "spec.type"),
    ("", "Event"): (
        *(f"involvedObject.{name}" for name in _INVOLVED),
        "reason",
        "reportingComponent",
        "source",
        "type",
    ),
    ("events.k8s.io", "Event"): (
        *(f"regarding.{name}" for name in _INVOLVED),
        *(f"involvedObject.{name}" for name in _INVOLVED),
        "reason",
        "reportingController",
        "type",
    ),
    ("batch", "Job"): ("status.successful",),
    ("certificates.k8s.io", "CertificateSigningRequest"): ("spec.signerName",),
}
_BOOLEAN: Final = frozenset({"spec.hostNetwork", "spec.unschedulable"})


class SelectorError(ValueError):
    """A selector that can't be understood; the text is what the API answers with 400."""


class Term(NamedTuple):
    field: str
    equal: bool
    value: str


class FieldSelector(NamedTuple):
    """All terms must hold; without any it matches everything."""

    terms: tuple[Term, ...] = ()

    @classmethod
    def parse(
        cls,
        text: str,
        kind_key: tuple[str, str] | None = None,
        *,
        custom: bool = False,
        selectable: tuple[str, ...] = (),
    ) -> "FieldSelector":
        """`kind_key` is (group, kind); with it, fields which that kind does not offer are refused.

        For a custom resource set `custom` and hand in its `selectableFields`. Raises SelectorError.
        """
        terms = []
        for part in sorted(_split(text)):
            if part:
                term = _term(text, part)
                if kind_key is not None:
                    _check(term.field, kind_key, custom=custom, selectable=selectable)
                terms.append(term)
        return cls(tuple(terms))

    def matches(self, obj: JsonObject) -> bool:
        return all((value_of(obj, term.field) == term.value) == term.equal for term in self.terms)

    def __str__(self) -> str:
        return ",".join(f"{term.field}{'=' if term.equal else '!='}{term.value}" for term in self.terms)

    def required_value(self, field: str) -> str | None:
        """The only value that can match, if the selector asks for one (a watch on one name)."""
        return next((term.value for term in self.terms if term.equal and term.field == field), None)


def value_of(obj: JsonObject, field: str) -> str:
    """The text a field has for selection; absent fields are empty."""
    if field == "source":
        return fields.text(obj, "source", "component") or fields.text(obj, "reportingComponent")
    if field == "status.podIPs":
        return ",".join(fields.text(item, "ip") for item in fields.objects(obj, "status", "podIPs"))
    if field == "status.successful":
        return str(fields.number(obj, "status", "succeeded"))
    value = fields.at(obj, *field.split("."))
    if value is None and field.startswith("regarding."):
        value = fields.at(obj, "involvedObject", field.partition(".")[2])
    if field in _BOOLEAN:
        return "true" if value is True else "false"
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None and field.endswith("status.replicas"):
        return "0"
    return "" if value is None else str(value)


def _check(field: str, kind_key: tuple[str, str], *, custom: bool, selectable: tuple[str, ...]) -> None:
    own = selectable if custom else _SELECTABLE.get(kind_key, ())
    if field in _COMMON or field in own or (field == "name" and kind_key == ("", "Namespace")):
        return
    if kind_key == ("batch", "Job"):
        raise SelectorError(f"field label {quoted(field)} not supported for batchv1.Job")
    if own or custom:
        raise SelectorError(f"field label not supported: {field}")
    known = ", ".join(quoted(name) for name in _COMMON)
    raise SelectorError(f"{quoted(field)} is not a known field selector: only {known}")


def _split(text: str) -> list[str]:
    parts, start, escaped = [], 0, False
    for index, character in enumerate(text):
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == ",":
            parts.append(text[start:index])
            start = index + 1
    return [*parts, text[start:]]


def _term(selector: str, part: str) -> Term:
    for index in range(len(part)):
        for operator in ("!=", "==", "="):
            if part.startswith(operator, index):
                return Term(part[:index], operator != "!=", _unescape(part[index + len(operator) :]))
    raise SelectorError(f"invalid selector: '{selector}'; can't understand '{part}'")


def _unescape(value: str) -> str:
    found, escaped = "", False
    for character in value:
        if escaped:
            if character not in "\\,=":
                raise SelectorError(f"invalid field selector: invalid escape sequence: \\{character}")
            found += character
            escaped = False
        elif character == "\\":
            escaped = True
        elif character in ",=":
            raise SelectorError(f"invalid field selector: unescaped character in value: {ord(character)}")
        else:
            found += character
    if escaped:
        raise SelectorError("invalid field selector: invalid escape sequence: \\")
    return found
