"""Failures as Kubernetes answers them: `Status` objects with its codes, reasons and words."""

from typing import Final

from crossfade_kube.meta import JsonObject

NOT_FOUND_TEXT: Final = "404 page not found\n"


class StatusError(Exception):
    """A request that ends with a `Status` object of failure."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        details: JsonObject | None = None,
        *,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
        self.headers = headers or {}
        self.metadata: JsonObject = {}
        self._body: JsonObject | None = None

    @classmethod
    def from_body(cls, body: JsonObject) -> "StatusError":
        """An error that is already worded as a Status object."""
        error = cls(body["code"], body.get("reason", ""), body["message"], body.get("details"))
        error._body = body
        return error

    def status(self) -> JsonObject:
        if self._body is not None:
            return self._body
        result: JsonObject = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": self.metadata,
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            result["reason"] = self.reason
        if self.details is not None:
            result["details"] = self.details
        result["code"] = self.code
        return result


class PageNotFoundError(Exception):
    """Nothing is served at this path: Kubernetes answers with plain text here, not with a Status."""


def qualified(resource: str, group: str) -> str:
    return f"{resource}.{group}" if group else resource


def _details(name: str, resource: str, group: str) -> JsonObject:
    pairs = (("name", name), ("group", group), ("kind", resource))
    return {key: value for key, value in pairs if value}


def not_found(resource: str, group: str, name: str) -> StatusError:
    return StatusError(
        404, "NotFound", f'{qualified(resource, group)} "{name}" not found', _details(name, resource, group)
    )


def already_exists(resource: str, group: str, name: str, *, is_ending: bool = False) -> StatusError:
    """`is_ending`: what has the name is being deleted."""
    prefix = "object is being deleted: " if is_ending else ""
    message = f'{prefix}{qualified(resource, group)} "{name}" already exists'
    return StatusError(409, "AlreadyExists", message, _details(name, resource, group))


def conflict(resource: str, group: str, name: str, why: str) -> StatusError:
    message = f'Operation cannot be fulfilled on {qualified(resource, group)} "{name}": {why}'
    return StatusError(409, "Conflict", message, _details(name, resource, group))


MODIFIED: Final = "the object has been modified; please apply your changes to the latest version and try again"


def forbidden(resource: str, group: str, name: str, why: str) -> StatusError:
    subject = f'{qualified(resource, group)} "{name}"' if name else qualified(resource, group)
    message = f"{subject} is forbidden: {why}" if resource else f"forbidden: {why}"
    return StatusError(403, "Forbidden", message, _details(name, resource, group))


def bad_request(message: str) -> StatusError:
    return StatusError(400, "BadRequest", message)


def internal(message: str) -> StatusError:
    return StatusError(500, "InternalError", f"Internal error occurred: {message}", {"causes": [{"message": message}]})


def plain_error(message: str) -> StatusError:
    """An error that Kubernetes did not think of: 500 without a reason."""
    return StatusError(500, "", message)


def unauthorized() -> StatusError:
    return StatusError(401, "Unauthorized", "Unauthorized")


def unknown_resource() -> StatusError:
    return StatusError(404, "NotFound", "the server could not find the requested resource", {})


def method_not_allowed() -> StatusError:
    message = "the server does not allow this method on the requested resource"
    return StatusError(405, "MethodNotAllowed", message, {})


def unsupported_body(accepted: tuple[str, ...]) -> StatusError:
    message = f"the body of the request was in an unknown format - accepted media types include: {', '.join(accepted)}"
    return StatusError(415, "UnsupportedMediaType", message)


def unsupported_media_type() -> StatusError:
    return StatusError(415, "UnsupportedMediaType", "415: Unsupported Media Type", {})


def not_acceptable(available: tuple[str, ...]) -> StatusError:
    message = f"406: Not Acceptable\n\nAvailable representations: {', '.join(available)}"
    return StatusError(406, "NotAcceptable", message, {})


def expired(message: str) -> StatusError:
    return StatusError(410, "Expired", message)


def too_large_resource_version(wanted: int, current: int) -> StatusError:
    causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
    return StatusError(
        504,
        "Timeout",
        f"Timeout: Too large resource version: {wanted}, current: {current}",
        {"causes": causes, "retryAfterSeconds": 1},
        headers={"Retry-After": "1"},
    )


def success(resource: str, group: str, name: str, uid: str) -> JsonObject:
    """What a finished delete answers."""
    details = _details(name, resource, group) | ({"uid": uid} if uid else {})
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
