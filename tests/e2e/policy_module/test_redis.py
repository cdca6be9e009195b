"""Limits in a Redis that gateways share."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.policy_module.harness import Answer, Gateway, JsonObject, fetch, instance, route, running, tables
from tests.support.redis_server import RedisServer, redis_server

pytestmark = [pytest.mark.envoy, pytest.mark.timeout(120)]

# 2100-01-01T00:00:30Z: no window ends while a test runs, and none is over for Redis, whose clock is the real one.
NOW_MS = 4_102_444_830_000
USER = ("gateway", "s3cret-word")
RIGHTS = "~ratelimit:* +eval +incr +expire +ping"
ROUTE = "00000000-0000-4000-8000-00000000000a"


def limited(server: RedisServer, *, store: JsonObject | None = None, **config: Any) -> JsonObject:
    redis = {"host": "127.0.0.1", "port": server.port, "timeout": 5000, **(store or {})}
    return instance("rate-limiting", {"policy": "redis", "minute": 3, **config, "redis": redis}, identity=ROUTE)


def limits(plugin: JsonObject) -> JsonObject:
    return tables([route("/limited", plugin), route("/free")], clock={"now_ms": NOW_MS})


@contextmanager
def two_gateways(folder: Path, plugin: JsonObject) -> Iterator[list[Gateway]]:
    with ExitStack() as stack:
        gateways = []
        for name in ("one", "two"):
            (folder / name).mkdir()
            gateways.append(stack.enter_context(running(folder / name, limits(plugin), concurrency=2)))
        yield gateways


def together(count: int, gateways: list[Gateway]) -> list[Answer]:
    """So many requests at once, to one gateway after the other."""
    at_once = min(count, 128)
    begin = threading.Barrier(at_once)

    def ask(number: int) -> Answer:
        if number < at_once:
            begin.wait()
        return fetch(gateways[number % len(gateways)].port, "/limited")

    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(ask, range(count)))


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.01)


@pytest.mark.parametrize("count", [64, 500])
def test_two_gateways_share_a_limit_exactly(tmp_path: Path, count: int) -> None:
    with redis_server(tmp_path) as redis, two_gateways(tmp_path, limited(redis, hour=1000)) as gateways:
        answers = together(count, gateways)
        assert sorted(answer.status for answer in answers) == [200] * 3 + [429] * (count - 3)
        left = sorted(answer.header("x-ratelimit-remaining-minute") or "" for answer in answers if answer.status == 200)
        assert left == ["0", "1", "2"]
        # Kong's keys and expiry, and its counting of what is refused.
        key = f"ratelimit:{ROUTE}:127.0.0.1:4102444800000:minute"
        assert redis.ask("GET", key) == str(count)
        assert 0 < int(redis.ask("TTL", key)) <= 60
        assert redis.ask("GET", f"ratelimit:{ROUTE}:127.0.0.1:4102444800000:hour") == str(count)


@pytest.mark.parametrize("verifies", [True, False])
def test_tls_and_a_user_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verifies: bool) -> None:
    options = ["user default off", f"user {USER[0]} on >{USER[1]} {RIGHTS}"]
    with redis_server(tmp_path, options, tls=True) as redis:
        if verifies:
            monkeypatch.setenv("SSL_CERT_FILE", str(redis.authority))
        store = {"username": USER[0], "password": USER[1], "ssl": True, "ssl_verify": verifies}
        with two_gateways(tmp_path, limited(redis, store=store)) as gateways:
            answers = together(64, gateways)
            assert sorted(answer.status for answer in answers) == [200] * 3 + [429] * 61
            assert not any(USER[1] in gateway.log() for gateway in gateways)


def refusing(server: RedisServer, **config: Any) -> list[JsonObject]:
    return [limited(server, fault_tolerant=True, **config), limited(server, fault_tolerant=False, **config)]


def check_uncounted(answer: Answer, plugin: JsonObject) -> None:
    if plugin["config"]["fault_tolerant"]:
        assert answer.status == 200
    else:
        assert answer.status == 500
        assert '"message":"An unexpected error occurred"' in answer.body
    assert answer.header("x-ratelimit-limit-minute") is None
    assert answer.header("ratelimit-limit") is None


def test_a_certificate_of_nobody_known_is_refused(tmp_path: Path) -> None:
    with redis_server(tmp_path, tls=True) as redis:
        strict = limited(redis, fault_tolerant=False, store={"ssl": True, "ssl_verify": True})
        with running(tmp_path, limits(strict)) as gateway:
            check_uncounted(gateway.fetch("/limited"), strict)
            eventually(lambda: "certificate" in gateway.log())


def test_a_wrong_password_is_told_and_not_shown(tmp_path: Path) -> None:
    with redis_server(tmp_path, [f"requirepass {USER[1]}"]) as redis:
        wrong = limited(redis, fault_tolerant=False, store={"password": "wr0ng-word"})
        with running(tmp_path, limits(wrong)) as gateway:
            check_uncounted(gateway.fetch("/limited"), wrong)
            eventually(lambda: "WRONGPASS" in gateway.log())
            assert "wr0ng-word" not in gateway.log()
            gateway.set_tables(limits(limited(redis, fault_tolerant=False, store={"password": USER[1]})))
            assert gateway.fetch("/limited").header("x-ratelimit-remaining-minute") == "2"


def test_a_redis_that_is_down_and_comes_back(tmp_path: Path) -> None:
    redis = RedisServer(tmp_path)
    tolerant, strict = refusing(redis)
    with running(tmp_path, limits(tolerant)) as gateway:
        check_uncounted(gateway.fetch("/limited"), tolerant)
        gateway.set_tables(limits(strict))
        check_uncounted(gateway.fetch("/limited"), strict)
        assert f"Redis 127.0.0.1:{redis.port}: " in gateway.log()
        redis.start()
        try:
            assert [gateway.fetch("/limited").status for _ in range(4)] == [200, 200, 200, 429]
            assert "answers again" in gateway.log()
        finally:
            redis.stop()
        check_uncounted(gateway.fetch("/limited"), strict)


def test_a_redis_that_does_not_answer_holds_nobody_up(tmp_path: Path) -> None:
    with redis_server(tmp_path) as redis:
        for plugin in refusing(redis, store={"timeout": 500}):
            folder = tmp_path / str(plugin["config"]["fault_tolerant"])
            folder.mkdir()
            # One worker: a thread that waited would hold up the other route too.
            with running(folder, limits(plugin), concurrency=1) as gateway, ThreadPoolExecutor(20) as pool:
                assert gateway.fetch("/limited").header("x-ratelimit-limit-minute") == "3"
                redis.freeze()
                started = time.monotonic()
                waiting = [pool.submit(gateway.fetch, "/limited") for _ in range(20)]
                with socket.create_connection(("127.0.0.1", gateway.port)) as leaving:
                    leaving.sendall(b"GET /limited HTTP/1.1\r\nHost: gw.test\r\n\r\n")
                assert gateway.fetch("/free").status == 200
                assert time.monotonic() - started < 0.5, "the other route had to wait"
                for answer in waiting:
                    check_uncounted(answer.result(), plugin)
                assert 0.5 <= time.monotonic() - started < 5
                redis.resume()
                eventually(lambda gateway=gateway: gateway.fetch("/limited").header("x-ratelimit-limit-minute") == "3")


def test_with_a_sync_rate_gateways_learn_of_each_other(tmp_path: Path) -> None:
    with redis_server(tmp_path) as redis, two_gateways(tmp_path, limited(redis, minute=5, sync_rate=0.05)) as gateways:
        key = f"ratelimit:{ROUTE}:127.0.0.1:4102444800000:minute"
        for number, gateway in enumerate(gateways, 1):
            assert gateway.fetch("/limited").status == 200
            eventually(lambda number=number: redis.ask("GET", key) == str(number))
        assert gateways[0].fetch("/limited").status == 200
        eventually(lambda: redis.ask("GET", key) == "3")
        # It has learnt by telling: 3 of 5 are used.
        assert gateways[0].fetch("/limited").header("x-ratelimit-remaining-minute") == "1"
        assert [gateways[0].fetch("/limited").status for _ in range(2)] == [200, 429]
        eventually(lambda: redis.ask("GET", key) == "5")
        assert int(redis.ask("TTL", key)) != -1
        eventually(lambda: gateways[1].fetch("/limited").status == 429)


def test_what_is_counted_is_told_when_the_configuration_changes(tmp_path: Path) -> None:
    with redis_server(tmp_path) as redis:
        plugin = limited(redis, minute=50, sync_rate=3600)
        with running(tmp_path, limits(plugin)) as gateway:
            assert [gateway.fetch("/limited").status for _ in range(3)] == [200] * 3
            key = f"ratelimit:{ROUTE}:127.0.0.1:4102444800000:minute"
            assert redis.ask("GET", key) == ""
            gateway.set_tables(tables([route("/free")], clock={"now_ms": NOW_MS}))
            eventually(lambda: redis.ask("GET", key) == "3")


def test_what_answers_use_is_shared(tmp_path: Path) -> None:
    with redis_server(tmp_path) as redis:
        store = {"host": "127.0.0.1", "port": redis.port}
        config = {"limits": {"sms": {"hour": 3}}, "policy": "redis", "redis": store}
        plugin = instance("response-ratelimiting", config, identity=ROUTE)
        with two_gateways(tmp_path, plugin) as gateways:
            uses = [("X-Echo-Header", "X-Kong-Limit: sms=3")]
            first = gateways[0].fetch("/limited", headers=uses)
            assert first.status == 200
            assert first.header("x-ratelimit-remaining-sms") == "3"
            assert first.header("x-ratelimit-remaining-sms-hour") == "0"
            eventually(lambda: gateways[1].fetch("/limited").header("x-ratelimit-remaining-sms") == "0")
            over = gateways[1].fetch("/limited", headers=uses)
            assert (over.status, over.body, over.header("content-length")) == (429, "", "0")
            key = f"response-ratelimit:{ROUTE}:127.0.0.1:4102444800000:sms:hour"
            assert redis.ask("GET", key) == "3"
            assert 0 < int(redis.ask("TTL", key)) <= 3600
