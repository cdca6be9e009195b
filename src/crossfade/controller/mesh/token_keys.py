"""Tokens of service accounts checked by the cluster's public keys, for a role that may create no TokenReview.

The keys are what every service account may read (ClusterRole system:service-account-issuer-discovery). A review would
also tell that the account or the pod is gone: whoever asks here must look for the pod.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import jwt

from crossfade.controller.mesh.pod_identity import PodIdentity
from crossfade.inject.settings import TOKEN_AUDIENCE
from crossfade.xds.auth import NotAuthenticatedError
from crossfade_kube.client import Client
from crossfade_kube.meta import JsonObject

PATH: Final = "/openid/v1/jwks"
_ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
_SUBJECT: Final = "system:serviceaccount:"
_CLAIMS: Final = "kubernetes.io"
# A key that nobody has heard of may be a new one; whoever makes tokens up must not make us ask all the time.
_ASK_AGAIN_S: Final = 10.0
_LEEWAY_S: Final = 10
_LONGEST: Final = 16_384


class TokenKeys:
    """Belongs to one event loop."""

    def __init__(self, client: Client, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._keys: Mapping[str, jwt.PyJWK] = {}
        self._asked_at: float | None = None
        self._asking = asyncio.Lock()

    async def identity(self, token: str) -> PodIdentity:
        """Raises NotAuthenticatedError; KubeError where the keys cannot be had."""
        key = await self._key_of(token)
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name],
                audience=TOKEN_AUDIENCE,
                leeway=_LEEWAY_S,
                options={"require": ["exp", "aud", "sub"]},
            )
        except jwt.InvalidAudienceError:
            raise NotAuthenticatedError(f"the token is not for the audience {TOKEN_AUDIENCE}") from None
        except jwt.PyJWTError:
            raise NotAuthenticatedError("the token is not one of a service account, or no longer valid") from None
        return _pod_of(claims)

    async def _key_of(self, token: str) -> jwt.PyJWK:
        try:
            name = jwt.get_unverified_header(token).get("kid") if len(token) <= _LONGEST else None
        except jwt.PyJWTError:
            name = None
        if not isinstance(name, str):
            raise NotAuthenticatedError("the token is not one of a service account, or no longer valid")
        if name not in self._keys:
            await self._ask()
        if name not in self._keys:
            raise NotAuthenticatedError("the token is signed with a key that the cluster does not know")
        return self._keys[name]

    async def _ask(self) -> None:
        async with self._asking:
            now = self._clock()
            if self._asked_at is not None and now - self._asked_at < _ASK_AGAIN_S:
                return
            self._keys = _keys_in(await self._client.request("GET", PATH))
            self._asked_at = now


def _keys_in(answer: JsonObject) -> Mapping[str, jwt.PyJWK]:
    """Of a kind that signs tokens; others are of no use."""
    found = {}
    for one in answer.get("keys") or ():
        try:
            key = jwt.PyJWK(one)
        except (jwt.PyJWTError, AttributeError, TypeError, ValueError):
            continue
        if key.key_id and key.algorithm_name in _ALGORITHMS:
            found[key.key_id] = key
    return found


def _pod_of(claims: Mapping[str, Any]) -> PodIdentity:
    """Raises NotAuthenticatedError."""
    own = claims.get(_CLAIMS)
    own = own if isinstance(own, dict) else {}
    pod, namespace = own.get("pod"), own.get("namespace")
    name, uid = (pod.get("name"), pod.get("uid")) if isinstance(pod, dict) else (None, None)
    if not str(claims.get("sub")).startswith(f"{_SUBJECT}{namespace}:"):
        raise NotAuthenticatedError("the token is not one of a service account, or no longer valid")
    if not (isinstance(name, str) and isinstance(uid, str) and name and uid):
        raise NotAuthenticatedError("the token is not bound to a pod")
    return PodIdentity(str(namespace), name, uid)
