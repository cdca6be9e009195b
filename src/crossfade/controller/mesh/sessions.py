"""Which proxies are connected to any of the mesh's controllers: each tells the others at the port of its health.

It tells digests of names. Who may reach that port may not learn from it what runs where.
"""

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Final

import aiohttp

from crossfade_kube.client import Client
from crossfade_kube.errors import KubeError, NotFound
from crossfade_kube.logging import EventLog
from crossfade_kube.meta import JsonObject
from crossfade_kube.resources import POD

PATH: Final = "/connected-proxies"
_TIMEOUT: Final = aiohttp.ClientTimeout(total=5)
# 200 000 proxies; what says more is no controller.
_MOST_BYTES: Final = 4 << 20
# A ReplicaSet's own; the pods of the one that is being rolled out have another.
_REVISION: Final = "pod-template-hash"


def digest(node: str) -> str:
    return blake2b(node.encode(), digest_size=8).hexdigest()


def page(connected: Mapping[str, Iterable[str]]) -> str:
    """By proxy's key, the nodes that are connected: a line for each."""
    return "".join(f"{digest(node)}\n" for nodes in connected.values() for node in nodes)


class OtherControllers:
    """Those of the same Deployment, found as pods with the same labels."""

    def __init__(self, client: Client, *, namespace: str, pod: str, port: int, log: EventLog) -> None:
        """`pod` is this controller's own name; where there is no such pod it is alone."""
        self._client = client
        self._namespace = namespace
        self._pod = pod
        self._port = port
        self._log = log
        self._problem = ""

    async def connected(self) -> frozenset[str] | None:
        """Digests of the nodes that are connected to them; None where one of them does not say."""
        try:
            found = [await self._asked(address) for address in await self._addresses()]
        except (KubeError, aiohttp.ClientError, OSError, ValueError) as exc:
            self._tell(exc)
            return None
        self._problem = ""
        return frozenset().union(*found)

    async def _addresses(self) -> list[str]:
        try:
            own = await self._client.get(POD, self._pod, namespace=self._namespace)
        except NotFound:
            return []
        labels: dict[str, str] = own["metadata"].get("labels") or {}
        wanted = ",".join(f"{key}={value}" for key, value in sorted(labels.items()) if key != _REVISION)
        if not wanted:
            return []
        pods = (await self._client.list(POD, namespace=self._namespace, label_selector=wanted)).items
        return [pod["status"]["podIP"] for pod in pods if pod["metadata"]["name"] != self._pod and _serves(pod)]

    async def _asked(self, address: str) -> frozenset[str]:
        host = f"[{address}]" if ":" in address else address
        url = f"http://{host}:{self._port}{PATH}"
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as http, http.get(url, allow_redirects=False) as answer:
            answer.raise_for_status()
            content = await answer.content.read(_MOST_BYTES + 1)
            while len(content) <= _MOST_BYTES and (more := await answer.content.read(_MOST_BYTES + 1 - len(content))):
                content += more
        if len(content) > _MOST_BYTES:
            raise ValueError(f"{url} says more than {_MOST_BYTES} bytes")
        return frozenset(content.decode("ascii").split())

    def _tell(self, exc: Exception) -> None:
        """Once for each problem."""
        text = str(exc) or type(exc).__name__
        if text != self._problem:
            self._problem = text
            effect = "proxies that are not connected here are not missed until it answers"
            self._log.warning("controllers.not_asked", effect=effect, reason=text)


def _serves(pod: JsonObject) -> bool:
    """One that ends, or is not running, serves no proxy that would not look for another soon."""
    status: JsonObject = pod.get("status") or {}
    return bool(
        status.get("podIP") and status.get("phase") == "Running" and not pod["metadata"].get("deletionTimestamp")
    )
