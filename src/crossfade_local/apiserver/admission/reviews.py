"""AdmissionReview messages: what a webhook is asked, and what its answer means."""

import base64
import binascii
import uuid
from dataclasses import dataclass
from typing import Any, Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.admission.attributes import Attributes
from crossfade_local.apiserver.admission.webhook_rules import Interested
from crossfade_local.apiserver.conversion.versions import to_served
from crossfade_local.apiserver.types.registry import ResourceType
from crossfade_local.apiserver.values import gojson
from crossfade_local.apiserver.wire.request import User
from crossfade_local.apiserver.wire.status import StatusError

_OPTIONS: Final = {"CREATE": "CreateOptions", "UPDATE": "UpdateOptions", "DELETE": "DeleteOptions"}
_LARGEST_WARNING: Final = 256


class BadAnswerError(Exception):
    """The webhook's answer is no AdmissionReview that could be used."""


@dataclass(frozen=True)
class Verdict:
    allowed: bool
    status: JsonObject
    patch: list[JsonObject]
    warnings: list[str]


def request_for(attributes: Attributes, resource: ResourceType) -> JsonObject:
    """In the version of the resource that was asked for."""
    asked = attributes.resource
    request: JsonObject = {
        "uid": str(uuid.uuid4()),
        "kind": _kind(attributes, resource),
        "resource": _gvr(resource),
        "requestKind": _kind(attributes, asked),
        "requestResource": _gvr(asked),
        "operation": attributes.operation,
        "userInfo": _user_info(attributes.call.user),
        "object": shown(attributes, resource, attributes.new),
        "oldObject": shown(attributes, resource, attributes.old),
        "dryRun": attributes.dry_run,
        "options": _options(attributes),
    }
    if attributes.subresource:
        request["subResource"] = request["requestSubResource"] = attributes.subresource
    if attributes.name:
        request["name"] = attributes.name
    if attributes.namespace:
        request["namespace"] = attributes.namespace
    elif attributes.bucket == "/namespaces":
        request["namespace"] = attributes.name
    return request


def review_of(request: JsonObject, hook: Interested) -> JsonObject:
    versions = hook.webhook.get("admissionReviewVersions") or ["v1"]
    version = next((version for version in versions if version in ("v1", "v1beta1")), "v1")
    return {"kind": "AdmissionReview", "apiVersion": f"admission.k8s.io/{version}", "request": request}


def shown_to_expressions(request: JsonObject, namespace: JsonObject | None = None) -> JsonObject:
    """The variables of CEL: the request without its objects, and those beside it."""
    shown: JsonObject = {"object": request["object"], "oldObject": request["oldObject"], "namespaceObject": namespace}
    shown["request"] = {key: value for key, value in request.items() if key not in shown}
    return shown


def _kind(attributes: Attributes, resource: ResourceType) -> JsonObject:
    group, version, kind = attributes.own_kind or resource.gvk
    return {"group": group, "version": version, "kind": kind}


def _gvr(resource: ResourceType) -> JsonObject:
    return {"group": resource.group, "version": resource.version, "resource": resource.plural}


def shown(attributes: Attributes, resource: ResourceType, obj: JsonObject | None) -> JsonObject | None:
    """An object in the version of the resource that was asked for."""
    if obj is None or attributes.own_kind is not None:
        return obj
    return to_served(resource, {"kind": resource.storage_kind, "apiVersion": resource.storage_api_version, **obj})


def _user_info(user: User) -> JsonObject:
    result: JsonObject = {"username": user.name, "groups": list(user.groups)}
    if user.uid:
        result["uid"] = user.uid
    if user.extra:
        result["extra"] = {key: list(values) for key, values in user.extra.items()}
    return result


def _options(attributes: Attributes) -> JsonObject | None:
    kind = _OPTIONS.get(attributes.operation)
    if kind is None:
        return None
    result: JsonObject = {"kind": kind, "apiVersion": "meta.k8s.io/v1"}
    if attributes.operation == "DELETE":
        return {**attributes.options, **result}
    for name in ("fieldManager", "fieldValidation"):
        if attributes.call.query.get(name):
            result[name] = attributes.call.query[name]
    if attributes.dry_run:
        result["dryRun"] = ["All"]
    return result


def verdict_of(answer: Any, request: JsonObject) -> Verdict:
    """Raises BadAnswerError."""
    if not isinstance(answer, dict) or not isinstance(answer.get("response"), dict):
        raise BadAnswerError("Webhook response was absent")
    response = answer["response"]
    if response.get("uid") != request["uid"]:
        raise BadAnswerError(f'expected response.uid="{request["uid"]}", got "{response.get("uid", "")}"')
    return Verdict(
        response.get("allowed") is True,
        response.get("status") or {},
        _patch(response),
        [str(text)[:_LARGEST_WARNING] for text in response.get("warnings") or ()],
    )


def _patch(response: JsonObject) -> list[JsonObject]:
    encoded = response.get("patch")
    if not encoded:
        return []
    if response.get("patchType") != "JSONPatch":
        raise BadAnswerError(
            f'webhook returned response.patch but response.patchType="{response.get("patchType", "")}"'
        )
    try:
        patch = gojson.parse(base64.b64decode(encoded))
    except (binascii.Error, gojson.JsonError) as error:
        raise BadAnswerError(f"webhook returned a patch that is no JSON patch: {error}") from error
    if not isinstance(patch, list):
        raise BadAnswerError("webhook returned a patch that is no list of operations")
    return patch


def denial(name: str, status: JsonObject) -> StatusError:
    """What the client gets when a webhook says no."""
    head = f'admission webhook "{name}" denied the request'
    message, reason = status.get("message"), status.get("reason")
    if message:
        text = f"{head}: {message}"
    elif reason:
        text = f"{head}: {reason}"
    else:
        text = f"{head} without explanation"
    code = status.get("code")
    return StatusError(
        code if isinstance(code, int) and code >= 400 else 400, reason or "", text, status.get("details")
    )
