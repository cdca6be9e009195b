"""What a role does not allow to write: told once of each verb and resource, for however many objects it is tried.

What may not be read is told by who reads, since some kinds can be done without.
"""

import logging
from typing import Final, NamedTuple
from urllib.parse import unquote

from crossfade_kube.errors import Forbidden

log = logging.getLogger(__name__)

# RBAC's words; quotas, admission and namespaces that end give other reasons.
_OF_RBAC: Final = '" cannot '
_VERBS: Final = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_VERBS_OF_MANY: Final = {"GET": "list", "DELETE": "deletecollection"}
_OF_GROUP, _OF_CORE = 3, 2


class Access(NamedTuple):
    """As a rule of a Role names it."""

    verb: str
    group: str
    resource: str


def access_of(method: str, path: str) -> Access | None:
    """None for a path of no resource."""
    parts = [unquote(part) for part in path.strip("/").split("/")]
    start = {"apis": _OF_GROUP, "api": _OF_CORE}.get(parts[0], 0)
    rest = parts[start:]
    if not start or not rest:
        return None
    if rest[0] == "namespaces" and len(rest) > 2:
        rest = rest[2:]
    plural, sub = rest[0], "/".join(rest[2:])
    group = parts[1] if start == _OF_GROUP else ""
    verbs = _VERBS if len(rest) > 1 else _VERBS | _VERBS_OF_MANY
    return Access(verbs.get(method, ""), group, f"{plural}/{sub}" if sub else plural)


class Denials:
    """Of one client."""

    def __init__(self) -> None:
        self._told: set[Access] = set()

    def tell(self, problem: Exception, method: str, path: str) -> None:
        """Other problems than a role's are their callers' to tell."""
        if method == "GET" or not isinstance(problem, Forbidden) or _OF_RBAC not in problem.message:
            return
        access = access_of(method, path)
        if access is not None and access not in self._told:
            self._told.add(access)
            fields = {
                **access._asdict(),
                "reason": problem.message,
                "effect": "it is tried again from time to time, and nothing that needs it is done",
                "hint": "allow it in the role; the manifests of this version do",
            }
            log.warning("permissions.denied", extra={"fields": fields})
