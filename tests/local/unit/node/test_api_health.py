"""What counts as an answer of the API server."""

import http.server
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from crossfade_local.api_health import api_state
from tests.support.certificates import self_signed


@contextmanager
def api(folder: Path, status: int, text: str = "ok") -> Iterator[int]:
    """A TLS server whose certificate is `folder/ca.crt`; gives its port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/readyz" else 404)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the inherited name
            pass

    made = self_signed("127.0.0.1")
    (folder / "ca.crt").write_text(made.certificate)
    (folder / "server.pem").write_text(made.certificate + made.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.handle_request)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "text", "expected"),
    [
        (200, "ok", ""),
        (500, "[-]state failed: disk is full\n", "disk is full"),
        (503, "", "it answers 503"),
    ],
)
def test_what_an_answer_says(tmp_path: Path, status: int, text: str, expected: str) -> None:
    with api(tmp_path, status, text) as port:
        assert api_state(port, authority=tmp_path / "ca.crt", within_s=5.0) == expected


def test_another_server_on_the_port_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "ca.crt").write_text(self_signed("127.0.0.1").certificate)
    with api(tmp_path, 200) as port:
        assert api_state(port, authority=tmp_path / "other" / "ca.crt", within_s=5.0) is None


def test_silence_ends_in_time(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text(self_signed("127.0.0.1").certificate)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        assert api_state(silent.getsockname()[1], authority=tmp_path / "ca.crt", within_s=0.05) is None
        assert time.monotonic() - started < 2


def test_nobody_there(tmp_path: Path) -> None:
    assert api_state(1, authority=tmp_path / "none", within_s=0.05) is None
