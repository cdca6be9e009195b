"""Server blocks that Kong's older charts bring along."""

from contextlib import suppress
from pathlib import Path

import pytest

from crossfade.kong_conf.listen import Listen
from crossfade.proxy.included_servers import status_servers
from crossfade.proxy.run import settings_from_environment

# As Kong's chart 1.11 has it.
OF_CHART = """\
# Prometheus metrics and health-checking server
server {
    server_name kong_prometheus_exporter;
    listen 0.0.0.0:9542; # can be any other port as well
    access_log off;
    location /status {
        default_type text/plain;
        return 200;
    }
    location /metrics {
        default_type text/plain;
        content_by_lua_block {
             local prometheus = require "kong.plugins.prometheus.exporter"
             prometheus:collect()
        }
    }
    location /nginx_status {
        internal;
        stub_status;
    }
}
"""


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        (OF_CHART, [Listen("0.0.0.0", 9542)]),
        ("server { listen 9542 reuseport; listen [::]:9542; location = /status { return 200; } }",
         [Listen("0.0.0.0", 9542), Listen("::", 9542)]),
        ("server { listen 1; location /metrics {} } server { listen 1; location /status {} }", [Listen("0.0.0.0", 1)]),
    ],
)  # fmt: skip
def test_status_pages(text: str, found: list[Listen]) -> None:
    assert list(status_servers(text)) == found


@pytest.mark.parametrize(
    "text",
    [
        "server { listen 80; location / { proxy_pass http://a; } }",
        "server { listen 80; }",
        "server { listen unix:/run/a; location /status {} }",
        "server { listen 80; location /status {} location /admin {} }",
    ],
)
def test_other_servers_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"more than|is not an IP"):
        status_servers(text)


@pytest.mark.parametrize("text", ["server {" * 8_000, "{" * 60_000, "server { listen " + "1" * 60_000])
def test_garbage_ends_soon(text: str) -> None:
    with suppress(ValueError):
        assert status_servers(text) == ()


def environment(file: Path) -> dict[str, str]:
    return {"KONG_NGINX_HTTP_INCLUDE": str(file), "KONG_STATUS_LISTEN": "0.0.0.0:8100", "HOSTNAME": "kong-1"}


def test_a_gateway_listens_there_too(tmp_path: Path) -> None:
    file = tmp_path / "servers.conf"
    file.write_text(OF_CHART)
    settings = settings_from_environment(environment(file), is_gateway=True)
    assert [listen.port for listen in settings.status] == [8100, 9542]
    assert settings.remarks == ()
    assert settings.node_id == "default/kong-1"


@pytest.mark.parametrize("content", [None, b"server { listen 80; location / {} }", b"\xff"])
def test_what_is_not_understood_is_told(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "servers.conf"
    if content is not None:
        file.write_bytes(content)
    settings = settings_from_environment(environment(file), is_gateway=True)
    assert [listen.port for listen in settings.status] == [8100]
    (remark,) = settings.remarks
    assert remark.where == "KONG_NGINX_HTTP_INCLUDE"
