"""Selectors as scheduling reads them: of nodes, of labels, and of pods by their labels and namespaces."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from crossfade_kube.meta import JsonObject, LabelSelector
from crossfade_local.values.fields import mapping, objects, sequence, text

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
Labels = dict[str, str]


def node_matches(spec: JsonObject, labels: Labels, name: str) -> bool:
    """By `nodeSelector` and the required terms of node affinity."""
    if any(labels.get(key) != value for key, value in mapping(spec, "nodeSelector").items()):
        return False
    selector = mapping(spec, "affinity", "nodeAffinity").get(REQUIRED)
    if not isinstance(selector, dict):
        return True
    return any(_term_matches(term, labels, name) for term in objects(selector, "nodeSelectorTerms"))


def _term_matches(term: JsonObject, labels: Labels, name: str) -> bool:
    """A term that says nothing matches nothing."""
    expressions, fields = objects(term, "matchExpressions"), objects(term, "matchFields")
    if not expressions and not fields:
        return False
    return all(_holds(one, labels) for one in expressions) and all(
        _holds(one, {"metadata.name": name}) for one in fields
    )


def _holds(requirement: JsonObject, labels: Labels) -> bool:
    key, values = text(requirement, "key"), sequence(requirement, "values")
    value = labels.get(key)
    match text(requirement, "operator"):
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt":
            return _compare(value, values) > 0
        case "Lt":
            return _compare(value, values) < 0
    return False


def _compare(value: str | None, values: list[Any]) -> int:
    """0 where one of them is no number: neither greater nor less."""
    try:
        left, right = int(value or ""), int(values[0])
    except (ValueError, IndexError, TypeError):
        return 0
    return (left > right) - (left < right)


def label_selector(raw: Any) -> LabelSelector | None:
    """None, which matches nothing, also for one that cannot be read."""
    if not isinstance(raw, dict):
        return None
    expressions = [
        {name: value for name, value in one.items() if value is not None} for one in objects(raw, "matchExpressions")
    ]
    try:
        return msgspec.convert(
            {"matchLabels": mapping(raw, "matchLabels"), "matchExpressions": expressions}, LabelSelector
        )
    except msgspec.ValidationError:
        return None


class PodTerm(NamedTuple):
    """A term of pod affinity or anti-affinity."""

    selector: LabelSelector | None
    namespaces: frozenset[str]
    namespace_selector: LabelSelector | None
    topology_key: str

    def matches(self, namespace: str, labels: Labels, namespaces: Mapping[str, Labels]) -> bool:
        """Whether a pod is meant; `namespaces` are all labels of namespaces by name."""
        if self.selector is None or not self.selector.matches(labels):
            return False
        if namespace in self.namespaces:
            return True
        chosen = self.namespace_selector
        return chosen is not None and chosen.matches(namespaces.get(namespace, {}))


def pod_terms(pod: JsonObject, kind: str) -> tuple[PodTerm, ...]:
    """The required terms of `podAffinity` or `podAntiAffinity`."""
    return tuple(_pod_term(term, pod) for term in objects(pod, "spec", "affinity", kind, REQUIRED))


def _pod_term(term: JsonObject, pod: JsonObject) -> PodTerm:
    named = frozenset(map(str, sequence(term, "namespaces")))
    chosen = term.get("namespaceSelector")
    if not named and chosen is None:
        named = frozenset((text(pod, "metadata", "namespace"),))
    raw = with_label_keys(term, mapping(pod, "metadata", "labels"))
    return PodTerm(label_selector(raw), named, label_selector(chosen), text(term, "topologyKey"))


def with_label_keys(term: JsonObject, labels: Labels) -> Any:
    """The label selector, with what `matchLabelKeys` and `mismatchLabelKeys` take from the pod's own labels."""
    raw = term.get("labelSelector")
    if not isinstance(raw, dict):
        return raw
    added = [
        {"key": key, "operator": operator, "values": [labels[key]]}
        for field, operator in (("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn"))
        for key in sequence(term, field)
        if key in labels
    ]
    return {**raw, "matchExpressions": [*objects(raw, "matchExpressions"), *added]} if added else raw
