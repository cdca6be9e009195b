"""HTTP/1 carried over HTTP/2 between two proxies: neither application can tell, whatever they say to each other."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from tests.support.carried import APP, CLIENT, HOST, OTHER_SERVER, SERVER, Caller, CarriedPair, Heard, carried_pair
from tests.support.mesh_tls import Pairs

pytestmark = pytest.mark.envoy

ANY_REQUEST = f"GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()
ANY_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
# Made anew for each request.
VOLATILE = (
    "x-request-id",
    "date",
    "x-envoy-upstream-service-time",
    "x-kong-proxy-latency",
    "x-kong-upstream-latency",
    "x-kong-response-latency",
    "x-kong-request-id",
)


@pytest.fixture(params=list(Caller))
async def pair(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[CarriedPair]:
    async with carried_pair(tmp_path, request.param) as found:
        yield found


def head(first: str, *lines: str, host: str = HOST) -> bytes:
    return "\r\n".join([first, f"Host: {host}", *lines, "", ""]).encode("latin-1")


REQUESTS = {
    "nothing special": ANY_REQUEST,
    "a query and odd characters": head("GET /a%2Fb;c/d?x=1&y=%20&z[]=ü HTTP/1.1"),
    "an absolute target": head(f"GET http://{HOST}/a HTTP/1.1"),
    "a host with its port": head("GET / HTTP/1.1", host=f"{HOST}:{{port}}"),
    "a host in other letters": head("GET / HTTP/1.1", host=HOST.upper()),
    "no such host": head("GET / HTTP/1.1", host="nobody"),
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "HTTP/1.0": f"GET / HTTP/1.0\r\nHost: {HOST}\r\n\r\n".encode(),
    "headers": head(
        "GET / HTTP/1.1", "X-Many: a", "X-Many: b", "Cookie: a=1; b=2", "X-Empty:", "X-Under_Score: 1",
        "X-Byte: \xe9\t,", "TE: trailers, deflate", "Accept-Encoding: gzip", "Keep-Alive: timeout=5",
        "Connection: keep-alive, X-Hop", "X-Hop: 1", "Via: 1.1 me", "Forwarded: for=1",
    ),
    "97 headers": head("GET / HTTP/1.1", *(f"X-{number}: 1" for number in range(96))),
    "101 headers": head("GET / HTTP/1.1", *(f"X-{number}: 1" for number in range(100))),
    "59 KiB of headers": head("GET / HTTP/1.1", "X-Long: " + "a" * (59 * 1024)),
    "a body with its length": head("POST /p HTTP/1.1", "Content-Length: 5") + b"hello",
    "an empty body": head("POST /p HTTP/1.1", "Content-Length: 0"),
    "a POST with no body at all": head("POST /p HTTP/1.1"),
    "chunks and a trailer": head("POST /p HTTP/1.1", "Transfer-Encoding: chunked", "Trailer: X-Sum")
    + b"5\r\nhello\r\n1;x=y\r\n!\r\n0\r\nX-Sum: 6\r\n\r\n",
    "a GET with a body": head("GET /p HTTP/1.1", "Content-Length: 2") + b"hi",
    "1 MiB": head("PUT /p HTTP/1.1", "Content-Length: 1048576") + b"z" * 1048576,
    "a wish to be asked first": head("POST /p HTTP/1.1", "Content-Length: 2", "Expect: 100-continue") + b"ok",
    "another method": head("PROPFIND /x HTTP/1.1"),
    "OPTIONS of everything": head("OPTIONS * HTTP/1.1"),
    "an upgrade that nobody knows": head("GET / HTTP/1.1", "Connection: Upgrade", "Upgrade: h2c", "HTTP2-Settings: AA"),
    "another upgrade": head("GET / HTTP/1.1", "Connection: Upgrade", "Upgrade: foo"),
    "200 headers": head("GET / HTTP/1.1", *(f"X-{number}: 1" for number in range(200))),
    "CONNECT": f"CONNECT {HOST}:443 HTTP/1.1\r\nHost: {HOST}:443\r\n\r\n".encode(),
}  # fmt: skip

ANSWERS: dict[str, list[bytes]] = {
    "headers": [
        b"HTTP/1.1 200 Fine\r\nContent-Length: 0\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Case: Yes\r\n",
        b"Server: mine\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\nX-Empty:\r\nX-Byte: \xe9\r\n\r\n",
    ],
    "97 headers": [
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"
        + b"".join(b"X-%d: 1\r\n" % number for number in range(96))
        + b"\r\n"
    ],
    "101 headers": [
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"
        + b"".join(b"X-%d: 1\r\n" % number for number in range(101))
        + b"\r\n"
    ],
    "59 KiB of headers": [b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Long: " + b"a" * 59 * 1024 + b"\r\n\r\n"],
    "a status without a name": [b"HTTP/1.1 299\r\nContent-Length: 1\r\n\r\nx"],
    "no content": [b"HTTP/1.1 204 No Content\r\n\r\n"],
    "not modified": [b'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\nContent-Length: 7\r\n\r\n'],
    "chunks and a trailer": [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n",
        b"3\r\nabc\r\n",
        b"0\r\nX-Sum: 3\r\n\r\n",
    ],
    "as long as the connection": [b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", b"until the end", b""],
    "hints first": [b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", ANY_ANSWER],
    "the upgrade it would take": [
        b"HTTP/1.1 200 OK\r\nConnection: Upgrade\r\nUpgrade: h2,h2c\r\nContent-Length: 2\r\n\r\nok"
    ],
    "HTTP/1.0": [b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", b""],
    "a failure": [b"HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\noops"],
    "no HTTP": [b"hello\r\n\r\n", b""],
    "nothing": [b""],
}


async def heard(pair: CarriedPair, request: bytes) -> tuple[Heard, list[Heard]]:
    """The answer, and what the application heard."""
    pair.app.heard.clear()
    text = request.replace(b"{port}", str(pair.port).encode())
    answer = await pair.says(text, has_body=not text.startswith(b"HEAD "))
    answer = answer._replace(body=re.sub(rb"request_id: \w+", b"", answer.body))
    return answer.without(*VOLATILE), [one.without(*VOLATILE) for one in pair.app.heard]


async def test_no_request_shows_what_carries_it(pair: CarriedPair) -> None:
    pair.publish({SERVER: True}, asks=False)
    await pair.until_spoken("http1")
    over_http1 = {name: await heard(pair, request) for name, request in REQUESTS.items()}
    pair.publish({SERVER: True})
    await pair.until_spoken("http2")
    for name, request in REQUESTS.items():
        assert await heard(pair, request) == over_http1[name], name
    assert await pair.spoken() == "http2"


async def test_cookies_are_in_one_header(pair: CarriedPair) -> None:
    """Of several, which RFC 6265 does not allow a client, HTTP/2 makes one."""
    pair.publish({SERVER: True})
    await pair.until_spoken("http2")
    _, seen = await heard(pair, head("GET / HTTP/1.1", "Cookie: a=1", "Cookie: b=2"))
    assert ("cookie", "a=1; b=2") in seen[0].headers


async def test_no_answer_shows_what_carries_it(pair: CarriedPair) -> None:
    requests = (ANY_REQUEST, ANY_REQUEST.replace(b"GET", b"HEAD"))

    async def answers() -> dict[str, list[Heard]]:
        found = {}
        for name, pieces in ANSWERS.items():
            pair.app.answer = lambda _, pieces=pieces: pieces  # type: ignore[misc]
            found[name] = [(await heard(pair, request))[0] for request in requests]
        pair.app.answer = lambda _: [ANY_ANSWER]
        return found

    pair.publish({SERVER: True}, asks=False)
    await pair.until_spoken("http1")
    over_http1 = await answers()
    pair.publish({SERVER: True})
    await pair.until_spoken("http2")
    over_http2 = await answers()
    for name, expected in over_http1.items():
        assert over_http2[name] == expected, name


# --- connections that last --------------------------------------------------------------------------------------


async def _echo(request: web.Request) -> web.StreamResponse:
    if request.path.startswith("/refused"):
        return web.Response(status=int(request.path.rpartition("/")[2]), text="no")
    if request.path == "/endless":
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65536)
    if request.path != "/socket":
        return web.Response(text="ok")
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        await socket.send_str(f"you said {message.data}")
    return socket


@pytest.fixture
async def site(pair: CarriedPair) -> AsyncIterator[CarriedPair]:
    """The application is one of aiohttp."""
    await pair.close_app()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", _echo)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        await web.TCPSite(runner, APP, pair.port).start()
        yield pair
    finally:
        await runner.cleanup()


async def test_websockets_are_carried_too(site: CarriedPair) -> None:
    site.publish({SERVER: True})
    await site.until_spoken("http2")
    # Over HTTP/2 a 200 would be consent.
    for said, told in ((403, 403), (302, 302), (200, 502), (204, 502)):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await site.http.ws_connect(f"{site.url}/refused/{said}")
        assert refused.value.status == told
    before = await site.heard_requests()
    async with site.http.ws_connect(f"{site.url}/socket") as one, site.http.ws_connect(f"{site.url}/socket") as other:
        for text in ("hello", "x" * 100_000):
            for socket in (one, other):
                await socket.send_str(text)
                assert await socket.receive_str() == f"you said {text}"
        assert await site.heard_requests() - before == {"http2": 2}
        # What the node is asked to change leaves open sockets alone.
        site.publish({SERVER: True, APP: False})
        await site.until_spoken("http1")
        await one.send_str("still there")
        assert await one.receive_str() == "you said still there"


async def test_readers_that_stand_still_hold_up_nobody(site: CarriedPair) -> None:
    site.publish({SERVER: True})
    await site.until_spoken("http2")
    slow = [await asyncio.open_connection(CLIENT, site.port, limit=1024) for _ in range(60)]
    try:
        for _, writer in slow:
            writer.write(head("GET /endless HTTP/1.1"))
        for reader, _ in slow:
            await reader.readexactly(9)
        await asyncio.sleep(1)
        assert (await site.stats())["upstream_rq_active"] == len(slow)
        for _ in range(20):
            async with asyncio.timeout(60), site.http.get(f"{site.url}/") as answer:
                assert await answer.text() == "ok"
        assert (await site.stats())["upstream_cx_active"] == 1
    finally:
        for _, writer in slow:
            writer.transport.abort()


async def test_callers_that_hang_up_cost_others_nothing(site: CarriedPair) -> None:
    site.publish({SERVER: True})
    await site.until_spoken("http2")

    async def hang_up() -> None:
        _, writer = await asyncio.open_connection(CLIENT, site.port)
        writer.write(head("GET /endless HTTP/1.1"))
        await writer.drain()
        writer.transport.abort()

    async with site.http.ws_connect(f"{site.url}/socket") as socket:
        for _ in range(100):
            await asyncio.gather(*(hang_up() for _ in range(10)))
            async with site.http.get(f"{site.url}/") as answer:
                assert answer.status == 200
        await socket.send_str("hello")
        assert await socket.receive_str() == "you said hello"


# --- what is spoken with whom -----------------------------------------------------------------------------------


async def test_requests_go_to_each_pod_in_turn(pair: CarriedPair) -> None:
    pair.publish({SERVER: True, OTHER_SERVER: True})
    await pair.until_spoken("http2")
    before = await pair.requests_by_host()
    for _ in range(40):
        await pair.says(ANY_REQUEST)
    after = await pair.requests_by_host()
    assert {host: after[host] - before[host] for host in after} == {SERVER: 20, OTHER_SERVER: 20}


async def test_a_pod_without_sidecar_is_called_like_the_others(pair: CarriedPair) -> None:
    pair.publish({SERVER: True, APP: False})
    await pair.until_spoken("http1")
    before = await pair.requests_by_host()
    for _ in range(40):
        assert (await pair.says(ANY_REQUEST)).body == b"ok"
    after = await pair.requests_by_host()
    assert {host: after[host] - before[host] for host in after} == {SERVER: 20, APP: 20}


async def test_nothing_is_lost_while_pods_of_both_kinds_come_and_go(pair: CarriedPair) -> None:
    pair.publish({SERVER: True})
    await pair.until_spoken("http2")
    lost: list[str] = []
    sent = 0
    ends = asyncio.Event()

    async def call() -> None:
        nonlocal sent
        while not ends.is_set():
            sent += 1
            async with pair.http.get(f"{pair.url}/", headers={"X-Slow": str(sent % 2)}) as answer:
                if answer.status != 200 or await answer.text() != "ok":
                    lost.append(f"{answer.status} {answer.headers}")

    callers = [asyncio.create_task(call()) for _ in range(8)]
    stages: tuple[tuple[dict[str, bool], bool, str], ...] = (
        ({SERVER: True, APP: False}, True, "http1"),
        ({SERVER: True, OTHER_SERVER: True}, True, "http2"),
        ({OTHER_SERVER: True}, False, "http1"),
        ({SERVER: True}, True, "http2"),
    )
    for turn in range(50):
        if turn >= 5 and sent > 1000:
            break
        for pods, asks, protocol in stages:
            pair.publish(pods, asks=asks)
            await pair.until_heard(protocol)
    ends.set()
    await asyncio.gather(*callers)
    assert (lost, sent > 1000) == ([], True)


async def test_tls_settles_what_is_spoken(pair: CarriedPair, tmp_path: Path) -> None:
    pairs = Pairs(tmp_path / "pairs")
    tls = {"mode": "STRICT", "certificate": pairs.file("server")}
    pair.publish({SERVER: True}, tls=tls)
    await pair.until_spoken("http2")
    pair.publish({SERVER: True}, asks=False, tls=tls)
    await pair.until_spoken("http1")
