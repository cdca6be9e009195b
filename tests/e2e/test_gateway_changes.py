"""No request is lost while the gateway's configuration changes: routes, Services, timeouts."""

import http.client
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import pytest

from tests.support.gateway import RunningGateway, eventually, ingress, running_gateway, service, upstream

pytestmark = pytest.mark.envoy

CHANGES = 12


class Traffic:
    """Asks for a path over and over on kept connections; counts the answers by status and body."""

    def __init__(self, port: int, path: str) -> None:
        self.answers: Counter[tuple[int, str]] = Counter()
        self._port = port
        self._path = path
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def _ask(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        while not self._is_over.is_set():
            try:
                connection.request("GET", self._path)
                answer = connection.getresponse()
                self.answers[answer.status, answer.read().decode()] += 1
            except (OSError, http.client.HTTPException) as error:
                self.answers[0, repr(error)] += 1
                connection.close()
        connection.close()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()


@contextmanager
def gateway(folder: Path, port: int) -> Iterator[RunningGateway]:
    (folder / "shop.yaml").write_text(service("web", port) + ingress("shop", "/shop", "web"))
    with running_gateway(folder) as running:
        eventually(lambda: running.get("/shop").status == 200)
        yield running


def replaced(folder: Path, name: str, content: str) -> None:
    draft = folder / f".{name}"
    draft.write_text(content)
    draft.rename(folder / name)


def another_route(number: int, port: int) -> str:
    return service("web", port) + ingress("shop", "/shop", "web") + ingress("x", f"/x{number}", "web")


def another_service(number: int, port: int) -> str:
    fresh = f"w{number}"
    routes = ingress("shop", "/shop", fresh) + ingress("x", f"/x{number}", "web")
    return service("web", port) + service(fresh, port) + routes


def other_timeouts(number: int, port: int) -> str:
    annotations = f"annotations: {{konghq.com/read-timeout: '{10_000 + number}'}}"
    web = service("web", port).replace("name: web}", f"name: web, {annotations}}}", 1)
    return web + ingress("shop", "/shop", "web") + ingress("x", f"/x{number}", "web")


@pytest.mark.parametrize("change", [another_route, another_service, other_timeouts])
def test_no_request_is_lost_while_things_change(tmp_path: Path, change: Callable[[int, int], str]) -> None:
    with upstream("ok") as port, gateway(tmp_path, port) as running, Traffic(running.port, "/shop") as traffic:
        for number in range(CHANGES):
            replaced(tmp_path, "shop.yaml", change(number, port))
            eventually(lambda path=f"/x{number}": running.get(path).status == 200)  # type: ignore[misc]
        seen = sum(traffic.answers.values())
        eventually(lambda: sum(traffic.answers.values()) > seen + 50)
    assert set(traffic.answers) == {(200, "ok")}, traffic.answers
