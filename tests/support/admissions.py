"""Objects that are asked for again and again, while something happens to who admits them; none is made."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final

from crossfade_kube.client import Client
from crossfade_kube.errors import KubeError
from crossfade_kube.kubeconfig import load_kubeconfig

Json = dict[str, Any]
Judge = Callable[[Json | KubeError], str]
"""What is wrong with the object that was admitted, or with the refusal; nothing if it is as it should be."""
_PAUSE_S: Final = 0.02
KONG_PLUGINS: Final = "/apis/configuration.konghq.com/v1/namespaces/{namespace}/kongplugins"


class Admissions:
    """`lost` are those that were not answered as they should, by what was wrong."""

    def __init__(self) -> None:
        self.sent = 0
        self.lost: Counter[str] = Counter()


def pods_admitted(kubeconfig: Path, namespace: str, labels: dict[str, str]) -> AbstractContextManager[Admissions]:
    """Each must be admitted and get a sidecar."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": "asked-", "labels": labels},
        "spec": {"containers": [{"name": "app", "image": "x"}]},
    }
    return _asked(kubeconfig, f"/api/v1/namespaces/{namespace}/pods", pod, _has_sidecar)


def plugins_refused(kubeconfig: Path, namespace: str) -> AbstractContextManager[Admissions]:
    """A plugin that Kong's webhook refuses: where it is not asked, nobody would."""
    plugin = {
        "apiVersion": "configuration.konghq.com/v1",
        "kind": "KongPlugin",
        "metadata": {"generateName": "asked-"},
        "plugin": "key-auth",
        "config": {"key_names": 7},
    }
    return _asked(kubeconfig, KONG_PLUGINS.format(namespace=namespace), plugin, _is_refused)


def _has_sidecar(answer: Json | KubeError) -> str:
    if isinstance(answer, KubeError):
        return str(answer)
    spec = answer["spec"]
    names = {one["name"] for one in (*(spec.get("initContainers") or ()), *spec["containers"])}
    return "" if "envoy" in names else "no sidecar"


def _is_refused(answer: Json | KubeError) -> str:
    if isinstance(answer, KubeError):
        return "" if "key_names" in str(answer) else str(answer)
    return "taken unchecked"


@contextmanager
def _asked(kubeconfig: Path, path: str, body: Json, judge: Judge) -> Iterator[Admissions]:
    """Counts until left, one after the other."""
    admissions, stop = Admissions(), threading.Event()
    asking = threading.Thread(
        target=lambda: asyncio.run(_ask(kubeconfig, path, body, judge, admissions, stop)), daemon=True
    )
    asking.start()
    try:
        yield admissions
    finally:
        stop.set()
        asking.join(timeout=60)
    assert not asking.is_alive()


async def _ask(
    kubeconfig: Path, path: str, body: Json, judge: Judge, admissions: Admissions, stop: threading.Event
) -> None:
    async with Client(load_kubeconfig(kubeconfig), user_agent="test") as client:
        while not stop.is_set():
            begun = time.monotonic()
            answer: Json | KubeError
            try:
                answer = await client.request("POST", path, body=body, query={"dryRun": "All"})
            except KubeError as exc:
                answer = exc
            if wrong := judge(answer):
                admissions.lost[wrong] += 1
            admissions.sent += 1
            await asyncio.sleep(max(0.0, _PAUSE_S - (time.monotonic() - begun)))
