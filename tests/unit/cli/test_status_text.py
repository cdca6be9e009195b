"""The text of `crossfade status`."""

import pytest

from crossfade.cli.local import _describe


@pytest.mark.parametrize(
    ("port", "shown"),
    [
        ({"port": 80, "protocol": "TCP"}, "http://127.0.0.1:8000"),
        ({"port": 443, "protocol": "TCP"}, "https://127.0.0.1:8000"),
        ({"port": 53, "protocol": "UDP"}, "udp://127.0.0.1:8000"),
        # As a cluster tells it that was started before its ports had protocols.
        ({"port": 80}, "http://127.0.0.1:8000"),
    ],
)
def test_an_address_has_the_scheme_that_most_likely_speaks_there(port: dict[str, object], shown: str) -> None:
    service = {"service": "kong/kong-kong-proxy", "ports": [{**port, "address": "127.0.0.1:8000"}]}
    report = {
        "running": True,
        "state": "ready",
        "pid": 1,
        "mode": "as root",
        "problem": None,
        "api": "https://127.0.0.1:6443",
        "kubeconfig": "/k",
        "addresses": [service],
    }
    assert _describe(report).splitlines()[-1] == f"kong/kong-kong-proxy port {port['port']}  {shown}"
