"""Configurations of rate-limiting."""

from typing import Any

import pytest

from crossfade.compile.policies.plugin import ModuleStep
from crossfade.compile.policies.registry import Accepted, Refused, judge_plugin

REDIS = {"minute": 3, "policy": "redis"}
NO_HOST = (
    "2 schema violations (failed conditional validation given value of field 'config.policy'; "
    "config.redis.host: required field missing)"
)
REFUSED: list[tuple[dict[str, Any], str]] = [
    (REDIS, NO_HOST),
    ({**REDIS, "redis": {"port": 6380}}, NO_HOST),
    ({**REDIS, "redis_host": None}, NO_HOST),
    *(
        ({**REDIS, **config}, f"schema violation ({problem})")
        for config, problem in [
            ({"redis": {"host": "no host"}}, "config.redis.host: invalid value: no host"),
            ({"redis": {"host": "r:6379"}}, "config.redis.host: must not have a port"),
            ({"redis": {"host": "[::1]:6379"}}, "config.redis.host: must not have a port"),
            ({"redis": {"host": "300.1.1.1"}}, "config.redis.host: invalid value: 300.1.1.1"),
            ({"redis": {"host": "r", "port": 65536}}, "config.redis.port: value should be between 0 and 65535"),
            ({"redis": {"host": "r", "timeout": -1}}, "config.redis.timeout: value should be between 0 and 2147483646"),
            ({"redis": {"host": "r", "server_name": "10.0.0.1"}}, "config.redis.server_name: must not be an IP"),
            ({"redis_host": "r", "redis_colour": 1}, "config.redis_colour: unknown field"),
            (
                {"redis_host": "r", "sync_rate": 0},
                "sync_rate must be greater than 0.02, or -1 to disable",
            ),
        ]
    ),
    ({"minute": 3, "sync_rate": 1}, "schema violation (sync_rate can only be used with the redis policy)"),
]


@pytest.mark.parametrize(("config", "problem"), REFUSED)
def test_wrong_configurations(config: dict[str, Any], problem: str) -> None:
    verdict = judge_plugin("rate-limiting", config)
    assert isinstance(verdict, Refused)
    assert verdict.reason == problem


@pytest.mark.parametrize(
    "redis",
    [
        {"host": "redis"},
        {"host": "redis.shop.svc.cluster.local.", "password": ""},
        {"host": "::1", "ssl": True},
        {"host": "[::1]", "database": -1},
        {"host": "a_b-c.d", "port": 0, "timeout": 0, "username": "ä\r\n\x00", "password": "ä\r\n\x00"},
        {"host": "r" * 63, "ssl": True, "ssl_verify": None, "server_name": "redis.test"},
    ],
)
def test_right_stores(redis: dict[str, Any]) -> None:
    for given in ({"redis": redis}, {f"redis_{name}": value for name, value in redis.items()}):
        verdict = judge_plugin("rate-limiting", {**REDIS, **given})
        assert isinstance(verdict, Accepted), verdict


def test_flat_fields_warn_in_kongs_words() -> None:
    verdict = judge_plugin("rate-limiting", {**REDIS, "redis_host": "r", "redis_password": "s3cret"})
    assert isinstance(verdict, Accepted)
    assert verdict.warnings == tuple(
        f"rate-limiting: config.redis_{name} is deprecated, please use config.redis.{name} instead"
        for name in ("host", "password")
    )


def test_the_record_wins_over_flat_fields() -> None:
    verdict = judge_plugin("rate-limiting", {**REDIS, "redis_host": "old", "redis_port": 1, "redis": {"host": "new"}})
    assert isinstance(verdict, Accepted)
    [step] = verdict.steps
    assert isinstance(step, ModuleStep)
    assert (step.config["redis"]["host"], step.config["redis"]["port"]) == ("new", 1)


def test_a_store_that_is_not_used_is_not_told_to_the_module() -> None:
    verdict = judge_plugin("rate-limiting", {"minute": 3, "redis_password": "s3cret"})
    assert isinstance(verdict, Accepted)
    assert "s3cret" not in str(verdict.steps)
