"""Tokens of service accounts, checked by the API server."""

from typing import Final

from crossfade_kube.client import Client
from crossfade_kube.meta import JsonObject, Resource

_REVIEW: Final = Resource("authentication.k8s.io", "v1", "tokenreviews", "TokenReview", namespaced=False)


async def reviewed(client: Client, token: str, audience: str) -> JsonObject:
    """The review's status, of which `is_for` is to be asked too. Raises KubeError."""
    spec = {"token": token, "audiences": [audience]}
    review = {"apiVersion": _REVIEW.api_version, "kind": _REVIEW.kind, "spec": spec}
    answer = await client.create(_REVIEW, review)
    status: JsonObject = answer.get("status") or {}
    return status


def is_for(status: JsonObject, audience: str) -> bool:
    """A server that knows no audiences leaves them out, and has checked nothing."""
    return audience in (status.get("audiences") or ())
