"""Changes under traffic: counters outlive them, keys are revoked at once, a bad object stops no other."""

from pathlib import Path

import pytest

from tests.e2e.policy_module.harness import Gateway, JsonObject, consumer, instance, route, running, tables

pytestmark = pytest.mark.envoy


def _limited(limit: int) -> JsonObject:
    limits = instance("rate-limiting", {"day": limit}, identity="kept")
    return tables([route("/", limits)], clock={"now_ms": 1_700_049_600_000})


def test_counters_outlive_a_change_of_the_limit(tmp_path: Path) -> None:
    with running(tmp_path, _limited(5)) as gateway:
        assert [gateway.fetch("/").header("ratelimit-remaining") for _ in range(2)] == ["4", "3"]
        gateway.set_tables(_limited(50))
        assert gateway.fetch("/").header("ratelimit-remaining") == "47"
        gateway.set_tables(_limited(2))
        assert gateway.fetch("/").status == 429


def test_a_key_is_revoked_and_granted_by_the_next_table(tmp_path: Path) -> None:
    def status(gateway: Gateway, key: str) -> int:
        return gateway.fetch("/", headers=[("apikey", key)]).status

    secured = route("/", instance("key-auth"))
    with running(tmp_path, tables([secured], [consumer("ann", "first")])) as gateway:
        assert (status(gateway, "first"), status(gateway, "second")) == (200, 401)
        gateway.set_tables(tables([secured], [consumer("ann", "second")]))
        assert (status(gateway, "first"), status(gateway, "second")) == (401, 200)


@pytest.mark.parametrize(
    ("plugin", "reason"),
    [
        (instance("nope"), 'plugin nope-1 is left out: there is no plugin "nope" in this module'),
        (instance("rate-limiting", {"hour": 1, "policy": "redis"}), "policy redis"),
    ],
)
def test_a_bad_plugin_closes_its_route_alone_and_is_told(tmp_path: Path, plugin: JsonObject, reason: str) -> None:
    with running(tmp_path, tables([route("/bad", plugin), route("/good")])) as gateway:
        assert (gateway.fetch("/bad").status, gateway.fetch("/good").status) == (503, 200)
        assert reason in gateway.log()
        gateway.set_tables(tables([route("/bad"), route("/good", plugin)]))
        assert (gateway.fetch("/bad").status, gateway.fetch("/good").status) == (200, 503)


def test_a_bad_route_matches_nothing_and_is_told(tmp_path: Path) -> None:
    bad = route("/bad")
    bad["match"]["paths"][0] |= {"kind": "regex", "text": "/("}
    with running(tmp_path, tables([bad, route("/good")])) as gateway:
        assert (gateway.fetch("/bad").status, gateway.fetch("/good").status) == (404, 200)
        assert "route /bad is left out" in gateway.log()


def test_settings_that_cannot_be_read_leave_the_last_ones(tmp_path: Path) -> None:
    with running(tmp_path, tables([route("/one")])) as gateway:
        gateway.set_tables(tables([route("/two")], salt="no hexadecimal"))
        assert (gateway.fetch("/one").status, gateway.fetch("/two").status) == (200, 404)
        gateway.set_tables(tables([route("/three")]))
        assert (gateway.fetch("/one").status, gateway.fetch("/three").status) == (404, 200)
