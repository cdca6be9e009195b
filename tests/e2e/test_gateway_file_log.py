"""file-log: what is answered is in the file, whatever becomes of the gateway, the disk and the file."""

import http.client
import json
import os
import signal
import stat
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.support.gateway import RunningGateway, eventually, ingress, running_gateway, service, upstream

PATIENCE_S: Final = 15.0
CLIENTS: Final = 8
ENOUGH: Final = 2000

pytestmark = [pytest.mark.envoy, pytest.mark.timeout(90)]


def plugin(config: Mapping[str, object]) -> str:
    return f"""\
apiVersion: configuration.konghq.com/v1
kind: KongClusterPlugin
metadata: {{name: file-log, labels: {{global: "true"}}, annotations: {{kubernetes.io/ingress.class: kong}}}}
plugin: file-log
config: {json.dumps(config)}
---
"""


@contextmanager
def logging(folder: Path, config: Mapping[str, object], **settings: str) -> Iterator[RunningGateway]:
    with upstream("web") as port:
        folder.mkdir()
        routes = service("web", port) + ingress("web", "/", "web")
        (folder / "all.yaml").write_text(routes + plugin(config))
        with running_gateway(folder, settings=settings) as gateway:
            yield gateway


class Client(threading.Thread):
    """Asks until nobody answers, and knows which answers it has read."""

    def __init__(self, port: int, number: int) -> None:
        super().__init__(daemon=True)
        self.answered: list[str] = []
        self._port, self._number = port, number

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE_S)
        try:
            while True:
                path = f"/{self._number}/{len(self.answered)}"
                connection.request("GET", path)
                answer = connection.getresponse()
                answer.read()
                assert answer.status == 200
                self.answered.append(path)
        except (OSError, http.client.HTTPException):
            return


def proxies(gateway: RunningGateway) -> list[int]:
    """The gateway's Envoy."""
    names = {pid: Path(f"/proc/{pid}/comm").read_text().strip() for pid in gateway.children()}
    return [pid for pid, name in names.items() if name == "envoy"]


def test_what_was_answered_is_in_the_file_when_the_proxy_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log.json"
    with logging(tmp_path / "manifests", {"path": str(log)}, KONG_NGINX_WORKER_PROCESSES="2") as gateway:
        clients = [Client(gateway.port, number) for number in range(CLIENTS)]
        for client in clients:
            client.start()
        eventually(lambda: sum(len(client.answered) for client in clients) > ENOUGH, within_s=PATIENCE_S * 2)
        for pid in proxies(gateway):
            os.kill(pid, signal.SIGKILL)
        for client in clients:
            client.join(PATIENCE_S)
        written = {json.loads(line)["request"]["uri"] for line in log.read_bytes().split(b"\n") if line}
    answered = {path for client in clients for path in client.answered}
    assert len(answered) > ENOUGH
    assert answered - written == set()


def test_a_full_disk_a_missing_folder_and_a_pipe_without_reader_touch_no_request(tmp_path: Path) -> None:
    pipe = tmp_path / "a-pipe"
    os.mkfifo(pipe)
    for name, path, reason in (
        ("full", "/dev/full", "No space left on device"),
        ("no-folder", str(tmp_path / "missing" / "log"), "No such file or directory"),
        ("pipe", str(pipe), "No such device or address"),
    ):
        with logging(tmp_path / name, {"path": path}) as gateway:
            for _ in range(30):
                assert gateway.get("/").status == 200
            seen = [line for line in gateway.lines if "[file-log]" in line]
            eventually(lambda: told(gateway), within_s=PATIENCE_S, seen=gateway.lines)
            (line,) = told(gateway)
            assert path in line, seen
            assert reason in line


def told(gateway: RunningGateway) -> list[str]:
    return [line for line in gateway.lines if "[file-log]" in line]


def test_a_file_that_is_moved_away_is_made_anew(tmp_path: Path) -> None:
    log = tmp_path / "log.json"
    with logging(tmp_path / "manifests", {"path": str(log)}) as gateway:
        assert gateway.get("/before").status == 200
        log.rename(tmp_path / "log.1")

        def is_there() -> bool:
            gateway.get("/after")
            return log.exists()

        eventually(is_there, within_s=PATIENCE_S)
        eventually(lambda: "/after" in log.read_text(), within_s=PATIENCE_S)
    assert '"/before"' in (tmp_path / "log.1").read_text()
    assert stat.S_IMODE(log.stat().st_mode) & 0o077 == 0o044


def test_headers_full_of_markup_and_control_characters_are_one_line_of_json(tmp_path: Path) -> None:
    log = tmp_path / "log.json"
    hostile = "<script>alert('\t\"\\')</script>\xff\x80\u00e9"
    with logging(tmp_path / "manifests", {"path": str(log)}) as gateway:
        connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=PATIENCE_S)
        connection.putrequest("GET", "/%0a%00?x=%0d%0a<b>", skip_accept_encoding=True)
        connection.putheader("X-Hostile", hostile.encode("latin-1"))
        connection.endheaders()
        connection.getresponse().read()
        eventually(lambda: log.exists() and log.read_bytes().endswith(b"\n"), within_s=PATIENCE_S)
    (line,) = log.read_bytes().splitlines()
    record = json.loads(line)
    assert record["request"]["headers"]["x-hostile"].startswith("<script>alert('\t\"\\')</script>")
    assert record["request"]["querystring"] == {"x": "\r\n<b>"}
