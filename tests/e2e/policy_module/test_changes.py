"""Changes under traffic: counters outlive a new configuration, keys are revoked at once, bad ones are refused."""

import json
import subprocess
from pathlib import Path

import pytest

from crossfade.envoy.binary import envoy_binary
from tests.e2e.policy_module.harness import (
    Gateway,
    JsonObject,
    consumers_config,
    gateway_config,
    plugin,
    route,
    running,
)

pytestmark = pytest.mark.envoy

ANN: JsonObject = {"id": "c-ann", "username": "ann", "custom_id": None, "plugins": []}


def _limited(limit: int) -> JsonObject:
    limits = plugin("rate-limiting", {"day": limit}, instance="kept")
    return route({"prefix": "/"}, gateway_config(plugins=[limits], clock={"now_ms": 1_700_049_600_000}))


def test_counters_outlive_a_change_of_the_limit(tmp_path: Path) -> None:
    with running(tmp_path, [_limited(5)]) as gateway:
        assert [gateway.fetch("/").header("ratelimit-remaining") for _ in range(2)] == ["4", "3"]
        gateway.set_routes([_limited(50)])
        assert gateway.fetch("/").header("ratelimit-remaining") == "47"
        gateway.set_routes([_limited(2)])
        assert gateway.fetch("/").status == 429


def test_a_key_is_revoked_and_granted_by_the_next_table(tmp_path: Path) -> None:
    def status(gateway: Gateway, key: str) -> int:
        return gateway.fetch("/", headers=[("apikey", key)]).status

    secured = route({"prefix": "/"}, gateway_config(plugins=[plugin("key-auth")]))
    with running(tmp_path, [secured], consumers_config([ANN], {"first": 0})) as gateway:
        assert (status(gateway, "first"), status(gateway, "second")) == (200, 401)
        gateway.set_consumers(consumers_config([ANN], {"second": 0}))
        assert (status(gateway, "first"), status(gateway, "second")) == (401, 200)


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (gateway_config(plugins=[plugin("nope")]), 'there is no plugin "nope" in this module'),
        (gateway_config(plugins=[plugin("rate-limiting", {"hour": 1, "policy": "redis"})]), "policy redis"),
        (gateway_config({"path_regex": "("}), "path_regex is not valid"),
    ],
)
def test_a_bad_configuration_is_refused_with_a_reason(tmp_path: Path, config: JsonObject, reason: str) -> None:
    gateway = Gateway(tmp_path, 1, [], consumers_config([], {}))
    bootstrap = gateway.static_bootstrap([route({"prefix": "/"}, config)])
    path = tmp_path / "static.json"
    path.write_text(json.dumps(bootstrap))
    command = [str(envoy_binary()), "--mode", "validate", "-c", str(path), "--disable-hot-restart"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert run.returncode != 0
    assert reason in run.stderr
