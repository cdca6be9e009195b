"""mtls-auth: which configurations and credentials are right, and what they become."""

from typing import Any

import pytest

from crossfade.compile.policies.mtls_auth.plan import PLUGIN, credential, problem
from crossfade.compile.policies.plugin import ClientCertificates, ModuleStep
from crossfade.compile.policies.registry import Accepted, Refused, judge_plugin

ID = "7F3A2C9E-5b1d-4e8f-9a60-2d4c8b7e1f35"
NEEDED: dict[str, Any] = {"ca_certificates": [ID]}
OF_MODULE = {
    "authorities": [],
    "allow_partial_chain": False,
    "anonymous": None,
    "authenticated_group_by": "CN",
    "cert_cache_ttl": 60_000,
    "consumer_by": ["username", "custom_id"],
    "default_consumer": None,
    "http_proxy_host": None,
    "http_proxy_port": None,
    "http_timeout": 30_000,
    "https_proxy_host": None,
    "https_proxy_port": None,
    "revocation_check_mode": "IGNORE_CA_ERROR",
    "skip_consumer_lookup": False,
}


@pytest.mark.parametrize(
    ("extra", "of_module", "tells"),
    [
        ({}, {}, False),
        ({"send_ca_dn": True}, {}, True),
        ({"revocation_check_mode": "SKIP"}, {"revocation_check_mode": "SKIP"}, False),
        ({"revocation_check_mode": "STRICT"}, {"revocation_check_mode": "STRICT"}, False),
    ],
)
def test_what_it_becomes(extra: dict[str, Any], of_module: dict[str, Any], tells: bool) -> None:
    verdict = judge_plugin("mtls-auth", NEEDED | extra)
    assert isinstance(verdict, Accepted)
    module = ModuleStep(OF_MODULE | of_module)
    assert verdict.steps == (module, ClientCertificates((ID.lower(),), tells_authorities=tells))


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        ({"ca_certificates": None}, "config.ca_certificates: required field missing"),
        ({"ca_certificates": ["root"]}, "config.ca_certificates.1: expected a valid UUID"),
        ({"ca_certificates": [f"{ID}\n"]}, "config.ca_certificates.1: expected a valid UUID"),
        ({"consumer_by": ["id"]}, "config.consumer_by.1: expected one of: username, custom_id"),
        ({"authenticated_group_by": "cn"}, "config.authenticated_group_by: expected one of: CN, DN"),
        ({"anonymous": ""}, "config.anonymous: length must be at least 1"),
        ({"default_consumer": ""}, "config.default_consumer: length must be at least 1"),
        ({"cache_ttl": -1}, "config.cache_ttl: value should be between 0 and 100000000"),
        ({"http_proxy_host": "a b", "http_proxy_port": 1}, "config.http_proxy_host: invalid value: a b"),
        ({"https_proxy_port": 1}, "all or none of these fields must be set: 'https_proxy_host', 'https_proxy_port'"),
        (
            {"revocation_check_mode": "skip"},
            "config.revocation_check_mode: expected one of: SKIP, IGNORE_CA_ERROR, STRICT",
        ),
        ({"ssl_verify": True}, "config.ssl_verify: unknown field"),
    ],
)
def test_refused(extra: dict[str, Any], reason: str) -> None:
    verdict = judge_plugin("mtls-auth", NEEDED | extra)
    assert isinstance(verdict, Refused)
    assert verdict.reason == f"schema violation ({reason})"


@pytest.mark.parametrize(
    ("data", "index"),
    [
        ({"subject_name": b"ann@mail.test"}, "/ann@mail.test"),
        ({"subject_name": b"a/b", "ca_certificate": b""}, "/a/b"),
        ({"subject_name": b"ann", "ca_certificate": ID.encode()}, f"{ID.lower()}/ann"),
    ],
)
def test_a_credential_is_found_by_authority_and_name(data: dict[str, bytes], index: str) -> None:
    assert problem(data) is None
    assert credential(data, b"salt").index == index


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"subject_name": b""}, "schema violation (subject_name: length must be at least 1)"),
        ({"subject_name": b"\xff"}, "its subject_name or ca_certificate is not UTF-8 text"),
        ({"subject_name": b"a", "ca_certificate": b"root"}, "schema violation (ca_certificate: expected a valid UUID)"),
    ],
)
def test_credentials_that_cannot_be(data: dict[str, bytes], reason: str) -> None:
    assert problem(data) == reason


def test_it_runs_before_all_other_authentication() -> None:
    assert (PLUGIN.priority, PLUGIN.takes_consumer) == (1600, False)
