"""Reads what an embedded cluster calls ready, over and over from the first answer of its API server on."""

import contextlib
import json
import ssl
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

PATHS = {
    "pod": "/api/v1/namespaces/default/pods",
    "deployment": "/apis/apps/v1/namespaces/default/deployments",
    "slice": "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices",
}


class ReadinessWatcher:
    """`too_early` has what was called ready while nothing ran."""

    def __init__(self, api_port: int, pki: Path, runs: Callable[[], bool]) -> None:
        self.too_early: list[str] = []
        self.was_unready = False
        self.answers = 0
        self._url = f"https://127.0.0.1:{api_port}"
        self._context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
        self._context.load_cert_chain(pki / "admin.crt", pki / "admin.key")
        self._runs = runs

    def look(self) -> None:
        for kind, path in PATHS.items():
            try:
                with urllib.request.urlopen(self._url + path, timeout=10, context=self._context) as answer:
                    items = json.load(answer)["items"]
            except OSError:
                continue
            self.answers += 1
            ready = [item["metadata"]["name"] for item in items if is_ready(kind, item)]
            self.was_unready |= bool(items) and not ready
            # Asked afterwards: what is ready runs since before.
            if ready and not self._runs():
                self.too_early += [f"{kind} {name}" for name in ready]


def is_ready(kind: str, item: dict[str, Any]) -> bool:
    if item["metadata"]["name"].startswith("kubernetes"):
        return False
    if kind == "slice":
        return any((one.get("conditions") or {}).get("ready") for one in item.get("endpoints") or ())
    wanted = "Ready" if kind == "pod" else "Available"
    status = item.get("status") or {}
    conditions = {one["type"]: one["status"] for one in status.get("conditions") or ()}
    return conditions.get(wanted) == "True" or bool(status.get("readyReplicas"))


@contextlib.contextmanager
def watched_readiness(api_port: int, pki: Path, *, runs: Callable[[], bool]) -> Iterator[ReadinessWatcher]:
    """`runs` says whether the pods' programs do."""
    watcher = ReadinessWatcher(api_port, pki, runs)
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.01):
            watcher.look()

    thread = threading.Thread(target=watch, name="readiness")
    thread.start()
    try:
        yield watcher
    finally:
        ended.set()
        thread.join()
