"""Validation of roles and role bindings."""

from collections.abc import Iterator
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.validation import names
from crossfade_local.apiserver.validation.errors import FieldError, each, invalid, not_supported, required
from crossfade_local.apiserver.validation.shapes import label_selector
from crossfade_local.apiserver.values.gotext import GoStruct
from crossfade_local.values.fields import at, mapping, objects, sequence, text

_GROUP: Final = "rbac.authorization.k8s.io"


def validate_role(obj: JsonObject) -> Iterator[FieldError]:
    for index, rule in enumerate(objects(obj, "rules")):
        yield from _validate_rule(f"rules[{index}]", rule, namespaced=True)


def validate_cluster_role(obj: JsonObject) -> Iterator[FieldError]:
    for index, rule in enumerate(objects(obj, "rules")):
        yield from _validate_rule(f"rules[{index}]", rule, namespaced=False)
    aggregation = at(obj, "aggregationRule")
    if isinstance(aggregation, dict):
        selectors = objects(aggregation, "clusterRoleSelectors")
        if not selectors:
            said = "at least one clusterRoleSelector required if aggregationRule is non-nil"
            yield required("aggregationRule.clusterRoleSelectors", said)
        for index, selector in enumerate(selectors):
            place = f"aggregationRule.clusterRoleSelectors[{index}]"
            errors = list(label_selector(place, selector))
            yield from errors
            if errors:
                yield invalid(place, None, "invalid label selector.")


def _validate_rule(field: str, rule: JsonObject, *, namespaced: bool) -> Iterator[FieldError]:
    if not sequence(rule, "verbs"):
        yield required(f"{field}.verbs", "verbs must contain at least one value")
    urls = sequence(rule, "nonResourceURLs")
    if urls:
        if namespaced:
            said = "namespaced rules cannot apply to non-resource URLs"
            yield invalid(f"{field}.nonResourceURLs", urls, said)
        if any(sequence(rule, name) for name in ("apiGroups", "resources", "resourceNames")):
            said = "rules cannot apply to both regular resources and non-resource URLs"
            yield invalid(f"{field}.nonResourceURLs", urls, said)
        return
    if not sequence(rule, "apiGroups"):
        yield required(f"{field}.apiGroups", "resource rules must supply at least one api group")
    if not sequence(rule, "resources"):
        yield required(f"{field}.resources", "resource rules must supply at least one resource")


def validate_role_binding(obj: JsonObject) -> Iterator[FieldError]:
    yield from _validate_binding(obj, ("Role", "ClusterRole"), namespaced=True)


def validate_cluster_role_binding(obj: JsonObject) -> Iterator[FieldError]:
    yield from _validate_binding(obj, ("ClusterRole",), namespaced=False)


def _validate_binding(obj: JsonObject, kinds: tuple[str, ...], *, namespaced: bool) -> Iterator[FieldError]:
    reference = mapping(obj, "roleRef")
    if text(reference, "apiGroup") != _GROUP:
        yield not_supported("roleRef.apiGroup", text(reference, "apiGroup"), (_GROUP,))
    if text(reference, "kind") not in kinds:
        yield not_supported("roleRef.kind", text(reference, "kind"), kinds)
    name = text(reference, "name")
    if name:
        yield from each("roleRef.name", name, names.path_segment_name(name, False))
    else:
        yield required("roleRef.name")
    for index, subject in enumerate(objects(obj, "subjects")):
        yield from _validate_subject(f"subjects[{index}]", subject, namespaced=namespaced)


def _validate_subject(field: str, subject: JsonObject, *, namespaced: bool) -> Iterator[FieldError]:
    kind, name, group = text(subject, "kind"), text(subject, "name"), text(subject, "apiGroup")
    if not name:
        yield required(f"{field}.name")
    if kind == "ServiceAccount":
        yield from each(f"{field}.name", name, names.dns_subdomain(name) if name else [])
        if group:
            yield not_supported(f"{field}.apiGroup", group, ("",))
        if not namespaced and not text(subject, "namespace"):
            yield required(f"{field}.namespace")
    elif kind in ("User", "Group"):
        if group != _GROUP:
            yield not_supported(f"{field}.apiGroup", group, (_GROUP,))
    else:
        yield not_supported(f"{field}.kind", kind, ("ServiceAccount", "User", "Group"))


def validate_binding_update(new: JsonObject, old: JsonObject) -> Iterator[FieldError]:
    after, before = mapping(new, "roleRef"), mapping(old, "roleRef")
    if after != before:
        shown = GoStruct(APIGroup=text(after, "apiGroup"), Kind=text(after, "kind"), Name=text(after, "name"))
        yield invalid("roleRef", shown, "cannot change roleRef")
