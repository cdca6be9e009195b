"""Who may see the requests of which namespace: the rules of RBAC say it, and the API server is asked."""

import time
from collections.abc import Callable
from typing import Final

from crossfade.controller.token_reviews import is_for, reviewed
from crossfade.observe.access import AUDIENCE, RESOURCE, SUBRESOURCE, VERB, NotAdmitted
from crossfade_kube.client import Client
from crossfade_kube.errors import Forbidden, KubeError
from crossfade_kube.meta import JsonObject, Resource

MOST_A_SECOND: Final = 20
LONGEST_TOKEN: Final = 16_384
_ACCESS_REVIEW: Final = Resource(
    "authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview", namespaced=False
)


class RecordAccess:
    """Anybody in the cluster's network may ask: how often the API server is asked in turn is bounded."""

    def __init__(self, client: Client, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._second = 0
        self._in_second = 0

    async def admit(self, token: str, namespace: str) -> str:
        """`observe.access.Admit`."""
        if not token or len(token) > LONGEST_TOKEN or not token.isascii():
            raise NotAdmitted(403, f"a service account's token is needed, for the audience {AUDIENCE}")
        if not self._has_room():
            raise NotAdmitted(429, "too many ask at the moment")
        try:
            user = await self._user(token)
            if not await self._may(user, namespace):
                where = f"in namespace {namespace}" if namespace else "in all namespaces"
                raise NotAdmitted(
                    403,
                    f"{user['username']} may not see requests {where}: allow `{VERB}` on `{RESOURCE}/{SUBRESOURCE}`",
                )
        except Forbidden as error:
            raise NotAdmitted(
                503,
                "the control plane may not find out who asks: its role needs `create` on `tokenreviews` and"
                " `subjectaccessreviews`",
            ) from error
        except KubeError as error:
            raise NotAdmitted(503, "the Kubernetes API cannot be asked at the moment who may see requests") from error
        return str(user["username"])

    async def _user(self, token: str) -> JsonObject:
        status = await reviewed(self._client, token, AUDIENCE)
        user: JsonObject = status.get("user") or {}
        if not status.get("authenticated") or not user.get("username"):
            raise NotAdmitted(403, "the token is not valid, or no longer")
        if not is_for(status, AUDIENCE):
            raise NotAdmitted(403, f"the token is not for the audience {AUDIENCE}")
        return user

    async def _may(self, user: JsonObject, namespace: str) -> bool:
        spec = {
            "user": user["username"],
            "uid": user.get("uid") or "",
            "groups": user.get("groups") or [],
            "extra": user.get("extra") or {},
            "resourceAttributes": {
                "verb": VERB,
                "group": "",
                "version": "v1",
                "resource": RESOURCE,
                "subresource": SUBRESOURCE,
                "namespace": namespace,
            },
        }
        review = {"apiVersion": _ACCESS_REVIEW.api_version, "kind": _ACCESS_REVIEW.kind, "spec": spec}
        answer = await self._client.create(_ACCESS_REVIEW, review)
        return (answer.get("status") or {}).get("allowed") is True

    def _has_room(self) -> bool:
        second = int(self._clock())
        if second != self._second:
            self._second, self._in_second = second, 0
        self._in_second += 1
        return self._in_second <= MOST_A_SECOND
