"""ldap-auth: which configurations are right."""

from typing import Any

import pytest

from crossfade.compile.policies.plugin import ModuleStep
from crossfade.compile.policies.registry import Accepted, Refused, judge_plugin

NEEDED: dict[str, Any] = {"ldap_host": "ldap.test", "base_dn": "dc=test", "attribute": "uid"}
DEFAULTS: dict[str, Any] = {
    "ldap_port": 389,
    "ldaps": False,
    "start_tls": False,
    "verify_ldap_host": False,
    "cache_ttl": 60,
    "hide_credentials": False,
    "timeout": 10_000,
    "keepalive": 60_000,
    "anonymous": None,
    "header_type": "ldap",
    "realm": None,
}


def test_defaults() -> None:
    verdict = judge_plugin("ldap-auth", NEEDED)
    assert isinstance(verdict, Accepted)
    assert verdict.steps == (ModuleStep(NEEDED | DEFAULTS),)


@pytest.mark.parametrize("name", sorted(NEEDED))
def test_what_must_be_there(name: str) -> None:
    verdict = judge_plugin("ldap-auth", {key: value for key, value in NEEDED.items() if key != name})
    assert isinstance(verdict, Refused)
    assert verdict.reason == f"schema violation (config.{name}: required field missing)"


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"ldap_host": "a b"}, "config.ldap_host: invalid value: a b"),
        ({"ldap_host": "ldap.test:389"}, "config.ldap_host: must not have a port"),
        ({"ldap_port": 65_536}, "config.ldap_port: value should be between 0 and 65535"),
        ({"base_dn": ""}, "config.base_dn: length must be at least 1"),
        ({"attribute": "uid=x,cn"}, "config.attribute: expected an attribute's name or its number"),
        ({"attribute": "uid\n"}, "config.attribute: expected an attribute's name or its number"),
        ({"cache_ttl": -1}, "config.cache_ttl: value should be between 0 and 100000000"),
        ({"timeout": -1}, "config.timeout: value should be between 0 and 2147483646"),
        ({"keepalive": 1e10}, "config.keepalive: value should be between 0 and 2147483646"),
        ({"header_type": "a\nb"}, "config.header_type: control characters are not allowed in header values"),
        ({"realm": "a\r"}, "config.realm: control characters are not allowed in header values"),
        ({"consumer_by": "username"}, "config.consumer_by: unknown field"),
    ],
)
def test_refusals(config: dict[str, Any], reason: str) -> None:
    verdict = judge_plugin("ldap-auth", NEEDED | config)
    assert isinstance(verdict, Refused)
    assert verdict.reason == f"schema violation ({reason})"


def test_one_kind_of_tls() -> None:
    verdict = judge_plugin("ldap-auth", NEEDED | {"ldaps": True, "start_tls": True})
    assert isinstance(verdict, Refused)
    assert "'ldaps' and 'start_tls' cannot be enabled simultaneously" in verdict.reason


@pytest.mark.parametrize(
    "config",
    [
        {"attribute": "0.9.2342.19200300.100.1.1"},
        {"timeout": 0, "keepalive": 0, "cache_ttl": 0.5},
        {"ldap_host": "192.0.2.1", "ldaps": True, "verify_ldap_host": True},
        {"header_type": "basic", "realm": "staff", "anonymous": "nobody"},
    ],
)
def test_right_ones(config: dict[str, Any]) -> None:
    assert isinstance(judge_plugin("ldap-auth", NEEDED | config), Accepted)
