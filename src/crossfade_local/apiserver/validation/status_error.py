"""The Status body that tells a client what is invalid (HTTP 422)."""

from collections.abc import Sequence

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.validation.errors import FieldError


def invalid_status(*, group: str, kind: str, name: str, errors: Sequence[FieldError]) -> JsonObject:
    """`kind` may be empty: then the message speaks of the group alone, as the API's access reviews do."""
    subject = f"{kind}.{group}" if group else kind
    details: JsonObject = {}
    if name:
        details["name"] = name
    if group:
        details["group"] = group
    if kind:
        details["kind"] = kind
    details["causes"] = causes = [_cause(error) for error in errors]
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": f'{subject} "{name}" is invalid: {_aggregate(causes)}',
        "reason": "Invalid",
        "details": details,
        "code": 422,
    }


def _cause(error: FieldError) -> JsonObject:
    return {"reason": str(error.type), "message": error.body, "field": error.field}


def _aggregate(causes: Sequence[JsonObject]) -> str:
    """Equal texts are said once; several stand in brackets."""
    texts = list(dict.fromkeys(f"{cause['field']}: {cause['message']}" for cause in causes))
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
