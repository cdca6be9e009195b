"""What a request asks for, read from method, path and query as Kubernetes does; no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from crossfade_local.apiserver.wire.warnings import Warnings

Query = Mapping[str, str]

_VERBS: Final = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete", "GET": "get", "HEAD": "get"}
# /api/v1/namespaces/NAME/status is the namespace's own subresource, not a resource inside it.
_NAMESPACE_SUBRESOURCES: Final = frozenset({"status", "finalize"})
_OFF: Final = frozenset({"0", "false"})


def flag(query: Query, name: str) -> bool:
    """A switch in a query: given with anything that does not turn it off, as Kubernetes reads it."""
    return name in query and query[name].lower() not in _OFF


@dataclass(frozen=True)
class User:
    """Who asks. `extra` holds the authenticator's further facts, as in TokenReview."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


ANONYMOUS: Final = User("system:anonymous", ("system:unauthenticated",))


@dataclass(frozen=True)
class RequestInfo:
    """A request in the words of the authorizer; `resource` is empty for paths outside the API groups."""

    verb: str
    path: str
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""

    @property
    def is_resource(self) -> bool:
        return bool(self.resource)


@dataclass
class Call:
    """One request on its way through the server; `warnings` become `Warning` headers."""

    method: str
    info: RequestInfo
    query: Query
    headers: Mapping[str, str]
    body: bytes
    user: User
    warnings: Warnings = field(default_factory=Warnings)
    transport: Any = None
    """The HTTP server's own request, for answers that stream."""

    @property
    def manager(self) -> str:
        """Field manager: named in the query, or the client's program name."""
        named = self.query.get("fieldManager")
        return named or self.headers.get("User-Agent", "").partition("/")[0][:128] or "unknown"

    @property
    def is_dry_run(self) -> bool:
        return self.query.get("dryRun") == "All"

    def warn(self, text: str) -> None:
        self.warnings.add(text)


def request_info(method: str, path: str, query: Query) -> RequestInfo:
    """Understand a path below /api or /apis; any other path is a non-resource request with the method as its verb."""
    parts = [part for part in path.split("/") if part]
    outside = RequestInfo(method.lower(), path)
    if len(parts) >= 3 and parts[0] == "api":
        group, version, rest = "", parts[1], parts[2:]
    elif len(parts) >= 4 and parts[0] == "apis":
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return outside
    verb = _VERBS.get(method, method.lower())
    if rest[0] == "watch" and len(rest) > 1:
        verb, rest = "watch", rest[1:]
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 1:
        namespace = rest[1]
        if len(rest) > 2 and rest[2] not in _NAMESPACE_SUBRESOURCES:
            rest = rest[2:]
    resource, name = rest[0], rest[1] if len(rest) > 1 else ""
    # What follows `proxy` is a path of somebody else's.
    parts_of_it = rest[2:3] if rest[2:3] == ["proxy"] else rest[2:]
    subresource = "/".join(parts_of_it)
    if not name:
        verb = {"get": "list", "delete": "deletecollection"}.get(verb, verb)
    if verb in ("get", "list") and flag(query, "watch"):
        verb = "watch"
    if verb in ("list", "watch", "deletecollection") and not name:
        name = _name_in_selector(query.get("fieldSelector", ""))
    return RequestInfo(verb, path, group, version, resource, subresource, namespace, name)


def _name_in_selector(selector: str) -> str:
    prefix = "metadata.name="
    found = [part for part in selector.split(",") if part.startswith(prefix)]
    return found[0].removeprefix(prefix).lstrip("=") if found else ""
