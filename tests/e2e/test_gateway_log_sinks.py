"""Log plugins with whoever takes their records: servers that take them, hang, refuse, fail and go away."""

import base64
import json
import os
import socket
import ssl
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from typing import Any, Final

import pytest

from tests.support.certificates import self_signed
from tests.support.gateway import RunningGateway, eventually, ingress, running_gateway, service, upstream
from tests.support.ports import free_ports

PATIENCE_S: Final = 60.0
# Far more than a request takes, far less than any sink is given.
AT_ONCE_S: Final = 2.0

pytestmark = [pytest.mark.envoy, pytest.mark.timeout(200)]


class Server:
    """Takes connections, and keeps what was read of each: lines, or with `answers` requests, which it answers in turn.

    When the answers are used up every request is answered 200.
    """

    def __init__(self, answers: list[bytes] | None, *, hangs: bool, context: ssl.SSLContext | None) -> None:
        self.bodies: Queue[bytes] = Queue()
        self.heads: Queue[bytes] = Queue()
        self.refused = 0
        self._answers, self._hangs, self._context = answers, hangs, context
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._socket.close()

    def record(self) -> Any:
        return json.loads(self.bodies.get(timeout=PATIENCE_S))

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            wrapped = self._context.wrap_socket(connection, server_side=True) if self._context else connection
            with wrapped, wrapped.makefile("rb") as stream:
                while self._one(wrapped, stream):
                    pass
        except ssl.SSLError:
            self.refused += 1
        except OSError:
            pass

    def _one(self, connection: socket.socket, stream: Any) -> bool:
        line = stream.readline()
        if not line or self._answers is None:
            self.bodies.put(line) if line else None
            return bool(line)
        head = [line]
        while (line := stream.readline()).strip():
            head.append(line)
        length = next(int(one.split(b":")[1]) for one in head if one.lower().startswith(b"content-length"))
        body = stream.read(length)
        if self._hangs:
            threading.Event().wait(PATIENCE_S)
        answer = self._answers.pop(0) if self._answers else b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        if answer.startswith(b"HTTP/1.1 2"):
            self.heads.put(b"".join(head))
            self.bodies.put(body)
        connection.sendall(answer)
        return bool(answer)


@contextmanager
def serving(
    answers: list[bytes] | None = None, *, hangs: bool = False, context: ssl.SSLContext | None = None
) -> Iterator[Server]:
    server = Server(answers, hangs=hangs, context=context)
    try:
        yield server
    finally:
        server.close()


def plugin(kind: str, config: Mapping[str, object]) -> str:
    return f"""\
apiVersion: configuration.konghq.com/v1
kind: KongClusterPlugin
metadata: {{name: {kind}, labels: {{global: "true"}}, annotations: {{kubernetes.io/ingress.class: kong}}}}
plugin: {kind}
config: {json.dumps(config)}
---
"""


@contextmanager
def logging(
    folder: Path, plugins: Mapping[str, Mapping[str, object]], settings: Mapping[str, str] | None = None
) -> Iterator[RunningGateway]:
    with upstream("web") as port:
        folder.mkdir()
        routes = service("web", port) + ingress("web", "/", "web")
        (folder / "all.yaml").write_text(routes + "".join(plugin(*one) for one in plugins.items()))
        with running_gateway(folder, settings=settings) as gateway:
            yield gateway


def ask(gateway: RunningGateway, path: str = "/") -> None:
    began = time.monotonic()
    assert gateway.get(path).status == 200
    assert time.monotonic() - began < AT_ONCE_S


def secured(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server certified as logs.test, and the authority that says so."""
    pair, certificate, key = self_signed("logs.test"), folder / "certificate.pem", folder / "key.pem"
    certificate.write_text(pair.certificate)
    key.write_text(pair.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context, certificate


def test_each_plugin_sends_the_record_in_its_form(tmp_path: Path) -> None:
    context, authority = secured(tmp_path)
    with (
        serving([]) as http,
        serving(context=context) as tcp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
    ):
        datagrams.bind(("127.0.0.1", 0))
        datagrams.settimeout(PATIENCE_S)
        place = {"host": "127.0.0.1", "port": datagrams.getsockname()[1]}
        endpoint = f"http://user:pw@127.0.0.1:{http.port}/logs?x=1"
        plugins: dict[str, dict[str, object]] = {
            "http-log": {"http_endpoint": endpoint, "headers": {"X-Tok": "t1"}},
            "tcp-log": {"host": "127.0.0.1", "port": tcp.port, "tls": True, "tls_sni": "logs.test"},
            "udp-log": {**place},
            "loggly": {**place, "key": "k", "tags": ["a", "b"], "log_level": "debug"},
        }
        with logging(tmp_path / "manifests", plugins, {"SSL_CERT_FILE": str(authority)}) as gateway:
            for path in ("/a", "/b"):
                ask(gateway, path)
                assert [server.record()["request"]["uri"] for server in (http, tcp)] == [path, path]
                marked, plain = sorted(datagrams.recv(65536).decode() for _ in range(2))
    assert json.loads(plain)["request"]["uri"] == "/b"
    assert not plain.endswith("\n")
    start, _, body = marked.partition(' - - [k@41058 tag="a" tag="b"] ')
    assert start.startswith("<14>1 2")
    assert start.endswith(" kong")
    assert json.loads(body)["request"]["uri"] == "/b"
    head = http.heads.get(timeout=PATIENCE_S).decode().lower()
    assert head.startswith("post /logs http/1.1\r\n")
    authorization = base64.b64encode(b"user:pw").decode().lower()
    for line in ("content-type: application/json", "x-tok: t1", f"authorization: basic {authorization}"):
        assert f"\r\n{line}\r\n" in head


def test_lists_are_tried_again_stay_over_changes_and_are_sent_when_the_gateway_ends(tmp_path: Path) -> None:
    failure = b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"
    with serving([failure, b"", failure]) as server:
        config = {
            "http_endpoint": f"http://127.0.0.1:{server.port}",
            "method": "PUT",
            "queue": {"max_batch_size": 3, "max_coalescing_delay": 3600},
        }
        with logging(tmp_path / "manifests", {"http-log": config}) as gateway:
            for number in range(3):
                ask(gateway, f"/{number}")
            assert [one["request"]["uri"] for one in server.record()] == ["/0", "/1", "/2"]
            ask(gateway, "/before")
            (gateway.folder / "more.yaml").write_text(ingress("more", "/more", "web"))
            eventually(lambda: any("live after" in line for line in gateway.lines), within_s=PATIENCE_S)
            ask(gateway, "/after")
            assert server.bodies.empty()
        assert [one["request"]["uri"] for one in server.record()] == ["/before", "/after"]


def test_who_hangs_refuses_lies_or_is_not_there_slows_no_request(tmp_path: Path) -> None:
    nobody, status = free_ports(2)
    short = {"max_retry_time": 0, "max_entries": 3}
    context, _ = secured(tmp_path)
    with serving([], hangs=True) as hanging, serving(context=context) as impostor:
        plugins: dict[str, dict[str, object]] = {
            "http-log": {"http_endpoint": f"http://127.0.0.1:{hanging.port}", "queue": short},
            "tcp-log": {"host": "127.0.0.1", "port": impostor.port, "tls": True},
            "statsd": {"host": "127.0.0.1", "port": nobody, "use_tcp": True, "queue": short},
            "udp-log": {"host": "not.there.invalid", "port": nobody},
        }
        settings = {"KONG_STATUS_LISTEN": f"127.0.0.1:{status}"}
        with logging(tmp_path / "manifests", plugins, settings) as gateway:
            for _ in range(20):
                ask(gateway)
            for kind in ("http-log", "statsd", "udp-log"):
                eventually(lambda kind=kind: told(gateway, kind), within_s=PATIENCE_S, seen=gateway.lines)
            eventually(lambda: impostor.refused, within_s=PATIENCE_S)
            assert impostor.bodies.empty()
            lost = metrics(status)
    assert {"http-log", "statsd", "udp-log"} <= {kind for kind, count in lost.items() if count > 0}


def told(gateway: RunningGateway, kind: str) -> list[str]:
    return [line for line in gateway.lines if f"[{kind}]" in line and "lost" in line]


def metrics(port: int) -> dict[str, int]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE_S) as response:
        text = response.read().decode()
    lines = [line for line in text.splitlines() if line.startswith("crossfade_log_records_lost_total{")]
    return {line.split('"')[1]: int(line.rpartition(" ")[2]) for line in lines}


def system_log(folder: Path) -> list[str]:
    """rsyslog at /dev/log, with messages as lines of priority, program and text."""
    output = folder / "messages"
    configuration = folder / "rsyslog.conf"
    configuration.write_text(
        'module(load="imuxsock")\n'
        'global(maxMessageSize="64k")\n'
        'template(name="line" type="string" string="%pri-text% %programname% %msg%\\n")\n'
        f'action(type="omfile" file="{output}" template="line")\n'
    )
    return ["rsyslogd", "-n", "-f", str(configuration), "-i", str(folder / "rsyslog.pid")]


@pytest.mark.skipif(os.geteuid() != 0 or Path("/dev/log").exists(), reason="/dev/log is for a system log of this test")
def test_syslog_writes_to_a_real_system_log(tmp_path: Path) -> None:
    config = {"facility": "local3", "client_errors_severity": "err", "log_level": "notice"}
    with subprocess.Popen(system_log(tmp_path)) as system:
        try:
            eventually(Path("/dev/log").exists, within_s=PATIENCE_S)
            with logging(tmp_path / "manifests", {"syslog": config}) as gateway:
                ask(gateway, "/not-written")
                assert gateway.ask("TRACE", "/").status == 405
                lines: list[str] = []
                eventually(lambda: messages(tmp_path, lines), within_s=PATIENCE_S, seen=lines)
        finally:
            system.terminate()
            system.wait(PATIENCE_S)
            Path("/dev/log").unlink(missing_ok=True)
    (line,) = lines
    priority, program, text = line.split(" ", 2)
    assert (priority.partition("<")[0], program) == ("local3.err", "kong")
    assert json.loads(text)["response"]["status"] == 405


def messages(folder: Path, lines: list[str]) -> bool:
    output = folder / "messages"
    lines[:] = [line for line in output.read_text().splitlines() if " kong " in line] if output.exists() else []
    return bool(lines)
