"""Says of a policy's expressions what cannot be right of the objects that its rules name (`status.typeChecking`)."""

from collections.abc import Iterator, Mapping
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.crd.cel_types.types import DYN, Type
from crossfade_local.apiserver.crd.compilation import BrokenRuleError, checked
from crossfade_local.apiserver.policies.compilation import declared_type, expressions_of, types_of, variables_type
from crossfade_local.apiserver.policies.object_types import object_type
from crossfade_local.apiserver.policies.parameters import resource_of
from crossfade_local.apiserver.types.registry import Registry, ResourceType
from crossfade_local.values.fields import objects, sequence, text

_MOST_TYPES: Final = 10
"""Of one rule."""
MOST_CHARACTERS: Final = 16 * 1024
"""Of all expressions together: each is compiled for each type."""


def warnings(spec: JsonObject, registry: Registry) -> list[JsonObject]:
    """Nothing of a policy whose expressions are longer than `MOST_CHARACTERS`."""
    texts = expressions_of(spec)
    if sum(map(len, texts.values())) > MOST_CHARACTERS:
        return []
    seen = [(resource, _types(spec, resource, registry)) for resource in _resources(spec, registry)]
    found = []
    for index, validation in enumerate(objects(spec, "validations")):
        for name in ("expression", "messageExpression"):
            said = [_said(text(validation, name), *one) for one in seen] if text(validation, name) else []
            if any(said):
                warning = "\n".join(filter(None, said))
                found.append({"fieldRef": f"spec.validations[{index}].{name}", "warning": warning})
    return found


def _said(expression: str, resource: ResourceType, types: Mapping[str, Type]) -> str:
    try:
        checked(expression, types)
    except BrokenRuleError as error:
        return f"{resource.group}/{resource.version}, Kind={resource.kind}: {error}\n"
    return ""


def _types(spec: JsonObject, resource: ResourceType, registry: Registry) -> dict[str, Type]:
    """What Kubernetes declares here: it forgets `authorizer.requestResource`."""
    seen = object_type(resource.schema, resource.kind) or DYN
    kind = spec.get("paramKind")
    parameters = resource_of(kind, registry) if kind is not None else None
    types = types_of(
        spec,
        objects_type=seen,
        params=(object_type(parameters.schema, parameters.kind) or DYN) if parameters else DYN,
    )
    del types["authorizer.requestResource"]
    known: dict[str, Type] = {}
    types["variables"] = variables_type(known)
    for variable in objects(spec, "variables"):
        known[text(variable, "name")] = declared_type(text(variable, "expression"), types)
    return types


def _resources(spec: JsonObject, registry: Registry) -> list[ResourceType]:
    """Of rules without wildcards, in the order of group, version and kind."""
    found: dict[tuple[str, str, str], ResourceType] = {}
    for rule in objects(spec, "matchConstraints", "resourceRules"):
        for count, resource in enumerate(_named(rule, registry), 1):
            found[resource.gvk] = resource
            if count == _MOST_TYPES:
                return [found[gvk] for gvk in sorted(found)]
    return [found[gvk] for gvk in sorted(found)]


def _named(rule: JsonObject, registry: Registry) -> Iterator[ResourceType]:
    """The empty group stands for any that has such a resource."""
    groups, versions = (sorted(sequence(rule, name)) for name in ("apiGroups", "apiVersions"))
    if any("*" in one for one in (*groups, *versions)):
        return
    plain = sorted(one for one in sequence(rule, "resources") if "*" not in one and "/" not in one)
    for group in groups:
        for version in versions:
            for plural in plain:
                for entry in registry:
                    is_group = not group or entry.group == group
                    if is_group and (entry.version, entry.plural) == (version, plural):
                        yield entry
