"""What goes on while processes are killed: writes whose acknowledgements are kept, and traffic that is counted."""

import contextlib
import http.client
import itertools
import json
import ssl
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_PAUSE_S = 0.02
_TIMEOUT_S = 5.0


class Api:
    """The API server on its port of the host, as the administrator."""

    def __init__(self, port: int, pki: Path) -> None:
        self._port = port
        self._context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
        self._context.load_cert_chain(pki / "admin.crt", pki / "admin.key")

    def send(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Raises OSError and HTTPException."""
        connection = http.client.HTTPSConnection("127.0.0.1", self._port, timeout=_TIMEOUT_S, context=self._context)
        with contextlib.closing(connection):
            data = json.dumps(body) if body is not None else None
            connection.request(method, path, data, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())


class Writer:
    """Creates config maps, one after the other; `acknowledged` has the names of those that the server confirmed."""

    PATH = "/api/v1/namespaces/default/configmaps"

    def __init__(self, api: Api) -> None:
        self.acknowledged: set[str] = set()
        self._api = api

    def work(self, ended: threading.Event) -> None:
        for number in itertools.count():
            if ended.wait(_PAUSE_S):
                return
            name = f"written-{number}"
            with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
                status, _ = self._api.send("POST", self.PATH, {"metadata": {"name": name}})
                if status == 201:
                    self.acknowledged.add(name)

    def lost(self) -> set[str]:
        status, answer = self._api.send("GET", self.PATH)
        assert status == 200, answer
        return self.acknowledged - {item["metadata"]["name"] for item in answer["items"]}


class Traffic:
    """Asks one address over and over; `failures` are the times at which it did not answer."""

    def __init__(self, url: str) -> None:
        self.answered = 0
        self.failures: list[float] = []
        self._url = url

    def work(self, ended: threading.Event) -> None:
        while not ended.wait(_PAUSE_S):
            began = time.monotonic()
            if answers(self._url):
                self.answered += 1
            else:
                self.failures.append(began)

    def failed_between(self, begin: float, end: float) -> int:
        return sum(begin <= moment <= end for moment in self.failures)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:
            return bool(answer.status == 200)
    except (OSError, http.client.HTTPException):
        return False


@contextlib.contextmanager
def at_work(*workers: Writer | Traffic) -> Iterator[None]:
    ended = threading.Event()
    threads = [threading.Thread(target=worker.work, args=[ended], daemon=True) for worker in workers]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()
