"""pre-function and post-function at a real Envoy: the examples of their pages, and functions that want too much."""

import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer

import pytest

from tests.support.gateway import RunningGateway, eventually, ingress, running_gateway, service, upstream
from tests.support.serving import serving

pytestmark = pytest.mark.envoy

POLICIES = Path(__file__).resolve().parents[2] / "src" / "crossfade" / "compile" / "policies"
PLUGIN = """\
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {{name: {name}}}
plugin: {plugin}
config: {config}
---
"""
FUNCTIONS = {
    "endless": ("pre-function", {"access": ["while true do pcall(function() while true do end end) end"]}),
    "greedy": ("pre-function", {"access": ["local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1000) .. i end"]}),
    "failing": ("pre-function", {"header_filter": ["kong.response.clear_header('Server') error('late')"]}),
    "rewriting": ("post-function", {"body_filter": ["ngx.arg[1] = ngx.arg[1]:upper() .. ngx.status"]}),
    "replacing": ("post-function", {"header_filter": ["kong.response.exit(418, {tea = true}, {['X-Pot'] = 'yes'})"]}),
    "counting": (
        "pre-function",
        {"access": ["local n = 0 return function() n = n + 1 kong.response.exit(200, tostring(n)) end"]},
    ),
    "logging": (
        "post-function",
        {"log": ["kong.log.err('ended with ', kong.response.get_status(), ' for ', kong.request.get_path())"]},
    ),
}


def example(plugin: str) -> str:
    """What the plugin's page shows, in the namespace of the tests."""
    readme = (POLICIES / plugin.replace("-", "_") / "README.md").read_text()
    found = re.search(r"```yaml\n(.*?)```", readme, re.DOTALL)
    assert found is not None
    return found.group(1).replace(", namespace: shop", "") + "---\n"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    folder = tmp_path_factory.mktemp("functions")
    with upstream("the secret web") as port:
        parts = [service("web", port), example("pre-function"), example("post-function")]
        parts += [
            PLUGIN.format(name=name, plugin=plugin, config=config) for name, (plugin, config) in FUNCTIONS.items()
        ]
        for name in ("region", "greeting", *FUNCTIONS):
            parts.append(ingress(name, f"/{name}", "web", f'konghq.com/plugins: "{name}"'))
        parts.append(ingress("both", "/both", "web", 'konghq.com/plugins: "region, rewriting"'))
        (folder / "all.yaml").write_text("".join(parts))
        with running_gateway(folder) as running:
            yield running


def test_the_examples_do_as_they_say(gateway: RunningGateway) -> None:
    right = gateway.get("/region?region=us")
    assert (right.status, right.headers["X-Region"]) == (200, "us")
    wrong = gateway.get("/region?region=moon")
    assert (wrong.status, wrong.body, wrong.headers["X-Region"]) == (400, '{"message":"unknown region"}', "none")
    assert gateway.get("/greeting").body == "the ****** web"


@pytest.mark.parametrize("name", ["endless", "greedy"])
def test_what_a_function_takes_has_bounds(gateway: RunningGateway, name: str) -> None:
    started = time.monotonic()
    answer = gateway.get(f"/{name}")
    assert (answer.status, answer.body) == (500, '{"message":"An unexpected error occurred"}')
    assert time.monotonic() - started < 5
    assert gateway.get("/both").status == 200


def test_nothing_is_shown_of_a_response_on_which_a_function_failed(gateway: RunningGateway) -> None:
    answer = gateway.get("/failing")
    assert answer.status == 500
    assert "An unexpected error occurred" in answer.body
    assert "web" not in answer.body


def test_responses_are_rewritten_and_replaced(gateway: RunningGateway) -> None:
    assert gateway.get("/rewriting").body == "THE SECRET WEB200"
    assert gateway.get("/both?region=x").body == '{"MESSAGE":"UNKNOWN REGION"}400'
    answer = gateway.get("/replacing")
    assert (answer.status, answer.body, answer.headers["X-Pot"]) == (418, '{"tea":true}', "yes")


def test_variables_stay(gateway: RunningGateway) -> None:
    assert [gateway.get("/counting").body for _ in range(3)] == ["1", "2", "3"]


def test_functions_log(gateway: RunningGateway) -> None:
    gateway.get("/logging/it")
    eventually(
        lambda: any("[post-function] ended with 200 for /logging/it" in line for line in gateway.lines),
        seen=gateway.lines,
    )


def test_nothing_of_a_client_follows_a_body_that_a_function_has_set(tmp_path: Path) -> None:
    """Behind the new body's length it would be the next request to the upstream, which no policy has seen."""
    seen: list[bytes] = []

    class Reader(BaseRequestHandler):
        def handle(self) -> None:
            self.request.settimeout(0.5)
            received = b""
            try:
                while part := self.request.recv(1 << 16):
                    received += part
            except TimeoutError:
                self.request.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            seen.append(received)

    hidden = b"GET /admin HTTP/1.1\r\nHost: x\r\n\r\n"
    requests = (
        (b"Content-Length: %d\r\n\r\n" % len(hidden), hidden),
        (b"Transfer-Encoding: chunked\r\n\r\n", b"%x\r\n%b\r\n0\r\n\r\n" % (len(hidden), hidden)),
        (b"Content-Length: 700000\r\n\r\n", b"z" * 700_000),
        (b"Connection: upgrade\r\nUpgrade: websocket\r\n\r\n", hidden),
    )
    server = ThreadingTCPServer(("127.0.0.1", 0), Reader)
    server.daemon_threads = True
    sets = PLUGIN.format(
        name="sets", plugin="post-function", config={"access": ["kong.service.request.set_raw_body('ours')"]}
    )
    route = ingress("sets", "/sets", "web", "konghq.com/plugins: sets")
    (tmp_path / "all.yaml").write_text(service("web", server.server_address[1]) + sets + route)
    with serving(server), running_gateway(tmp_path) as gateway:
        for head, body in requests:
            with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as client:
                client.sendall(b"POST /sets HTTP/1.1\r\nHost: a.test\r\n" + head + body)
                assert client.recv(1 << 16).startswith(b"HTTP/1.1 ")
    told = [received.partition(b"\r\n\r\n") for received in seen]
    assert [body for _, _, body in told[:3]] == [b"ours"] * 3
    assert all(b"content-length: 4" in head for head, _, _ in told[:3])
    assert not any(b"content-length" in head for head, _, _ in told[3:])
