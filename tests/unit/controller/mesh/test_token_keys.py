"""Tokens of service accounts where no TokenReview is allowed."""

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from crossfade.controller.mesh.identity import sidecar_authentication
from crossfade.controller.mesh.pod_identity import PodIdentity
from crossfade.controller.mesh.token_keys import TokenKeys
from crossfade.xds.auth import NotAuthenticatedError
from crossfade_kube.client import Client
from crossfade_kube.kubeconfig import ClusterConfig
from tests.support.fake_api import FakeApi, serving

KEY = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
OTHER = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
CURVE = ec.generate_private_key(ec.SECP256R1())
PATH = "mesh/dj-app/virtualNode/jazz_prod"
# Tokens of parameters are made when tests are collected, long before some of them run.
A_DAY_S = 86_400
BOUND = {"namespace": "prod", "pod": {"name": "jazz-1", "uid": "u1"}, "serviceaccount": {"name": "default", "uid": "s"}}


def claims(**changed: Any) -> dict[str, Any]:
    return {
        "iss": "https://cluster",
        "sub": "system:serviceaccount:prod:default",
        "aud": ["crossfade-mesh"],
        "exp": int(time.time()) + A_DAY_S,
        "kubernetes.io": BOUND,
    } | changed


def signed(key: Any = KEY, kid: str | None = "k", algorithm: str = "RS256", **changed: Any) -> str:
    return jwt.encode(claims(**changed), key, algorithm=algorithm, headers={"kid": kid} if kid else None)


def key_set() -> dict[str, Any]:
    curve = ECAlgorithm.to_jwk(CURVE.public_key(), as_dict=True) | {"kid": "c", "alg": "ES256", "use": "sig"}
    rsa_key = RSAAlgorithm.to_jwk(KEY.public_key(), as_dict=True) | {"kid": "k", "alg": "RS256", "use": "sig"}
    return {"keys": [rsa_key, curve, {"kty": "oct", "k": "AAAA", "kid": "symmetric", "alg": "HS256"}, {"kty": "new"}]}


@asynccontextmanager
async def cluster() -> AsyncIterator[tuple[FakeApi, Client]]:
    api = FakeApi()
    api.objects["/openid/v1/jwks"] = key_set()
    async with serving(api) as url, Client(ClusterConfig(server=url)) as client:
        yield api, client


@pytest.mark.parametrize("token", [signed(), signed(CURVE, "c", "ES256")], ids=["RSA", "EC"])
async def test_a_bound_token_names_its_pod(token: str) -> None:
    async with cluster() as (_, client):
        assert await TokenKeys(client).identity(token) == PodIdentity("prod", "jazz-1", "u1")


def unsigned() -> str:
    return jwt.encode(claims(), key=None, algorithm="none", headers={"kid": "k"})


@pytest.mark.parametrize(
    ("token", "text"),
    [
        (signed(aud=["https://kubernetes.default.svc"]), "not for the audience"),
        (signed(aud=[]), "no longer valid"),
        (signed(exp=int(time.time()) - 60), "no longer valid"),
        (signed(exp="soon"), "no longer valid"),
        (signed(nbf=int(time.time()) + A_DAY_S), "no longer valid"),
        (signed(OTHER), "no longer valid"),
        (signed(OTHER, "unheard-of"), "a key that the cluster does not know"),
        (signed(kid=None), "no longer valid"),
        (unsigned(), "no longer valid"),
        (jwt.encode(claims(), "\0" * 32, algorithm="HS256", headers={"kid": "symmetric"}), "does not know"),
        (jwt.encode(claims(), "x" * 32, algorithm="HS256", headers={"kid": "k"}), "no longer valid"),
        (signed(sub="admin"), "not one of a service account"),
        (signed(sub="system:serviceaccount:other:default"), "not one of a service account"),
        (signed(**{"kubernetes.io": {"namespace": "prod"}}), "not bound to a pod"),
        (signed(**{"kubernetes.io": {"namespace": "prod", "pod": {"name": 1, "uid": {}}}}), "not bound to a pod"),
        (signed(**{"kubernetes.io": None}), "not one of a service account"),
        ("", "no longer valid"),
        ("a.b.c", "no longer valid"),
        ("x" * 100_000, "no longer valid"),
    ],
)
async def test_other_tokens_are_refused(token: str, text: str) -> None:
    async with cluster() as (_, client):
        with pytest.raises(NotAuthenticatedError, match=text):
            await TokenKeys(client).identity(token)


async def test_keys_are_asked_for_when_there_is_a_new_one_and_not_all_the_time() -> None:
    now = 0.0
    async with cluster() as (api, client):
        keys = TokenKeys(client, clock=lambda: now)
        for _ in range(5):
            await keys.identity(signed())
        for turn in range(5):
            with pytest.raises(NotAuthenticatedError):
                await keys.identity(signed(OTHER, f"made-up-{turn}"))
        assert len(api.requests) == 1
        new = RSAAlgorithm.to_jwk(OTHER.public_key(), as_dict=True) | {"kid": "new", "alg": "RS256"}
        api.objects["/openid/v1/jwks"] = {"keys": [json.loads(json.dumps(new))]}
        now = 11.0
        assert await keys.identity(signed(OTHER, "new"))
        with pytest.raises(NotAuthenticatedError):
            await keys.identity(signed())


async def test_the_pod_must_be_there_with_the_tokens_uid() -> None:
    """The API tells what a review would have told."""
    pod = {
        "metadata": {"name": "jazz-1", "uid": "u1"},
        "spec": {"containers": [{"name": "envoy", "env": [{"name": "APPMESH_VIRTUAL_NODE_NAME", "value": PATH}]}]},
    }
    metadata = {"authorization": f"Bearer {signed()}"}
    async with cluster() as (api, client):
        api.forbidden.add(("POST", "/tokenreviews"))
        authenticate = sidecar_authentication(client, lambda: None)
        with pytest.raises(NotAuthenticatedError, match="the pod of this token does not exist"):
            await authenticate(metadata)
        api.objects["/api/v1/namespaces/prod/pods/jazz-1"] = {**pod, "metadata": {"name": "jazz-1", "uid": "u2"}}
        with pytest.raises(NotAuthenticatedError, match="does not exist any more"):
            await authenticate(metadata)
        api.objects["/api/v1/namespaces/prod/pods/jazz-1"] = pod
        with pytest.raises(NotAuthenticatedError, match=f"{PATH} is not known here"):
            await authenticate(metadata)
        assert [path for method, path, _, _ in api.requests if method == "POST"].count(
            "/apis/authentication.k8s.io/v1/tokenreviews"
        ) == 1, "the right is asked for once"
