"""Gateways that count rate limits together in Redis, from the manifests that users write."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.e2e.test_gateway_authentication import config_dump
from tests.support.gateway import ingress, running_gateway, service, upstream
from tests.support.redis_server import redis_server

pytestmark = [pytest.mark.envoy, pytest.mark.timeout(120)]

PASSWORD = "s3cret-word"


def plugin(redis_port: int) -> str:
    """As Kong 2's users wrote it."""
    return f"""\
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {{name: together}}
plugin: rate-limiting
config:
  day: 3
  policy: redis
  fault_tolerant: false
  redis_host: 127.0.0.1
  redis_port: {redis_port}
  redis_password: {PASSWORD}
---
"""


def test_two_gateways_share_a_limit(tmp_path: Path) -> None:
    folder, data = tmp_path / "manifests", tmp_path / "redis"
    folder.mkdir()
    data.mkdir()
    with redis_server(data, [f"requirepass {PASSWORD}"]) as redis, upstream("web") as port:
        limited = ingress("limited", "/limited", "web", "konghq.com/plugins: together")
        (folder / "all.yaml").write_text(service("web", port) + plugin(redis.port) + limited)
        with running_gateway(folder) as one, running_gateway(folder) as two, ThreadPoolExecutor(32) as pool:
            asked = [pool.submit(gateway.get, "/limited") for _ in range(32) for gateway in (one, two)]
            answers = [each.result() for each in asked]
            assert Counter(answer.status for answer in answers) == {200: 3, 429: 61}
            said = "\n".join(one.lines + two.lines)
            assert "config.redis_host is deprecated, please use config.redis.host instead" in said
            assert PASSWORD not in said
            assert PASSWORD not in config_dump(one)
        # Its counters carry the names of Kong's.
        keys = redis.ask("KEYS", "ratelimit:*:127.0.0.1:*:day", user=("default", PASSWORD))
        assert len(keys.splitlines()) == 1
