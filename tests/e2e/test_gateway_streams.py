"""TCPIngresses and UDPIngresses with a real Envoy: by port, by TLS server name, by datagram; endpoints that change."""

import base64
import json
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from cryptography import x509

from tests.support.certificates import self_signed
from tests.support.gateway import eventually, running_gateway
from tests.support.ports import free_ports

pytestmark = [pytest.mark.envoy, pytest.mark.timeout(120)]
WITHIN_S = 20.0


@contextmanager
def tcp_echo(name: bytes, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """Answers what comes first with its name and that; gives its port."""

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with suppress(OSError), connection:
                connection.settimeout(10)
                spoken = context.wrap_socket(connection, server_side=True) if context else connection
                spoken.sendall(name + b":" + spoken.recv(100))
                spoken.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


@contextmanager
def udp_echo(name: bytes) -> Iterator[int]:
    """Answers each datagram with its name and that, until an empty one comes; gives its port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]

        def serve() -> None:
            while (got := server.recvfrom(100))[0]:
                server.sendto(name + b":" + got[0], got[1])

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield port
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.sendto(b"", ("127.0.0.1", port))
            thread.join()


def service(name: str, port: int, *, protocol: str = "TCP") -> str:
    return f"""\
apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec: {{ports: [{{name: lines, port: 80, protocol: {protocol}}}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {name}-1, labels: {{kubernetes.io/service-name: {name}}}}}
addressType: IPv4
ports: [{{name: lines, port: {port}, protocol: {protocol}}}]
endpoints: [{{addresses: [127.0.0.1]}}]
---
"""


def stream_ingress(kind: str, name: str, *rules: str, tls: str = "[]", annotations: str = "") -> str:
    noted = f"annotations: {{kubernetes.io/ingress.class: kong{annotations}}}"
    listed = "".join(f"\n  - {rule}" for rule in rules)
    tls_line = f"\n  tls: {tls}" if kind == "TCPIngress" else ""
    return f"""\
apiVersion: configuration.konghq.com/v1beta1
kind: {kind}
metadata: {{name: {name}, {noted}}}
spec:{tls_line}
  rules:{listed}
---
"""


def rule(port: int, backend: str, host: str = "") -> str:
    named = f"host: {host}, " if host else ""
    return f"{{{named}port: {port}, backend: {{serviceName: {backend}, servicePort: 80}}}}"


def said_by(port: int, text: bytes) -> bytes:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(text)
            return b"".join(iter(lambda: connection.recv(100), b""))
    except OSError:
        return b""


def said_over_tls(port: int, server_name: str, text: bytes) -> tuple[str, bytes]:
    """The name on the certificate, and the answer; nothing where the connection is closed."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname=server_name) as connection,
        ):
            shown = x509.load_der_x509_certificate(connection.getpeercert(binary_form=True) or b"")
            connection.sendall(text)
            answer = b"".join(iter(lambda: connection.recv(100), b""))
    except OSError:
        return "", b""
    (name,) = shown.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(name.value), answer


def said_by_datagram(port: int, text: bytes) -> bytes:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(0.5)
        with suppress(OSError):
            client.sendto(text, ("127.0.0.1", port))
            return client.recv(100)
    return b""


def test_the_port_picks_the_service_and_endpoints_change(tmp_path: Path) -> None:
    port, unused = free_ports(2)
    listens = {"KONG_STREAM_LISTEN": f"127.0.0.1:{port}, 127.0.0.1:{unused}"}
    with tcp_echo(b"one") as one, tcp_echo(b"two") as two:
        (tmp_path / "gateway.yaml").write_text(
            service("lines", one) + stream_ingress("TCPIngress", "lines", rule(port, "lines"), rule(1, "lines"))
        )
        with running_gateway(tmp_path, settings=listens) as gateway:
            eventually(lambda: said_by(port, b"hello") == b"one:hello", within_s=WITHIN_S, seen=gateway.lines)
            assert said_by(unused, b"hello") == b""
            told = "\n".join(gateway.lines)
            assert "Kong's setting stream_listen has no port 1" in told
            assert "KONG_STREAM_LISTEN has no effect" not in told
            manifests = (tmp_path / "gateway.yaml").read_text()
            (tmp_path / "gateway.yaml").write_text(manifests.replace(f"port: {one}", f"port: {two}"))
            eventually(lambda: said_by(port, b"hello") == b"two:hello", within_s=WITHIN_S, seen=gateway.lines)
            (tmp_path / "gateway.yaml").write_text(service("lines", two))
            eventually(lambda: said_by(port, b"hello") == b"", within_s=WITHIN_S, seen=gateway.lines)


def test_the_server_name_picks_certificate_and_service(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    pair, inner = self_signed("a.test"), self_signed("inner.test")
    encoded = {name: base64.b64encode(text.encode()).decode() for name, text in zip("ck", pair[::-1], strict=True)}
    secret = f"""\
apiVersion: v1
kind: Secret
metadata: {{name: a}}
type: kubernetes.io/tls
data: {{tls.crt: {encoded["c"]}, tls.key: {encoded["k"]}}}
---
"""
    (tmp_path / "inner.pem").write_text(inner.key + inner.certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "inner.pem")
    (folder := tmp_path / "manifests").mkdir()
    with tcp_echo(b"a") as a, tcp_echo(b"any") as rest, tcp_echo(b"inner", context) as through:
        named = stream_ingress(
            "TCPIngress",
            "named",
            rule(port, "a", "a.test"),
            rule(port, "rest"),
            tls="[{hosts: [a.test], secretName: a}]",
        )
        passed = stream_ingress(
            "TCPIngress",
            "through",
            rule(port, "through", '"*.through.test"'),
            annotations=", konghq.com/protocols: tls_passthrough",
        )
        services = service("a", a) + service("rest", rest) + service("through", through)
        (folder / "gateway.yaml").write_text(services + secret + named + passed)
        with running_gateway(folder, settings={"KONG_STREAM_LISTEN": f"127.0.0.1:{port} ssl"}) as gateway:
            eventually(
                lambda: said_over_tls(port, "a.test", b"hi") == ("a.test", b"a:hi"),
                within_s=WITHIN_S,
                seen=gateway.lines,
            )
            assert said_over_tls(port, "other.test", b"hi") == ("localhost", b"any:hi")
            assert said_over_tls(port, "x.through.test", b"hi") == ("inner.test", b"inner:hi")
            assert b"not TLS" not in said_by(port, b"not TLS\r\n\r\n")


def test_datagrams_come_back(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    with udp_echo(b"one") as one, udp_echo(b"two") as two:
        manifests = service("names", one, protocol="UDP") + stream_ingress("UDPIngress", "names", rule(port, "names"))
        (tmp_path / "gateway.yaml").write_text(manifests)
        with running_gateway(tmp_path, settings={"KONG_STREAM_LISTEN": f"127.0.0.1:{port} udp"}) as gateway:
            eventually(lambda: said_by_datagram(port, b"q") == b"one:q", within_s=WITHIN_S, seen=gateway.lines)
            (tmp_path / "gateway.yaml").write_text(manifests.replace(f"port: {one}", f"port: {two}"))
            eventually(lambda: said_by_datagram(port, b"q") == b"two:q", within_s=WITHIN_S, seen=gateway.lines)


def test_a_rule_that_a_plugin_should_guard_is_not_served(tmp_path: Path) -> None:
    port, open_port = free_ports(2)
    guard = """\
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {name: only-us}
plugin: ip-restriction
config: {allow: [203.0.113.0/24]}
---
"""
    with tcp_echo(b"lines") as lines:
        (tmp_path / "gateway.yaml").write_text(
            service("lines", lines)
            + guard
            + stream_ingress("TCPIngress", "lines", rule(open_port, "lines"))
            + stream_ingress("TCPIngress", "guarded", rule(port, "lines"), annotations=", konghq.com/plugins: only-us")
        )
        listens = {"KONG_STREAM_LISTEN": f"127.0.0.1:{port}, 127.0.0.1:{open_port}"}
        with running_gateway(tmp_path, settings=listens) as gateway:
            eventually(lambda: said_by(open_port, b"x") == b"lines:x", within_s=WITHIN_S, seen=gateway.lines)
            assert said_by(port, b"x") == b""
            assert "cannot guard streams in this gateway" in "\n".join(gateway.lines)


def explained(admin: int, url: str) -> tuple[str, str]:
    """The rule that takes it and why nothing gets on, by the running gateway itself."""
    command = [sys.executable, "-m", "crossfade.cli", "explain", url, "--admin", f"127.0.0.1:{admin}"]
    done = subprocess.run([*command, "--output", "json"], capture_output=True, text=True, timeout=60, check=True)
    found = json.loads(done.stdout)
    return (found["rule"] or {}).get("name", ""), found["refusal"]


def test_what_is_explained_is_what_happens(tmp_path: Path) -> None:
    port, named, unused, admin = free_ports(4)
    listens = {"KONG_STREAM_LISTEN": f"127.0.0.1:{port}, 127.0.0.1:{named} ssl, 127.0.0.1:{unused}"}
    with tcp_echo(b"one") as one, tcp_echo(b"two") as two:
        (tmp_path / "gateway.yaml").write_text(
            service("lines", one)
            + service("names", two)
            + stream_ingress("TCPIngress", "lines", rule(port, "lines"))
            + stream_ingress("TCPIngress", "names", rule(named, "names", "one.test"), rule(named, "none", "two.test"))
        )
        with running_gateway(tmp_path, "--admin-port", str(admin), settings=listens) as gateway:
            eventually(lambda: said_by(port, b"x") == b"one:x", within_s=WITHIN_S, seen=gateway.lines)
            assert explained(admin, f"tcp://127.0.0.1:{port}") == ("default.lines.0", "")
            assert said_over_tls(named, "one.test", b"x")[1] == b"two:x"
            assert explained(admin, f"tls://one.test:{named}") == ("default.names.0", "")
            for name in ("two.test", "three.test"):
                assert said_over_tls(named, name, b"x")[1] == b""
                assert explained(admin, f"tls://{name}:{named}")[1] != ""
            assert said_by(unused, b"x") == b""
            assert explained(admin, f"tcp://127.0.0.1:{unused}")[1] != ""
