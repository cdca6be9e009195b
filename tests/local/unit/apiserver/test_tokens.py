"""Service-account tokens: what they say, and which are refused."""

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from crossfade_local.apiserver.security.tokens import Account, TokenAuthority, TokenError
from crossfade_local.apiserver.state.database import Database
from crossfade_local.apiserver.state.storage import Storage

ROBOT = Account("ns", "robot", "uid-1")
NOW = 1_700_000_000.0


def authority_in(folder: Path, storage: Storage) -> TokenAuthority:
    key = ec.generate_private_key(ec.SECP256R1())
    file = folder / "service-account.key"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return TokenAuthority(file, storage)


@pytest.fixture
async def storage() -> AsyncIterator[Storage]:
    made = Storage(Database(None))
    await made.create("/serviceaccounts", "ns", "robot", {"metadata": {"name": "robot", "uid": "uid-1"}})
    await made.create("/secrets", "ns", "robot-token", {"metadata": {"name": "robot-token", "uid": "s"}})
    yield made
    made.close()


@pytest.fixture
def authority(tmp_path: Path, storage: Storage) -> TokenAuthority:
    return authority_in(tmp_path, storage)


def issued(authority: TokenAuthority, seconds: int = 600) -> str:
    return authority.issue(ROBOT, audiences=["a", "b"], seconds=seconds, now=NOW)


def part(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def packed(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def test_a_token_says_what_kubernetes_tokens_say(authority: TokenAuthority) -> None:
    head, body, _ = issued(authority).split(".")
    (key,) = authority.key_set()["keys"]
    assert json.loads(part(head)) == {"alg": "ES256", "kid": key["kid"]}
    claims = json.loads(part(body))
    assert claims.pop("jti")
    assert claims == {
        "aud": ["a", "b"],
        "exp": 1_700_000_600,
        "iat": 1_700_000_000,
        "iss": "https://kubernetes.default.svc.cluster.local",
        "kubernetes.io": {"namespace": "ns", "serviceaccount": {"name": "robot", "uid": "uid-1"}},
        "nbf": 1_700_000_000,
        "sub": "system:serviceaccount:ns:robot",
    }


def test_others_can_check_a_token_with_the_key_set(authority: TokenAuthority) -> None:
    head, body, signature = issued(authority).split(".")
    (key,) = authority.key_set()["keys"]
    assert {name: key[name] for name in ("use", "kty", "crv", "alg")} == {
        "use": "sig", "kty": "EC", "crv": "P-256", "alg": "ES256",
    }  # fmt: skip
    x, y, raw = part(key["x"]), part(key["y"]), part(signature)
    assert (len(x), len(y), len(raw)) == (32, 32, 64)
    public = ec.EllipticCurvePublicNumbers(int.from_bytes(x), int.from_bytes(y), ec.SECP256R1()).public_key()
    der = encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
    public.verify(der, f"{head}.{body}".encode(), ec.ECDSA(hashes.SHA256()))
    with pytest.raises(InvalidSignature):
        public.verify(der, f"{head}.{body}x".encode(), ec.ECDSA(hashes.SHA256()))


def test_who_a_token_is(authority: TokenAuthority) -> None:
    identity = authority.verify(issued(authority), audiences=["b", "c"], now=NOW)
    assert identity.user.name == "system:serviceaccount:ns:robot"
    assert identity.audiences == ("b",)


@pytest.mark.parametrize(("moment", "is_valid"), [(-6, False), (-5, True), (0, True), (599, True), (600, False)])
def test_a_token_holds_for_its_time(authority: TokenAuthority, moment: float, is_valid: bool) -> None:
    token = issued(authority)
    if is_valid:
        assert authority.verify(token, audiences=["a"], now=NOW + moment)
    else:
        with pytest.raises(TokenError, match="expired"):
            authority.verify(token, audiences=["a"], now=NOW + moment)


def test_a_token_for_others_is_refused(authority: TokenAuthority) -> None:
    with pytest.raises(TokenError, match=r'token audiences \["a", "b"\] is invalid for the target audiences \["c"\]'):
        authority.verify(issued(authority), audiences=["c"], now=NOW)


def test_a_legacy_token_has_no_end(authority: TokenAuthority) -> None:
    token = authority.issue_legacy(ROBOT, "robot-token")
    assert authority.verify(token, now=NOW * 2).user.name == "system:serviceaccount:ns:robot"
    with pytest.raises(TokenError, match="invalidated"):
        authority.verify(authority.issue_legacy(ROBOT, "another"), now=NOW)


def test_another_clusters_token_is_refused(tmp_path: Path, storage: Storage, authority: TokenAuthority) -> None:
    (tmp_path / "other").mkdir()
    foreign = issued(authority_in(tmp_path / "other", storage))
    with pytest.raises(TokenError, match="invalid signature, no keys found"):
        authority.verify(foreign, audiences=["a"], now=NOW)


def test_changed_claims_are_refused(authority: TokenAuthority) -> None:
    head, body, signature = issued(authority).split(".")
    claims = packed({**json.loads(part(body)), "sub": "system:serviceaccount:kube-system:admin"})
    with pytest.raises(TokenError):
        authority.verify(f"{head}.{claims}.{signature}", audiences=["a"], now=NOW)


@pytest.mark.parametrize("head", [{"alg": "none"}, {"alg": "HS256"}, {"alg": "ES384"}, {}, [], 1])
def test_another_algorithm_is_refused(authority: TokenAuthority, head: object) -> None:
    _, body, signature = issued(authority).split(".")
    for ending in (signature, ""):
        with pytest.raises(TokenError):
            authority.verify(f"{packed(head)}.{body}.{ending}", audiences=["a"], now=NOW)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=st.one_of(st.text(), st.lists(st.text(), min_size=3, max_size=3).map(".".join)))
@example(text="a.b.\udcff")
def test_any_text_is_no_token(authority: TokenAuthority, text: str) -> None:
    with pytest.raises(TokenError):
        authority.verify(text, audiences=["a"], now=NOW)


def test_tokens_that_were_last_used_are_remembered_and_no_more(authority: TokenAuthority) -> None:
    tokens = [issued(authority, seconds) for seconds in range(600, 900)]
    for token in tokens:
        assert authority.verify(token, audiences=["a"], now=NOW).user.name == "system:serviceaccount:ns:robot"
        authority.verify(tokens[0], audiences=["a"], now=NOW)
    assert len(authority._valid) < 300
    assert {tokens[0], tokens[-1]} <= set(authority._valid)
