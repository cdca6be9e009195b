"""acme's schema, as Kong words it, and who gets what of a configuration."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from crossfade.acme.settings import settings_of
from crossfade.compile.policies.plugin import Errand, ModuleStep
from crossfade.compile.policies.registry import Accepted, Refused, judge_plugin

GOOD = {"account_email": "ops@a.test", "tos_accepted": True, "domains": ["a.test"]}


def pem(key: Any) -> str:
    text: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return text.decode()


def judged(**config: Any) -> Accepted | Refused:
    return judge_plugin("acme", {**GOOD, **config})


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({"account_email": None}, "config.account_email: required field missing"),
        ({"account_email": "ops"}, "config.account_email: invalid value: ops"),
        ({"api_uri": "a.test"}, "config.api_uri: missing scheme in url"),
        (
            {"api_uri": "https://acme-v02.api.letsencrypt.org", "tos_accepted": False},
            "config.tos_accepted: terms of service must be accepted, see https://letsencrypt.org/repository/",
        ),
        ({"cert_type": "dsa"}, "config.cert_type: expected one of: rsa, ecc"),
        ({"rsa_key_size": 1024}, "config.rsa_key_size: expected one of: 2048, 3072, 4096"),
        ({"renew_threshold_days": "14"}, "config.renew_threshold_days: expected a number"),
        ({"domains": ["*.a.*"]}, "config.domains.1: invalid wildcard: must have at most one wildcard"),
        ({"domains": ["a*.b"]}, "config.domains.1: invalid wildcard: must be placed at leftmost or rightmost label"),
        ({"domains": ["a b"]}, "config.domains.1: invalid value: a b"),
        ({"storage": "redis"}, "config.storage: redis is not supported"),
        ({"storage": "disk"}, "config.storage: expected one of: kong, shm, redis, consul, vault"),
        (
            {"storage_config": {"vault": {"host": "v"}}},
            "config.storage_config.vault: the gateway keeps certificates in",
        ),
        ({"eab_kid": "k"}, "config.eab_hmac_key: required field missing: eab_kid and eab_hmac_key belong together"),
        ({"eab_kid": "k", "eab_hmac_key": "a+b/"}, "config.eab_hmac_key: expected base64 in the alphabet for URLs"),
        ({"account_key": {}}, "config.account_key.key_id: required field missing"),
        ({"account_key": {"key_id": "mine"}}, "config.account_key.key_id: no object has Kong's keys by name"),
        ({"account_key": {"key_id": "-----BEGIN X"}}, "config.account_key.key_id: it is no private key in PEM"),
        ({"moon": 1}, "config.moon: unknown field"),
    ],
)
def test_what_is_refused(config: dict[str, Any], problem: str) -> None:
    found = judged(**config)
    assert isinstance(found, Refused)
    assert problem in found.reason


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"domains": ["a.test:80", "*.a.test", "a.*", "192.0.2.1"]},
        {"storage": "kong", "storage_config": {"kong": {}, "shm": {"shm_name": "x"}}},
        {"eab_kid": "k", "eab_hmac_key": "zWNDZM6eQGHWpSRTPal5eA"},
        {"eab_kid": "k", "eab_hmac_key": "zWNDZM6eQGHWpSRTPal5eA=="},
        {"renew_threshold_days": -1e300, "fail_backoff_minutes": 1e308, "rsa_key_size": 2048.0},
        {"renew_threshold_days": 10**308},
    ],
)
def test_what_is_accepted_reaches_the_control_plane(config: dict[str, Any]) -> None:
    found = judged(**config)
    assert isinstance(found, Accepted), found
    in_module, errand = found.steps
    assert isinstance(in_module, ModuleStep)
    assert sorted(in_module.config) == ["allow_any_domain", "domains", "enable_ipv4_common_name"]
    assert isinstance(errand, Errand)
    assert settings_of(errand.config).account_email == "ops@a.test"


@pytest.mark.parametrize(
    ("key", "is_right"),
    [
        (ec.generate_private_key(ec.SECP256R1()), True),
        (ec.generate_private_key(ec.SECP384R1()), True),
        (ec.generate_private_key(ec.SECP256K1()), False),
        (rsa.generate_private_key(65537, 2048), True),
        (rsa.generate_private_key(65537, 1024), False),
        (ed25519.Ed25519PrivateKey.generate(), False),
    ],
)
def test_keys_of_accounts(key: Any, is_right: bool) -> None:
    found = judged(account_key={"key_id": pem(key)})
    assert isinstance(found, Accepted if is_right else Refused)
    assert "PRIVATE" not in repr(found)


@pytest.mark.parametrize(
    ("config", "word"),
    [
        ({"tos_accepted": False}, "config.tos_accepted"),
        ({"domains": None}, "config.domains"),
        ({"domains": ["a.*"]}, "a.* fits no host"),
        ({"storage_config": {}}, "config.storage_config"),
    ],
)
def test_what_is_warned_of(config: dict[str, Any], word: str) -> None:
    found = judged(**config)
    assert isinstance(found, Accepted)
    assert any(word in text for text in found.warnings), found.warnings
    assert judged(domains=["a.test"]) == judged()
    assert isinstance(both := judged(), Accepted)
    assert both.warnings == ()
