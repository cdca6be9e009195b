"""What Kubernetes says of NetworkPolicies that mean nothing."""

from typing import Any

import pytest

from crossfade_local.apiserver.validation.network_policies import validate_network_policy

BLOCK = "spec.ingress[0].from[0].ipBlock"
PORT = "spec.ingress[0].ports[0]"


def rule(**parts: Any) -> dict[str, Any]:
    return {"spec": {"podSelector": {}, "ingress": [parts], "policyTypes": ["Ingress"]}}


def block(cidr: str, *exceptions: str) -> dict[str, Any]:
    return rule(**{"from": [{"ipBlock": {"cidr": cidr, "except": list(exceptions)}}]})


@pytest.mark.parametrize(
    ("policy", "errors"),
    [
        (rule(ports=[{"port": 80, "endPort": 90, "protocol": "TCP"}, {"port": "http"}]), []),
        (block("10.0.0.0/8", "10.1.0.0/16"), []),
        (block("2001:db8::/32", "2001:db8:1::/48"), []),
        (block(""), [f"{BLOCK}.cidr: Required value"]),
        (block("10.0.0.1"), [f'{BLOCK}.cidr: Invalid value: "10.0.0.1": must be a valid CIDR value']),
        (
            block("10.0.0.0/8", "10.0.0.0/8"),
            [f'{BLOCK}.except[0]: Invalid value: "10.0.0.0/8": must be a strict subset'],
        ),
        (block("10.0.0.0/8", "11.0.0.0/16"), [f"{BLOCK}.except[0]: Invalid value"]),
        (block("10.0.0.0/8", "2001:db8::/64", "x"), [f"{BLOCK}.except[0]: Invalid", f"{BLOCK}.except[1]: Invalid"]),
        (rule(**{"from": [{}]}), ["spec.ingress[0].from[0]: Required value: must specify a peer"]),
        (
            rule(**{"from": [{"podSelector": {}, "ipBlock": {"cidr": "10.0.0.0/8"}}]}),
            ["spec.ingress[0].from[0]: Forbidden: may not specify both ipBlock and another peer"],
        ),
        (rule(ports=[{"protocol": "ICMP"}]), [f'{PORT}.protocol: Unsupported value: "ICMP"']),
        (
            rule(ports=[{"port": 80, "endPort": 79}]),
            [f"{PORT}.endPort: Invalid value: 80: must be greater than or equal"],
        ),
        (
            rule(ports=[{"port": 80, "endPort": 70000}]),
            [f"{PORT}.endPort: Invalid value: 70000: must be between 1 and"],
        ),
        (
            rule(ports=[{"port": "http", "endPort": 80}]),
            [f"{PORT}.endPort: Invalid value: 80: may not be specified when"],
        ),
        (
            rule(ports=[{"endPort": 80}]),
            [f"{PORT}.endPort: Invalid value: 80: may not be specified when `port` is not"],
        ),
        (
            {"spec": {"policyTypes": ["Ingress", "Egress", "Ingress"]}},
            ["spec.policyTypes: Invalid value: "],
        ),
        ({"spec": {"policyTypes": ["Both"]}}, ["spec.policyTypes[0]: Unsupported value"]),
    ],
)
def test_what_is_refused(policy: dict[str, Any], errors: list[str]) -> None:
    found = [str(error) for error in validate_network_policy(policy)]
    assert len(found) == len(errors), found
    for text, beginning in zip(found, errors, strict=True):
        assert text.startswith(beginning)
