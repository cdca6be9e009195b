"""Reviews: questions to the authenticator and the authorizer, answered and never stored."""

from collections.abc import Awaitable, Callable, Iterator
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.api import Api
from crossfade_local.apiserver.security.tokens import DEFAULT_AUDIENCE, TokenError
from crossfade_local.apiserver.types.registry import ResourceType
from crossfade_local.apiserver.validation.errors import FieldError, invalid
from crossfade_local.apiserver.validation.status_error import invalid_status
from crossfade_local.apiserver.wire import decoding
from crossfade_local.apiserver.wire.answers import Answer, ObjectAnswer
from crossfade_local.apiserver.wire.request import Call, RequestInfo, User
from crossfade_local.apiserver.wire.status import StatusError, bad_request
from crossfade_local.apiserver.writing import objects
from crossfade_local.apiserver.writing.strategies import timestamp

_INVALID_TOKEN: Final = "invalid bearer token"  # noqa: S105 - words


async def self_subject_access_review(api: Api, call: Call, resource: ResourceType) -> Answer:
    review = objects.admit_body(resource, call, decoding.decode(call, resource.kind))
    if errors := list(_question_errors(review.get("spec") or {})):
        raise _invalid_review(resource, errors)
    return _access(api, review, resource, call.user)


async def subject_access_review(api: Api, call: Call, resource: ResourceType) -> Answer:
    review = objects.admit_body(resource, call, decoding.decode(call, resource.kind))
    spec = review.get("spec") or {}
    errors = list(_question_errors(spec))
    if not spec.get("user") and not spec.get("groups"):
        errors.append(invalid("spec.user", spec.get("user", ""), "at least one of user or group must be specified"))
    if errors:
        raise _invalid_review(resource, errors)
    attributes = spec.get("resourceAttributes") or {}
    if resource.namespaced and attributes.get("namespace") != call.info.namespace:
        error = invalid(
            "spec.resourceAttributes.namespace", attributes.get("namespace", ""), "must match metadata.namespace"
        )
        raise _invalid_review(resource, [error])
    user = User(spec.get("user", ""), tuple(spec.get("groups") or ()), spec.get("uid", ""))
    return _access(api, review, resource, user)


def _question_errors(spec: JsonObject) -> Iterator[FieldError]:
    about, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if about is not None and path is not None:
        internal = {"Path": path.get("path", ""), "Verb": path.get("verb", "")}
        yield invalid(
            "spec.nonResourceAttributes", internal, "cannot be specified in combination with resourceAttributes"
        )
    if about is None and path is None:
        what = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        yield invalid("spec.resourceAttributes", None, what)


def _access(api: Api, review: JsonObject, resource: ResourceType, user: User) -> Answer:
    spec = review.get("spec") or {}
    about, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    allowed, reason = api.authorizer.allows(user, _info(about, path))
    status: JsonObject = {"allowed": allowed}
    if reason:
        status["reason"] = reason
    return ObjectAnswer(_answered(review, resource, status), status=201)


def _info(about: JsonObject | None, path: JsonObject | None) -> RequestInfo:
    if about is None:
        assert path is not None
        return RequestInfo(path.get("verb", ""), path.get("path", ""))
    return RequestInfo(
        about.get("verb", ""),
        "",
        about.get("group", ""),
        about.get("version", ""),
        about.get("resource", ""),
        about.get("subresource", ""),
        about.get("namespace", ""),
        about.get("name", ""),
    )


def _invalid_review(resource: ResourceType, errors: list[FieldError]) -> StatusError:
    body = invalid_status(group=resource.group, kind="", name="", errors=errors)
    return StatusError.from_body(body)


def _answered(review: JsonObject, resource: ResourceType, status: JsonObject) -> JsonObject:
    return {
        "kind": resource.kind,
        "apiVersion": resource.api_version,
        "metadata": review.get("metadata") or {},
        "spec": review.get("spec") or {},
        "status": status,
    }


async def self_subject_rules_review(api: Api, call: Call, resource: ResourceType) -> Answer:
    review = objects.admit_body(resource, call, decoding.decode(call, resource.kind))
    namespace = (review.get("spec") or {}).get("namespace", "")
    if not namespace:
        raise bad_request("no namespace on request")
    rules = [grant.rule for grant in api.authorizer.grants(call.user, namespace)]
    status = {
        "resourceRules": [
            _only(rule, ("verbs", "apiGroups", "resources", "resourceNames")) for rule in rules if rule.get("resources")
        ],
        "nonResourceRules": [
            _only(rule, ("verbs", "nonResourceURLs")) for rule in rules if rule.get("nonResourceURLs")
        ],
        "incomplete": False,
    }
    return ObjectAnswer(_answered({"spec": {}}, resource, status), status=201)


def _only(rule: JsonObject, names: tuple[str, ...]) -> JsonObject:
    return {name: rule[name] for name in names if rule.get(name)}


async def token_review(api: Api, call: Call, resource: ResourceType) -> Answer:
    review = objects.admit_body(resource, call, decoding.decode(call, resource.kind))
    spec = review.get("spec") or {}
    if not spec.get("token"):
        raise bad_request("token is required for TokenReview in authentication")
    audiences = tuple(spec.get("audiences") or (DEFAULT_AUDIENCE,))
    try:
        identity = api.tokens.verify(spec["token"], audiences=audiences, now=api.clock().timestamp())
    except TokenError as error:
        said = f"[{_INVALID_TOKEN}, {error}]" if error.args else _INVALID_TOKEN
        status: JsonObject = {"user": {}, "error": said}
        return ObjectAnswer(_answered(review, resource, status), status=201)
    status = {"authenticated": True, "user": user_info(identity.user), "audiences": list(identity.audiences)}
    return ObjectAnswer(_answered(review, resource, status), status=201)


def user_info(user: User) -> JsonObject:
    result: JsonObject = {"username": user.name, "groups": list(user.groups)}
    if user.uid:
        result["uid"] = user.uid
    if user.extra:
        result["extra"] = {key: list(values) for key, values in user.extra.items()}
    return result


async def self_subject_review(api: Api, call: Call, resource: ResourceType) -> Answer:
    result = {
        "kind": resource.kind,
        "apiVersion": resource.api_version,
        "metadata": {"creationTimestamp": timestamp(api.clock())},
        "status": {"userInfo": user_info(call.user)},
    }
    return ObjectAnswer(result, status=201)


HANDLERS: Final[dict[str, Callable[[Api, Call, ResourceType], Awaitable[Answer]]]] = {
    "selfsubjectaccessreviews": self_subject_access_review,
    "subjectaccessreviews": subject_access_review,
    "localsubjectaccessreviews": subject_access_review,
    "selfsubjectrulesreviews": self_subject_rules_review,
    "tokenreviews": token_review,
    "selfsubjectreviews": self_subject_review,
}
