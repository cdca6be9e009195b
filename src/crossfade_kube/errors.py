"""Errors of the Kubernetes client, kept apart from the HTTP library's so that callers never depend on it.

Whose fault an error is decides its class: `ConfigError` is the user's, `ApiUnreachable` the network's, `ApiError`
what the server answered, with its Status object kept whole.
"""
# ruff: noqa: N818 - the classes are named after the reasons in the API's own Status objects

from typing import Any, Final

import orjson

from crossfade_kube.meta import JsonObject


class KubeError(Exception):
    """Base of everything this package raises on purpose."""


class ConfigError(KubeError):
    """The kubeconfig or the in-cluster environment cannot be used; the text says what to do."""


class ApiUnreachable(KubeError):
    """No complete answer came: connection refused or lost, TLS failure, or time out."""

    def __init__(self, *, server: str, verb: str, problem: str) -> None:
        super().__init__(f"Kubernetes API at {server} cannot be reached ({verb}): {problem}")
        self.server = server
        self.verb = verb


class ApiError(KubeError):
    """The server answered with an error. `details` is Status.details; `retry_after_s` from the header, if any."""

    def __init__(self, code: int, status: JsonObject, *, request: str = "", retry_after_s: float | None = None) -> None:
        self.code = code
        self.status = status
        self.reason: str = status.get("reason") or ""
        self.message: str = status.get("message") or f"HTTP status {code}"
        self.details: dict[str, Any] = status.get("details") or {}
        self.retry_after_s = retry_after_s
        self.request = request
        super().__init__(f"{request}: {self.message}" if request else self.message)

    def has_cause(self, reason: str) -> bool:
        """Whether the Status names this cause, like NamespaceTerminating for a create that comes too late."""
        return any(cause.get("reason") == reason for cause in self.details.get("causes") or ())


class BadRequest(ApiError):
    """400, also what admission webhooks answer by default."""


class Unauthorized(ApiError):
    """401: the credentials are wrong or have ended."""


class Forbidden(ApiError):
    """403: RBAC, quota, or a namespace that is being deleted."""


class NotFound(ApiError):
    """404: the object, or its whole kind, does not exist."""


class Conflict(ApiError):
    """409: the object changed since it was read, or another manager owns a field."""


class AlreadyExists(Conflict):
    """409 on create."""


class Expired(ApiError):
    """410: the resourceVersion or continue token is too old; list again."""


class Invalid(ApiError):
    """422: a field's value is not acceptable; `details["causes"]` names the fields."""


class TooManyRequests(ApiError):
    """429."""


class ServerError(ApiError):
    """5xx."""


_BY_REASON: Final[dict[str, type[ApiError]]] = {"AlreadyExists": AlreadyExists, "Expired": Expired, "Gone": Expired}
_BY_CODE: Final[dict[int, type[ApiError]]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Expired,
    422: Invalid,
    429: TooManyRequests,
}


def error_from_status(
    status: JsonObject, *, code: int | None = None, request: str = "", retry_after_s: float | None = None
) -> ApiError:
    """The error for a Status object; `code` is the HTTP status where it is not in the object."""
    code = int(status.get("code") or code or 500)
    kind = _BY_REASON.get(status.get("reason") or "") or _BY_CODE.get(code)
    if kind is None:
        kind = ServerError if code >= 500 else ApiError
    return kind(code, status, request=request, retry_after_s=retry_after_s)


def error_from_response(code: int, body: bytes, *, request: str = "", retry_after_s: float | None = None) -> ApiError:
    """The error for an HTTP answer, whether or not its body is a Status (proxies in between answer in HTML)."""
    try:
        status = orjson.loads(body)
    except ValueError:
        status = None
    if not isinstance(status, dict) or status.get("kind") != "Status":
        status = {"message": body[:500].decode(errors="replace").strip(), "code": code}
    return error_from_status(status, code=code, request=request, retry_after_s=retry_after_s)
