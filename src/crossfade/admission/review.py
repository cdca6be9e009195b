"""What an API server asks (`admission.k8s.io/v1` AdmissionReview) and what it is answered; no I/O."""

import base64
from collections.abc import Sequence
from typing import Any, Final

import orjson
from msgspec import Struct

from crossfade_kube.meta import JsonObject

FORBIDDEN: Final = 403
API_VERSION: Final = "admission.k8s.io/v1"
_OLD_VERSION: Final = "admission.k8s.io/v1beta1"


class Denied(Exception):  # noqa: N818 - a verdict, not a failure
    """The request is refused; the text is what the user reads."""


class AdmissionRequest(Struct, frozen=True):
    """`object` is empty on DELETE, `old_object` on CREATE. `kind` is the plain kind name."""

    uid: str
    kind: str
    operation: str
    namespace: str = ""
    name: str = ""
    object: JsonObject = {}
    old_object: JsonObject = {}
    is_dry_run: bool = False
    api_version: str = API_VERSION
    """Of the review, which its answer must have too."""


class AdmissionAnswer(Struct, frozen=True):
    """Allowed unless there is a `denial`; `patch` is a JSON Patch; `warnings` are shown by kubectl.

    `code` is the status of a denial; only the usual one has a reason, which kubectl shows in front of the text.
    """

    denial: str = ""
    code: int = FORBIDDEN
    patch: Sequence[JsonObject] = ()
    warnings: Sequence[str] = ()


def request_from_review(review: JsonObject) -> AdmissionRequest:
    """Raises ValueError for what is no AdmissionReview request."""
    try:
        request: dict[str, Any] = review["request"]
        return AdmissionRequest(
            uid=request["uid"],
            kind=request["kind"]["kind"],
            operation=request["operation"],
            namespace=request.get("namespace") or "",
            name=request.get("name") or "",
            object=request.get("object") or {},
            old_object=request.get("oldObject") or {},
            is_dry_run=bool(request.get("dryRun")),
            api_version=_OLD_VERSION if review.get("apiVersion") == _OLD_VERSION else API_VERSION,
        )
    except (KeyError, TypeError, AttributeError) as exc:
        raise ValueError(f"not an AdmissionReview request: {exc}") from exc


def review_from_answer(uid: str, answer: AdmissionAnswer, api_version: str = API_VERSION) -> JsonObject:
    response: JsonObject = {"uid": uid, "allowed": not answer.denial}
    if answer.denial:
        status: JsonObject = {"status": "Failure", "message": answer.denial, "code": answer.code}
        response["status"] = {**status, "reason": "Forbidden"} if answer.code == FORBIDDEN else status
    elif answer.patch:
        response["patchType"] = "JSONPatch"
        response["patch"] = base64.b64encode(orjson.dumps(list(answer.patch))).decode()
    if answer.warnings:
        response["warnings"] = list(answer.warnings)
    return {"apiVersion": api_version, "kind": "AdmissionReview", "response": response}
