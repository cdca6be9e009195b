"""The Kong dialect without any policy: certificates by name, protocols, and the looks of Envoy's own errors."""

import asyncio
import json
import ssl
from functools import cache
from pathlib import Path

import pytest
from cryptography import x509

from crossfade.compile.model import Cluster, Dialect, Discovery, FilterChain, HttpHandler, ProxyModel, ServerCertificate
from tests.support.certificates import self_signed
from tests.support.envoy import Harness, backend, running_envoy, until
from tests.support.models import ORIGIN, kong_model, local_cluster

pytestmark = pytest.mark.envoy


async def raw(port: int, request: str) -> tuple[str, dict[str, str], str]:
    """Status line, headers and body of one answer with a length."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request.replace("\n", "\r\n").encode())
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    status, *lines = head.decode().rstrip().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    body = await reader.readexactly(int(headers["Content-Length"]))
    writer.close()
    return status, headers, body.decode()


def message(body: str) -> str:
    text: str = json.loads(body)["message"]
    return text


async def test_envoys_own_errors_look_like_kongs(tmp_path: Path) -> None:
    async with running_envoy(tmp_path) as envoy, backend("ok") as target:
        dead, empty = local_cluster("dead", 1), Cluster("empty", Discovery.EDS, (), ORIGIN)
        envoy.publish(kong_model(local_cluster("ok", target.port), dead, empty, port=envoy.port))
        await envoy.until_status(404)
        expected = {
            "/none": ("404 Not Found", "no Route matched with those values"),
            "/dead": ("502 Bad Gateway", "An invalid response was received from the upstream server"),
            "/empty": ("503 Service Unavailable", "failure to get a peer from the ring-balancer"),
        }
        for path, (status, text) in expected.items():
            request = f"GET {path} HTTP/1.1\nHost: a\nAccept: */*\nConnection: close\n\n"
            line, headers, body = await raw(envoy.port, request)
            assert (line, message(body)) == (f"HTTP/1.1 {status}", text)
            assert headers["Content-Type"] == "application/json; charset=utf-8"
            assert headers["Server"] == "kong/3.9.1"
            assert not any(name.lower().startswith("x-envoy") for name in headers)
        line, _, body = await raw(envoy.port, f"GET /ok HTTP/1.1\nHost: a\nLong: {'x' * 40_000}\n\n")
        assert (line, message(body)) == ("HTTP/1.1 400 Bad Request", "Request header or cookie too large")


async def test_requests_of_all_ages_are_answered(tmp_path: Path) -> None:
    async with running_envoy(tmp_path) as envoy, backend("ok") as target:
        envoy.publish(kong_model(local_cluster("ok", target.port), port=envoy.port))
        await until_served(envoy)
        line, headers, body = await raw(envoy.port, "GET /ok HTTP/1.0\n\n")
        assert (line, body) == ("HTTP/1.0 200 OK", "ok")
        assert headers["Server"] == "kong/3.9.1"
        line, _, body = await raw(envoy.port, "GET /ok HTTP/1.1\nHost: a:1234\nunder_score: 1\nConnection: close\n\n")
        assert (line, body) == ("HTTP/1.1 200 OK", "ok")


async def until_served(envoy: Harness) -> None:
    async def answered() -> bool:
        return (await envoy.get("/ok")).body == "ok"

    await until(answered)


async def test_the_server_name_picks_the_certificate(tmp_path: Path) -> None:
    async with running_envoy(tmp_path) as envoy, backend("ok") as target:
        envoy.publish(tls_model(envoy.port, target.port))
        expected = {
            "a.test": "a.test",
            "A.test": "a.test",
            "x.b.test": "*.b.test",
            "y.x.b.test": "default.test",
            "b.test": "default.test",
            "x.c.test": "*.c.test",
            "y.x.c.test": "any.c.test",
            "z.y.x.c.test": "any.c.test",
            "x.xbxtest": "default.test",
            "d.test": "default.test",
            None: "default.test",
        }
        for server_name, certificate_name in expected.items():
            assert await certificate_shown(envoy.port, server_name) == (certificate_name, "h2")


async def test_a_name_more_ends_no_connection(tmp_path: Path) -> None:
    async with running_envoy(tmp_path) as envoy, backend("ok") as target:
        envoy.publish(tls_model(envoy.port, target.port))
        await certificate_shown(envoy.port, "a.test")
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", envoy.port, ssl=trusting_context(), server_hostname="a.test"
        )

        async def answered() -> str:
            writer.write(b"GET /ok HTTP/1.1\r\nHost: a\r\n\r\n")
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
            await reader.readexactly(len("ok"))
            return head.decode()

        assert "200 OK" in await answered()
        envoy.publish(tls_model(envoy.port, target.port, "new.test"))

        async def is_new() -> bool:
            return await certificate_shown(envoy.port, "new.test") == ("a.test", "h2")

        await until(is_new)
        head = await answered()
        assert "200 OK" in head
        assert "close" not in head
        writer.transport.abort()


def trusting_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


pair_of = cache(self_signed)


def tls_model(port: int, upstream: int, *more: str) -> ProxyModel:
    handler = HttpHandler("gateway", "kong", Dialect.KONG, takes_http2=True)

    def chain(name: str, *server_names: str, of_one_label: tuple[str, ...] = ()) -> FilterChain:
        pair = pair_of(name)
        certificate = ServerCertificate(pair.certificate, pair.key)
        return FilterChain(
            name, handler, server_names=server_names, one_label_names=of_one_label, certificate=certificate
        )

    chains = (
        chain("a.test", "a.test", *more),
        chain("*.b.test", of_one_label=("*.b.test",)),
        chain("*.c.test", of_one_label=tuple(f"*.{label}.test" for label in ("c", *map(str, range(100))))),
        chain("any.c.test", "*.c.test"),
        chain("default.test"),
    )
    return kong_model(local_cluster("ok", upstream), port=port, chains=chains)


async def certificate_shown(port: int, server_name: str | None) -> tuple[str, str | None]:
    """Common name and negotiated protocol; waits until the port is open."""
    context = trusting_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection(
                    "127.0.0.1", port, ssl=context, server_hostname=server_name or ""
                )
                break
            except ConnectionError:
                await asyncio.sleep(0.01)
    connection = writer.get_extra_info("ssl_object")
    certificate = x509.load_der_x509_certificate(connection.getpeercert(binary_form=True))
    writer.transport.abort()
    (name,) = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(name.value), connection.selected_alpn_protocol()
