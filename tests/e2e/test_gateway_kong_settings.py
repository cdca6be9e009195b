"""Kong's settings as users give them, and what a client, a Service or a look at the processes shows of them."""

import http.client
import json
import socket
import ssl
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from crossfade.certs.ca import create_authority
from crossfade.certs.issuer import issue_server_certificate
from tests.support.gateway import eventually, ingress, running_gateway, service
from tests.support.name_server import name_server
from tests.support.ports import free_ports
from tests.support.serving import serving

pytestmark = [pytest.mark.envoy, pytest.mark.timeout(120)]


@contextmanager
def echo() -> Iterator[int]:
    """Answers with the headers it got and the number of its connection; gives its port."""
    connections: list[object] = []

    class Echo(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def setup(self) -> None:
            connections.append(self)
            super().setup()

        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = json.dumps({"headers": headers, "connection": connections.index(self)}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - the inherited name

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the inherited name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    server.daemon_threads = True
    with serving(server):
        yield server.server_address[1]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """With a route at `/x` to an echo."""
    manifests = tmp_path / "manifests"
    manifests.mkdir()
    with echo() as port:
        (manifests / "all.yaml").write_text(service("one", port) + ingress("route", "/x", "one"))
        yield manifests


def post(port: int, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
    is_chunked = headers.get("Transfer-Encoding") == "chunked"
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("POST", "/x", iter([body]) if is_chunked else body, headers, encode_chunked=is_chunked)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def test_a_body_that_is_too_large(folder: Path) -> None:
    with running_gateway(folder, settings={"KONG_NGINX_HTTP_CLIENT_MAX_BODY_SIZE": "1k"}) as gateway:
        accept = {"Accept": "application/json"}
        for headers in (accept, accept | {"Transfer-Encoding": "chunked"}):
            assert post(gateway.port, b"x" * 1024, headers)[0] == 200
            status, body = post(gateway.port, b"x" * 1025, headers)
            assert status == 413
            assert json.loads(body)["message"] == "Payload too large"


@pytest.mark.parametrize(("size", "count"), [("0", 3), ("512", 1)])
def test_whether_connections_are_kept(folder: Path, size: str, count: int) -> None:
    with running_gateway(folder, settings={"KONG_UPSTREAM_KEEPALIVE_POOL_SIZE": size}) as gateway:
        numbers = {json.loads(gateway.get("/x").body)["connection"] for _ in range(3)}
    assert len(numbers) == count


def test_the_public_port_is_told(folder: Path) -> None:
    (port,) = free_ports(1)
    with running_gateway(folder, "--http-port", str(port), settings={"KONG_PORT_MAPS": f"80:{port}"}) as gateway:
        gateway.port = port
        assert json.loads(gateway.get("/x").body)["headers"]["x-forwarded-port"] == "80"


def test_tls_towards_clients_from_kongs_file(folder: Path, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    authority = create_authority("test", now=now)
    pair = issue_server_certificate(authority, ("edge.test",), now=now)
    (tmp_path / "tls.crt").write_bytes(pair.certificate_pem)
    (tmp_path / "tls.key").write_bytes(pair.key_pem)
    (port,) = free_ports(1)
    conf = tmp_path / "kong.conf"
    conf.write_text(f"""\
# what the edge shows
ssl_cert = {tmp_path}/tls.crt
ssl_cert_key = {tmp_path}/tls.key
ssl_cipher_suite = modern   # TLS 1.3 alone
""")
    trust = ssl.create_default_context(cadata=authority.certificate_pem.decode())
    with running_gateway(folder, "--kong-conf", str(conf), "--https-port", str(port)):
        assert tls_version(port, trust) == "TLSv1.3"
        trust.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises(ssl.SSLError):
            tls_version(port, trust)


def tls_version(port: int, trust: ssl.SSLContext) -> str | None:
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        trust.wrap_socket(plain, server_hostname="edge.test") as secure,
    ):
        return secure.version()


def test_error_pages_are_the_users_own(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "page.xml").write_text("<sorry>%s</sorry>")
    settings = {
        "KONG_ERROR_TEMPLATE_XML": str(tmp_path / "page.xml"),
        "KONG_ERROR_DEFAULT_TYPE": "application/xml",
        "KONG_NGINX_HTTP_CLIENT_MAX_BODY_SIZE": "1",
    }
    with running_gateway(folder, settings=settings) as gateway:
        answer = gateway.get("/nowhere", {"Accept": "application/xml"})
        assert answer.body == "<sorry>no Route matched with those values</sorry>"
        assert post(gateway.port, b"xx", {}) == (413, "<sorry>Payload too large</sorry>")


def test_requests_are_logged_with_the_client_that_a_trusted_peer_tells(folder: Path, tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    settings = {"KONG_PROXY_ACCESS_LOG": str(log), "KONG_TRUSTED_IPS": "127.0.0.1"}
    with running_gateway(folder, settings=settings) as gateway:
        answer = gateway.get("/x?apikey=secret", {"X-Real-IP": "203.0.113.5", "User-Agent": "curl/8"})
    eventually(lambda: log.exists() and log.read_text())
    line = log.read_text()
    request_id = answer.headers["X-Kong-Request-Id"]
    assert line.startswith("203.0.113.5 - - [")
    assert f'"GET /x HTTP/1.1" 200 {len(answer.body)} "-" "curl/8" kong_request_id: "{request_id}"' in line
    assert "secret" not in line


def test_workers_are_envoys(folder: Path) -> None:
    with running_gateway(folder, settings={"KONG_NGINX_WORKER_PROCESSES": "3"}) as gateway:
        (envoy,) = gateway.children()
        assert b"--concurrency\x003\x00" in Path(f"/proc/{envoy}/cmdline").read_bytes()


def test_a_client_may_ask_who_serves_it(folder: Path) -> None:
    asked = {"Kong-Debug": "1"}
    names = ("Kong-Route-Id", "Kong-Route-Name", "Kong-Service-Id", "Kong-Service-Name")
    with running_gateway(folder, settings={"KONG_ALLOW_DEBUG_HEADER": "on"}) as gateway:
        headers = gateway.get("/x", asked).headers
        assert (headers["Kong-Route-Name"], headers["Kong-Service-Name"]) == (
            "default.route.one..80",
            "default.one.80",
        )
        assert all(len(headers[name]) == 36 for name in names if name.endswith("Id"))
        unasked = gateway.get("/x").headers
        nowhere = gateway.get("/nowhere", asked).headers
        assert not any(name in found for name in names for found in (unasked, nowhere))
    with running_gateway(folder) as gateway:
        assert "Kong-Route-Id" not in gateway.get("/x", asked).headers


def test_where_status_pages_admin_api_and_messages_are(folder: Path, tmp_path: Path) -> None:
    status, admin, secure = free_ports(3)
    log = tmp_path / "error.log"
    settings = {
        "KONG_STATUS_LISTEN": f"127.0.0.1:{status}",
        "KONG_ADMIN_LISTEN": f"127.0.0.1:{admin}, 127.0.0.1:{secure} http2 ssl",
        "KONG_PROXY_ERROR_LOG": str(log),
        "KONG_LOG_LEVEL": "info",
    }
    anyone = ssl.create_default_context()
    anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE
    with running_gateway(folder, settings=settings) as gateway:
        assert read(f"http://127.0.0.1:{status}/status/ready") == "LIVE\n"
        for page in (f"http://127.0.0.1:{status}/metrics", f"http://127.0.0.1:{admin}/metrics"):
            assert "kong_datastore_reachable 1\n" in read(page)
        assert '"version":"3.9.1"' in read(f"http://127.0.0.1:{admin}/")
        assert '"version":"3.9.1"' in read(f"https://127.0.0.1:{secure}/", anyone)
        assert not any("[info]" in line for line in gateway.lines)
    assert "[info]" in log.read_text()


def read(url: str, context: ssl.SSLContext | None = None) -> str:
    with urllib.request.urlopen(url, timeout=10, context=context) as response:
        return str(response.read().decode())


def test_a_name_server_of_ones_own(tmp_path: Path) -> None:
    """It alone knows the name."""
    with echo() as port, name_server({"one.test": "127.0.0.1"}) as (server, asked):
        (tmp_path / "all.yaml").write_text(
            "apiVersion: v1\nkind: Service\nmetadata: {name: one}\n"
            "spec: {type: ExternalName, externalName: one.test}\n---\n"
            + ingress("route", "/x", "one").replace("number: 80", f"number: {port}")
        )
        settings = {"KONG_DNS_RESOLVER": f"127.0.0.1:{server}", "KONG_DNS_VALID_TTL": "0.2"}
        with running_gateway(tmp_path, settings=settings) as gateway:
            eventually(lambda: gateway.get("/x").status == 200)
            known = len(asked)
            eventually(lambda: len(asked) > known + 2)


def test_what_is_without_effect_is_said(folder: Path) -> None:
    with running_gateway(folder, settings={"KONG_DATABASE": "off", "KONG_TRUSTED_IP": "1.2.3.4"}) as gateway:
        said = "\n".join(gateway.lines)
    assert "warning: KONG_DATABASE has no effect: there is no database" in said
    assert "warning: KONG_TRUSTED_IP has no effect: there is no setting trusted_ip; did you mean trusted_ips?" in said


REQUEST = b"GET /x HTTP/1.1\r\nHost: gw.test\r\nConnection: close\r\n\r\n"
# HAProxy's specification of the PROXY protocol: signature, version 2 and PROXY, TCP over IPv4, 12 bytes of addresses.
VERSION_2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes([203, 0, 113, 77, 192, 0, 2, 1, 0x9C, 0x40, 0x01, 0xBB])
VERSION_1 = b"PROXY TCP4 203.0.113.77 192.0.2.1 40000 443\r\n"


def said(port: int, content: bytes) -> bytes:
    """All that comes back; nothing where the connection is closed or reset."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        try:
            connection.sendall(content)
            return b"".join(iter(lambda: connection.recv(65536), b""))
        except ConnectionError:
            return b""


@pytest.mark.parametrize("header", [VERSION_1, VERSION_2], ids=["version 1", "version 2"])
def test_the_proxy_protocol_tells_the_client_and_the_listener_keeps_its_port(folder: Path, header: bytes) -> None:
    (port,) = free_ports(1)
    settings = {
        "KONG_PROXY_LISTEN": f"127.0.0.1:{port} proxy_protocol",
        "KONG_TRUSTED_IPS": "127.0.0.1",
        "KONG_REAL_IP_HEADER": "proxy_protocol",
    }
    with running_gateway(folder, settings=settings):
        told = json.loads(said(port, header + REQUEST).partition(b"\r\n\r\n")[2])["headers"]
        assert said(port, REQUEST) == b""
    assert told["x-real-ip"] == "203.0.113.77"
    assert told["x-forwarded-port"] == str(port)
