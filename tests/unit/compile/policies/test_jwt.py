"""jwt: which configurations are right, and which Secrets are credentials."""

from base64 import b64decode
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_public_key,
)
from hypothesis import given
from hypothesis import strategies as st

from crossfade.compile.policies.plugin import ModuleStep
from crossfade.compile.policies.registry import CREDENTIAL_TYPES, Accepted, Refused, judge_plugin

JWT = CREDENTIAL_TYPES["jwt"]
RSA = rsa.generate_private_key(65537, 2048)
# Each algorithm family with keys that fit, by the algorithm's name.
PAIRS: dict[str, Any] = {
    "RS256": RSA,
    "PS512": RSA,
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "ES384": ec.generate_private_key(ec.SECP384R1()),
    "ES512": ec.generate_private_key(ec.SECP521R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}
SMALL = rsa.generate_private_key(65537, 1024)
DEFAULTS: dict[str, Any] = {
    "uri_param_names": ["jwt"],
    "cookie_names": [],
    "key_claim_name": "iss",
    "secret_is_base64": False,
    "claims_to_verify": None,
    "anonymous": None,
    "run_on_preflight": True,
    "maximum_expiration": 0,
    "header_names": ["authorization"],
    "realm": None,
}
ALL = "HS256, HS384, HS512, RS256, RS384, RS512, ES256, ES384, ES512, PS256, PS384, PS512, EdDSA"


def pem(key: Any, form: PublicFormat = PublicFormat.SubjectPublicKeyInfo) -> bytes:
    found: bytes = key.public_key().public_bytes(Encoding.PEM, form)
    return found


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"realm": "a\nb"}, "schema violation (config.realm: control characters are not allowed in header values)"),
        ({"anonymous": ""}, "schema violation (config.anonymous: length must be at least 1)"),
        ({"cookie_names": "a"}, "schema violation (config.cookie_names: expected a set)"),
        ({"claims_to_verify": ["aud"]}, "schema violation (config.claims_to_verify.1: expected one of: exp, nbf)"),
        (
            {"maximum_expiration": 31_536_001},
            "schema violation (config.maximum_expiration: value should be between 0 and 31536000)",
        ),
        (
            {"maximum_expiration": 60, "claims_to_verify": ["nbf"]},
            (
                "2 schema violations (failed conditional validation given value of field 'config.maximum_expiration'; "
                "config.claims_to_verify: expected to contain: exp)"
            ),
        ),
    ],
)
def test_wrong_configurations_are_refused_in_kongs_words(config: dict[str, Any], reason: str) -> None:
    verdict = judge_plugin("jwt", config)
    assert isinstance(verdict, Refused)
    assert verdict.reason == reason


@pytest.mark.parametrize(
    ("config", "filled"),
    [
        ({}, {}),
        ({"maximum_expiration": 60}, {"maximum_expiration": 60}),
        ({"cookie_names": ["b", "a", "b"]}, {"cookie_names": ["b", "a"]}),
    ],
)
def test_defaults_are_filled_in(config: dict[str, Any], filled: dict[str, Any]) -> None:
    verdict = judge_plugin("jwt", config)
    assert isinstance(verdict, Accepted)
    assert verdict.steps == (ModuleStep({**DEFAULTS, **filled}),)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({"secret": b"s"}, None),
        ({"algorithm": b"", "secret": b"s"}, None),
        ({"algorithm": b"HS512", "secret": b"\xff\n"}, None),
        ({"algorithm": b"HS512"}, "no secret"),
        ({"secret": b""}, "schema violation (secret: length must be at least 1)"),
        ({"key": b"", "secret": b"s"}, "schema violation (key: length must be at least 1)"),
        ({"key": b"\xff", "secret": b"s"}, "its key is not UTF-8 text"),
        ({"algorithm": b"RS256", "secret": b"s"}, "no rsa_public_key"),
        ({"algorithm": b"none", "secret": b"s"}, f"schema violation (algorithm: expected one of: {ALL})"),
        ({"algorithm": b"hs256", "secret": b"s"}, f"schema violation (algorithm: expected one of: {ALL})"),
    ],
)
def test_which_secrets_are_credentials(data: dict[str, bytes], problem: str | None) -> None:
    assert JWT.problem({"key": b"iss-1", **data}) == problem


@pytest.mark.parametrize(
    ("algorithm", "key", "reason"),
    [
        ("RS256", b"topsecret", "it is no public key in PEM (`-----BEGIN PUBLIC KEY-----`)"),
        ("RS384", pem(SMALL), "RS384 takes an RSA key of 2048 to 8192 bits"),
        ("PS256", pem(PAIRS["ES256"]), "PS256 takes an RSA key of 2048 to 8192 bits"),
        ("ES256", pem(PAIRS["ES384"]), "ES256 takes a key on the curve P-256"),
        ("ES512", pem(RSA), "ES512 takes a key on the curve P-521"),
        ("EdDSA", pem(ed448.Ed448PrivateKey.generate()), "EdDSA takes an Ed25519 key"),
        (
            "EdDSA",
            PAIRS["EdDSA"].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
            "it is a private key; give the public key alone",
        ),
    ],
)
def test_a_public_key_fits_its_algorithm(algorithm: str, key: bytes, reason: str) -> None:
    data = {"key": b"iss-1", "algorithm": algorithm.encode(), "rsa_public_key": key}
    assert JWT.problem(data) == f"schema violation (rsa_public_key: invalid key): {reason}"


@pytest.mark.parametrize("algorithm", sorted(PAIRS))
def test_the_module_gets_public_keys_in_one_form(algorithm: str) -> None:
    data = {"key": b"iss-1", "algorithm": algorithm.encode(), "rsa_public_key": pem(PAIRS[algorithm])}
    assert JWT.problem(data) is None
    made = JWT.entry(data, b"salt")
    assert made.index == "iss-1"
    assert made.key is not None
    assert (made.key.algorithm, made.key.secret) == (algorithm, None)
    assert load_der_public_key(b64decode(made.key.public or "")) == PAIRS[algorithm].public_key()


def test_keys_of_openssls_older_form_are_read() -> None:
    data = {"key": b"iss-1", "algorithm": b"RS256", "rsa_public_key": pem(RSA, PublicFormat.PKCS1)}
    assert JWT.problem(data) is None
    assert JWT.entry(data, b"") == JWT.entry({**data, "rsa_public_key": pem(RSA)}, b"")


@given(st.binary(min_size=1))
def test_a_secret_shows_in_no_text(secret: bytes) -> None:
    made = JWT.entry({"key": b"iss-1", "secret": secret}, b"salt")
    assert made.key is not None
    assert b64decode(made.key.secret or "") == secret
    assert repr(made.key) == "SigningKey(HS256, ***)"
