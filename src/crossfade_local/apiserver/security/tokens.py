"""Service-account tokens: signed with the cluster's key, bound to an account and perhaps a pod, checked on each use."""

import json
import time
import uuid
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import jwt
from cryptography.hazmat.primitives import hashes, serialization
from jwt.algorithms import ECAlgorithm
from jwt.types import Options
from jwt.utils import base64url_encode

from crossfade_kube.certificates import load_key
from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.state.storage import Storage
from crossfade_local.apiserver.wire.request import User

ISSUER: Final = "https://kubernetes.default.svc.cluster.local"
DEFAULT_AUDIENCE: Final = ISSUER
CONFIGURATION_PATH: Final = "/.well-known/openid-configuration"
KEY_SET_PATH: Final = "/openid/v1/jwks"
LEGACY_ISSUER: Final = "kubernetes/serviceaccount"
_ALGORITHM: Final = "ES256"
# A token takes some 4 KiB with its claims, and checking its signature a tenth of a millisecond.
_REMEMBERED: Final = 256
# Times, audiences and the issuer are checked here, as Kubernetes does, with its words for people.
_ONLY_SIGNATURE: Final[Options] = {
    "verify_aud": False,
    "verify_exp": False,
    "verify_iat": False,
    "verify_iss": False,
    "verify_nbf": False,
}
_NO_KEY: Final = "invalid signature, no keys found"
_BAD_SIGNATURE: Final = "go-jose/go-jose: error in cryptographic primitive"
_BOUND_BUCKETS: Final = {"Pod": ("/pods", "pod"), "Secret": ("/secrets", "secret"), "Node": ("/nodes", "node")}


class TokenError(Exception):
    """The token is expired, meant for others, or bound to something that is gone; without words: not one of ours."""


@dataclass(frozen=True)
class Identity:
    """What a valid token says."""

    user: User
    audiences: tuple[str, ...]


@dataclass(frozen=True)
class Account:
    namespace: str
    name: str
    uid: str


class TokenAuthority:
    """Issues and checks tokens; the store tells whether what a token is bound to still exists."""

    def __init__(self, key_file: Path, storage: Storage) -> None:
        self._key: Final = load_key(key_file.read_bytes())
        self._public: Final = self._key.public_key()
        self._storage: Final = storage
        point = self._public.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
        digest = hashes.Hash(hashes.SHA256())
        digest.update(point)
        self._key_id: Final = base64url_encode(digest.finalize()).decode()
        self._valid: OrderedDict[str, JsonObject] = OrderedDict()

    def issue(
        self,
        account: Account,
        *,
        audiences: Sequence[str],
        seconds: int,
        bound: JsonObject | None = None,
        now: float | None = None,
    ) -> str:
        """`bound` is `{"kind", "name", "uid"}` of the object that the token must not outlive."""
        issued = int(now if now is not None else time.time())
        inner: JsonObject = {
            "namespace": account.namespace,
            "serviceaccount": {"name": account.name, "uid": account.uid},
        }
        if bound:
            inner[_BOUND_BUCKETS[bound["kind"]][1]] = {"name": bound["name"], "uid": bound.get("uid", "")}
        claims = {
            "aud": list(audiences),
            "exp": issued + seconds,
            "iat": issued,
            "iss": ISSUER,
            "jti": str(uuid.uuid4()),
            "kubernetes.io": inner,
            "nbf": issued,
            "sub": _subject(account.namespace, account.name),
        }
        return self._signed(claims)

    def issue_legacy(self, account: Account, secret_name: str) -> str:
        """The token of a Secret of type `kubernetes.io/service-account-token`: without an end."""
        prefix = "kubernetes.io/serviceaccount/"
        return self._signed(
            {
                "iss": LEGACY_ISSUER,
                f"{prefix}namespace": account.namespace,
                f"{prefix}secret.name": secret_name,
                f"{prefix}service-account.name": account.name,
                f"{prefix}service-account.uid": account.uid,
                "sub": _subject(account.namespace, account.name),
            }
        )

    def verify(
        self, token: str, *, audiences: Sequence[str] = (DEFAULT_AUDIENCE,), now: float | None = None
    ) -> Identity:
        """Raises TokenError."""
        claims = self._claims(token)
        moment = now if now is not None else time.time()
        if claims.get("iss") == LEGACY_ISSUER:
            return self._legacy(claims)
        if claims.get("iss") != ISSUER:
            raise TokenError
        if not claims["nbf"] <= moment + 5 or moment >= claims["exp"]:
            raise TokenError("service account token has expired")
        shared = tuple(name for name in claims["aud"] if name in audiences)
        if not shared:
            raise TokenError(
                f"token audiences {json.dumps(claims['aud'])} is invalid for the target audiences"
                f" {json.dumps(list(audiences))}"
            )
        inner = claims["kubernetes.io"]
        account = Account(inner["namespace"], inner["serviceaccount"]["name"], inner["serviceaccount"]["uid"])
        self._check_account(account)
        extra: dict[str, tuple[str, ...]] = {
            "authentication.kubernetes.io/credential-id": (f"JTI={claims['jti']}",),
        }
        for bucket, field in _BOUND_BUCKETS.values():
            if field in inner:
                self._check_bound(bucket, account.namespace if field != "node" else "", inner[field])
                extra[f"authentication.kubernetes.io/{field}-name"] = (inner[field]["name"],)
                extra[f"authentication.kubernetes.io/{field}-uid"] = (inner[field]["uid"],)
        extra.pop("authentication.kubernetes.io/secret-name", None)
        extra.pop("authentication.kubernetes.io/secret-uid", None)
        return Identity(user_of(account, extra), shared)

    def _legacy(self, claims: JsonObject) -> Identity:
        prefix = "kubernetes.io/serviceaccount/"
        namespace = claims[f"{prefix}namespace"]
        account = Account(namespace, claims[f"{prefix}service-account.name"], claims[f"{prefix}service-account.uid"])
        self._check_account(account)
        if self._storage.get("/secrets", namespace, claims[f"{prefix}secret.name"]) is None:
            raise TokenError("Token has been invalidated")
        return Identity(user_of(account, {}), (DEFAULT_AUDIENCE,))

    def _claims(self, token: str) -> JsonObject:
        """The claims of a token whose signature is right; those of the tokens that were last used are remembered."""
        known = self._valid.get(token)
        if known is not None:
            self._valid.move_to_end(token)
            return known
        try:
            claims: JsonObject = jwt.decode(token, self._public, algorithms=[_ALGORITHM], options=_ONLY_SIGNATURE)
        except (jwt.PyJWTError, ValueError) as error:
            raise TokenError(*self._reasons(token)) from error
        self._valid[token] = claims
        if len(self._valid) > _REMEMBERED:
            self._valid.popitem(last=False)
        return claims

    def _reasons(self, token: str) -> Iterator[str]:
        """Why the signature of a token that says it is ours is not right."""
        try:
            issuer = jwt.decode(token, options={"verify_signature": False, **_ONLY_SIGNATURE}).get("iss")
            key_id = jwt.get_unverified_header(token).get("kid")
        except (jwt.PyJWTError, ValueError):
            return
        if issuer in (ISSUER, LEGACY_ISSUER):
            yield _BAD_SIGNATURE if key_id == self._key_id else _NO_KEY

    def _check_account(self, account: Account) -> None:
        stored = self._storage.get("/serviceaccounts", account.namespace, account.name)
        if stored is None or stored.object["metadata"]["uid"] != account.uid:
            raise TokenError("Service account has been deleted")

    def _check_bound(self, bucket: str, namespace: str, reference: JsonObject) -> None:
        stored = self._storage.get(bucket, namespace, reference["name"])
        if stored is None or (reference["uid"] and stored.object["metadata"]["uid"] != reference["uid"]):
            raise TokenError(f"{bucket[1:-1]} has been invalidated")

    def _signed(self, claims: JsonObject) -> str:
        # Kubernetes' tokens carry no type.
        return jwt.encode(claims, self._key, _ALGORITHM, headers={"kid": self._key_id, "typ": None})

    def configuration(self, server: str) -> JsonObject:
        """OpenID Connect's discovery document: where `key_set` is, for a client who reached us as `server`."""
        return {
            "issuer": ISSUER,
            "jwks_uri": f"https://{server}{KEY_SET_PATH}",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [_ALGORITHM],
        }

    def key_set(self) -> JsonObject:
        """The public key as a JSON Web Key Set, for those who check tokens by themselves."""
        key = ECAlgorithm.to_jwk(self._public, as_dict=True)
        return {"keys": [{"use": "sig", "kid": self._key_id, "alg": _ALGORITHM, **key}]}


def user_of(account: Account, extra: dict[str, tuple[str, ...]]) -> User:
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{account.namespace}", "system:authenticated")
    return User(_subject(account.namespace, account.name), groups, account.uid, extra)


def _subject(namespace: str, name: str) -> str:
    return f"system:serviceaccount:{namespace}:{name}"
