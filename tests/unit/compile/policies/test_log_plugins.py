"""What log plugins refuse, and how old fields of queues are read."""

from collections.abc import Mapping
from typing import Any

import pytest

from crossfade.compile.policies.plugin import ModuleStep
from crossfade.compile.policies.registry import RECORDERS, Accepted, Refused, judge_plugin

Config = Mapping[str, Any]
HTTP = {"http_endpoint": "http://logs.test"}
COUNTER = {"name": "latency", "stat_type": "counter"}


def accepted(name: str, config: Config) -> Accepted:
    verdict = judge_plugin(name, config)
    assert isinstance(verdict, Accepted), verdict
    return verdict


def module_config(name: str, config: Config) -> Config:
    (step,) = accepted(name, config).steps
    assert isinstance(step, ModuleStep)
    return step.config


@pytest.mark.parametrize(
    ("name", "config", "reason"),
    [
        ("file-log", {}, "config.path: required field missing"),
        ("file-log", {"path": "a"}, "config.path: not a valid filename"),
        ("file-log", {"path": "/a b "}, "config.path: not a valid filename"),
        (
            "file-log",
            {"path": "/a/b", "custom_fields_by_lua": {"x": "os.exit()"}},
            "config.custom_fields_by_lua: line 1: ",
        ),
        ("http-log", {"http_endpoint": "logs.test"}, "config.http_endpoint: missing scheme in url"),
        ("http-log", {"http_endpoint": "ftp://logs.test"}, "config.http_endpoint: only http and https can be spoken"),
        ("http-log", {**HTTP, "headers": {"HOST": "x"}}, "config.headers: cannot contain 'Host' header"),
        ("http-log", {**HTTP, "queue": {"max_batch_size": 0}}, "config.queue.max_batch_size: value should be between"),
        ("http-log", {**HTTP, "queue": {"concurrency_limit": 2}}, "config.queue.concurrency_limit: expected one of"),
        (
            "http-log",
            {"http_endpoint": "http://u:p@logs.test", "headers": {"authorization": "x"}},
            "specifying both an 'Authorization' header and user info in 'http_endpoint' is not allowed",
        ),
        ("tcp-log", {"host": "a:1", "port": 1}, "config.host: must not have a port"),
        ("loggly", {"key": 'a"]'}, "config.key: letters, digits"),
        ("datadog", {"metrics": [COUNTER]}, "sample_rate: required field missing"),
        ("statsd", {"metrics": [COUNTER]}, "failed conditional validation given value of field 'stat_type'"),
        ("statsd", {"allow_status_codes": ["2xx"]}, "config.allow_status_codes.1: invalid value: 2xx"),
    ],
)
def test_what_is_refused(name: str, config: Config, reason: str) -> None:
    verdict = judge_plugin(name, config)
    assert isinstance(verdict, Refused)
    assert reason in verdict.reason


@pytest.mark.parametrize(
    ("given", "batch", "delay"),
    [
        ({}, 1, 1),
        ({"queue_size": 5, "flush_timeout": 3}, 5, 3),
        ({"queue_size": 1, "flush_timeout": 2, "queue": {"max_batch_size": 7}}, 7, 1),
        ({"queue_size": 5, "queue": {"max_batch_size": 7}}, 5, 1),
        ({"queue_size": None, "retry_count": 10}, 1, 1),
    ],
)
def test_old_fields_of_queues(given: Config, batch: int, delay: float) -> None:
    queue = module_config("http-log", {**HTTP, **given})["queue"]
    assert (queue["max_batch_size"], queue["max_coalescing_delay"]) == (batch, delay)


def test_old_fields_are_told_in_kongs_words() -> None:
    warnings = accepted("statsd", {"retry_count": 3, "queue_size": 2, "flush_timeout": 1}).warnings
    assert warnings == (
        "statsd: config.retry_count no longer works, please use config.queue.max_retry_time instead",
        "statsd: config.queue_size is deprecated, please use config.queue.max_batch_size instead",
        "statsd: config.flush_timeout is deprecated, please use config.queue.max_coalescing_delay instead",
    )


def test_all_of_them_write_records() -> None:
    assert (
        *("datadog", "file-log", "http-log", "loggly"),
        *("statsd", "syslog", "tcp-log", "udp-log"),
    ) == RECORDERS
