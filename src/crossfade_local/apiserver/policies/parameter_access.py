"""Nobody has a policy read what he may not read himself: checked when policies and bindings are written."""

from collections.abc import Callable
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.admission.attributes import Attributes
from crossfade_local.apiserver.policies.index import BINDINGS, MUTATING, MUTATING_BINDINGS, POLICIES
from crossfade_local.apiserver.policies.parameters import group_version, resource_of
from crossfade_local.apiserver.security.rbac import MASTERS, Authorizer
from crossfade_local.apiserver.state.storage import Storage
from crossfade_local.apiserver.types.registry import Registry
from crossfade_local.apiserver.validation.errors import FieldError, forbidden
from crossfade_local.apiserver.validation.status_error import invalid_status
from crossfade_local.apiserver.wire.request import RequestInfo, User
from crossfade_local.apiserver.wire.status import StatusError
from crossfade_local.values.fields import at, text

_POLICIES_OF: Final = {BINDINGS: POLICIES, MUTATING_BINDINGS: MUTATING}


def only_readable_parameters(
    storage: Storage, registry: Registry, authorizer: Authorizer
) -> Callable[[Attributes], None]:
    def step(attributes: Attributes) -> None:
        new, user = attributes.new, attributes.call.user
        if new is None or attributes.subresource or MASTERS in user.groups:
            return
        error = None
        if attributes.bucket in _POLICIES_OF.values():
            error = _of_policy(new, attributes.old, user, registry, authorizer)
        elif policies := _POLICIES_OF.get(attributes.bucket):
            stored = storage.get(policies, "", text(new, "spec", "policyName"))
            kind = at(stored.object, "spec", "paramKind") if stored else None
            error = _of_binding(new, attributes.old, user, _asked(kind, registry), authorizer)
        if error is not None:
            resource = attributes.resource
            body = invalid_status(group=resource.group, kind=resource.kind, name=attributes.name, errors=[error])
            raise StatusError.from_body(body)

    return step


def _of_policy(
    new: JsonObject, old: JsonObject | None, user: User, registry: Registry, authorizer: Authorizer
) -> FieldError | None:
    kind = at(new, "spec", "paramKind")
    if kind is None or kind == at(old, "spec", "paramKind"):
        return None
    group, version, resource = _asked(kind, registry)
    allowed, _ = authorizer.allows(user, RequestInfo("get", "", group, version, resource, "", "*", "*"))
    if allowed:
        return None
    named = f"(kind={text(kind, 'kind')}, apiVersion={text(kind, 'apiVersion')})"
    said = f'user {_go_user(user)} must have "get" permission on all objects of the referenced paramKind {named}'
    return forbidden("spec.paramKind", said)


def _of_binding(
    new: JsonObject, old: JsonObject | None, user: User, asked: tuple[str, str, str], authorizer: Authorizer
) -> FieldError | None:
    reference, policy = at(new, "spec", "paramRef"), at(new, "spec", "policyName")
    if reference is None or (reference, policy) == (at(old, "spec", "paramRef"), at(old, "spec", "policyName")):
        return None
    group, version, resource = asked
    place, name = text(reference, "namespace"), text(reference, "name")
    allowed, _ = authorizer.allows(user, RequestInfo("get", "", group, version, resource, "", place, name))
    if allowed:
        return None
    said = f'user {_go_user(user)} does not have "get" permission on the object referenced by paramRef'
    return forbidden("spec.paramRef", said)


def _asked(kind: JsonObject | None, registry: Registry) -> tuple[str, str, str]:
    """Group, version and resource that the user must be allowed to read: all, where they are not known."""
    if kind is None:
        return "*", "*", "*"
    found = resource_of(kind, registry)
    return *group_version(kind), found.plural if found else "*"


def _go_user(user: User) -> str:
    """As Go writes what is known of a user."""
    extra = " ".join(f"{key}:[{' '.join(values)}]" for key, values in sorted(user.extra.items()))
    return f"&{{{user.name} {user.uid} [{' '.join(user.groups)}] map[{extra}]}}"
