"""Pods that are asked for again and again, while something happens to who injects them; none is made."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from crossfade_kube.client import Client
from crossfade_kube.errors import KubeError
from crossfade_kube.kubeconfig import load_kubeconfig
from crossfade_kube.paths import path_of
from crossfade_kube.resources import POD

Json = dict[str, Any]
_PAUSE_S: Final = 0.02


class Admissions:
    """`lost` are refusals by what was said, and pods without sidecar."""

    def __init__(self) -> None:
        self.sent = 0
        self.lost: Counter[str] = Counter()

    def note(self, pod: Json) -> None:
        spec = pod["spec"]
        names = {one["name"] for one in (*(spec.get("initContainers") or ()), *spec["containers"])}
        if "envoy" not in names:
            self.lost["no sidecar"] += 1


@contextmanager
def pods_admitted(kubeconfig: Path, namespace: str, labels: dict[str, str]) -> Iterator[Admissions]:
    """Counts until left, one after the other."""
    admissions, stop = Admissions(), threading.Event()
    asking = threading.Thread(
        target=lambda: asyncio.run(_ask(kubeconfig, namespace, labels, admissions, stop)), daemon=True
    )
    asking.start()
    try:
        yield admissions
    finally:
        stop.set()
        asking.join(timeout=60)
    assert not asking.is_alive()


async def _ask(
    kubeconfig: Path, namespace: str, labels: dict[str, str], admissions: Admissions, stop: threading.Event
) -> None:
    pod = {"metadata": {"generateName": "asked-", "namespace": namespace, "labels": labels}}
    body = {**pod, "apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "app", "image": "x"}]}}
    path = path_of(POD, namespace=namespace)
    async with Client(load_kubeconfig(kubeconfig), user_agent="test") as client:
        while not stop.is_set():
            begun = time.monotonic()
            try:
                admissions.note(await client.request("POST", path, body=body, query={"dryRun": "All"}))
            except KubeError as exc:
                admissions.lost[str(exc)] += 1
            admissions.sent += 1
            await asyncio.sleep(max(0.0, _PAUSE_S - (time.monotonic() - begun)))
