"""Sessions of TCPIngresses and UDPIngresses under Kong's names, with a real Envoy."""

import re
import socket
import urllib.request
from pathlib import Path

import pytest

from tests.e2e.test_gateway_streams import (
    WITHIN_S,
    rule,
    said_by,
    said_by_datagram,
    said_over_tls,
    service,
    stream_ingress,
    tcp_echo,
    udp_echo,
)
from tests.support.gateway import eventually, running_gateway
from tests.support.ports import free_ports

pytestmark = [pytest.mark.envoy, pytest.mark.timeout(120)]

PLUGIN = """\
apiVersion: configuration.konghq.com/v1
kind: KongClusterPlugin
metadata: {name: prometheus, labels: {global: "true"}, annotations: {kubernetes.io/ingress.class: kong}}
plugin: prometheus
protocols: [http, https, tcp, tls, udp]
config: {status_code_metrics: true, latency_metrics: true}
"""
SHORT = ', annotations: {konghq.com/read-timeout: "500"}'


def sessions(status: int) -> dict[tuple[str, str], int]:
    """By route and status."""
    pattern = r'^kong_stream_sessions_total\{service="[^"]+",route="default\.(\w+)\.0(?:\.udp)?",code="(\d+)",'
    pattern += r'source="service",workspace="default"\} (\d+)$'
    return {(route, code): int(count) for route, code, count in re.findall(pattern, page(status), re.MULTILINE)}


def page(status: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{status}/metrics", timeout=30) as answer:
        return str(answer.read().decode())


def test_sessions_count_when_they_have_ended(tmp_path: Path) -> None:
    port, nowhere, datagrams, closed, status = free_ports(5)
    settings = {
        "KONG_STREAM_LISTEN": f"127.0.0.1:{port}, 127.0.0.1:{nowhere}, 127.0.0.1:{datagrams} udp",
        "KONG_STATUS_LISTEN": f"127.0.0.1:{status}",
    }
    with tcp_echo(b"lines") as lines, udp_echo(b"names") as names:
        (tmp_path / "gateway.yaml").write_text(
            service("lines", lines)
            + service("closed", closed)
            + service("names", names, protocol="UDP").replace("{name: names}", f"{{name: names{SHORT}}}", 1)
            + stream_ingress("TCPIngress", "lines", rule(port, "lines"))
            + stream_ingress("TCPIngress", "closed", rule(nowhere, "closed"))
            + stream_ingress("UDPIngress", "names", rule(datagrams, "names"))
            + PLUGIN
        )
        with running_gateway(tmp_path, settings=settings) as gateway:
            eventually(lambda: said_by(port, b"x") == b"lines:x", within_s=WITHIN_S, seen=gateway.lines)
            assert said_by(nowhere, b"x") == b""
            assert said_by_datagram(datagrams, b"q") == b"names:q"
            seen: list[dict[tuple[str, str], int]] = []
            expected = {("closed", "502"): 1, ("names", "200"): 1}

            def are_counted() -> bool:
                seen[:] = [sessions(status)]
                return seen[0].items() >= expected.items() and ("lines", "200") in seen[0]

            eventually(are_counted, within_s=WITHIN_S, seen=seen)
            durations = re.findall(r'kong_session_duration_ms_count\{.*route="default\.(\w+)\.', page(status))
            assert sorted(durations) == ["closed", "lines", "names"]


def test_a_plugin_that_comes_ends_no_connection_and_counts_it(tmp_path: Path) -> None:
    port, kept, status = free_ports(3)
    settings = {
        "KONG_STREAM_LISTEN": f"127.0.0.1:{port}, 127.0.0.1:{kept}",
        "KONG_STATUS_LISTEN": f"127.0.0.1:{status}",
    }
    with tcp_echo(b"lines") as lines, socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(WITHIN_S)
        (tmp_path / "gateway.yaml").write_text(
            service("lines", lines)
            + service("kept", server.getsockname()[1])
            + stream_ingress("TCPIngress", "lines", rule(port, "lines"))
            + stream_ingress("TCPIngress", "kept", rule(kept, "kept"))
        )
        with running_gateway(tmp_path, settings=settings) as gateway:
            eventually(lambda: said_by(port, b"x") == b"lines:x", within_s=WITHIN_S, seen=gateway.lines)
            with socket.create_connection(("127.0.0.1", kept), timeout=WITHIN_S) as client, server.accept()[0] as peer:
                peer.settimeout(WITHIN_S)
                (tmp_path / "plugin.yaml").write_text(PLUGIN)
                eventually(lambda: counts_after(port, status), within_s=WITHIN_S, seen=gateway.lines)
                client.sendall(b"still here")
                assert peer.recv(100) == b"still here"
                assert ("kept", "200") not in sessions(status)
            eventually(lambda: sessions(status).get(("kept", "200")) == 1, within_s=WITHIN_S, seen=gateway.lines)


def counts_after(port: int, status: int) -> bool:
    said_by(port, b"x")
    return ("lines", "200") in sessions(status)


def test_who_does_not_agree_on_tls_had_no_session(tmp_path: Path) -> None:
    port, status = free_ports(2)
    settings = {"KONG_STREAM_LISTEN": f"127.0.0.1:{port} ssl", "KONG_STATUS_LISTEN": f"127.0.0.1:{status}"}
    with tcp_echo(b"lines") as lines:
        served = stream_ingress("TCPIngress", "lines", rule(port, "lines"))
        (tmp_path / "gateway.yaml").write_text(service("lines", lines) + served + PLUGIN)
        with running_gateway(tmp_path, settings=settings) as gateway:
            eventually(
                lambda: said_over_tls(port, "any.test", b"x")[1] == b"lines:x", within_s=WITHIN_S, seen=gateway.lines
            )
            said_by(port, b"not TLS\r\n\r\n")
            assert said_over_tls(port, "any.test", b"x")[1] == b"lines:x"
            eventually(lambda: sessions(status).get(("lines", "200"), 0) == 2, within_s=WITHIN_S)
            assert sessions(status) == {("lines", "200"): 2}
