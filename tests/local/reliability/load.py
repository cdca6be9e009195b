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
    """Creates config maps, one after the other, and deletes one of five; keeps what the server confirmed."""

    PATH = "/api/v1/namespaces/default/configmaps"

    def __init__(self, api: Api) -> None:
        self.acknowledged: set[str] = set()
        self._deleted: set[str] = set()
        self._doubtful: set[str] = set()
        """Their deletion was asked for and not confirmed."""
        self._api = api

    def work(self, ended: threading.Event) -> None:
        for number in itertools.count():
            if ended.wait(_PAUSE_S):
                return
            name = f"written-{number}"
            if self._status("POST", self.PATH, {"metadata": {"name": name}}) == 201:
                self.acknowledged.add(name)
                if number % 5 == 0:
                    found = self._deleted if self._status("DELETE", f"{self.PATH}/{name}") == 200 else self._doubtful
                    found.add(name)

    def lost(self) -> set[str]:
        """Creations and deletions that were confirmed and did not last."""
        status, answer = self._api.send("GET", self.PATH)
        assert status == 200, answer
        stored = {item["metadata"]["name"] for item in answer["items"]}
        return (self.acknowledged - self._deleted - self._doubtful - stored) | (self._deleted & stored)

    def _status(self, method: str, path: str, body: object = None) -> int | None:
        """None without an answer."""
        try:
            return self._api.send(method, path, body)[0]
        except (OSError, http.client.HTTPException, ValueError):
            return None


class Traffic:
    """Asks one address over and over; `failures` are the times at which it did not answer."""

    def __init__(self, url: str, host: str = "") -> None:
        self.answered = 0
        self.failures: list[float] = []
        self._url = url
        self._host = host

    def work(self, ended: threading.Event) -> None:
        while not ended.wait(_PAUSE_S):
            began = time.monotonic()
            if answers(self._url, self._host):
                self.answered += 1
            else:
                self.failures.append(began)

    def failed_between(self, begin: float, end: float) -> list[float]:
        return [moment for moment in self.failures if begin <= moment <= end]


def answers(url: str, host: str = "") -> bool:
    request = urllib.request.Request(url, headers={"Host": host} if host else {})
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:
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
