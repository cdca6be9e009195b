"""A node that only pretends: it calls pods that are bound to it Running and Ready, and lets deleted ones go.

Pods whose image contains "broken" never become Ready.
`python -m tests.support.fake_kubelet --kubeconfig FILE` runs it beside a server.
"""

import argparse
import asyncio
import contextlib
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

from crossfade_kube.client import Client
from crossfade_kube.errors import AlreadyExists, KubeError, NotFound
from crossfade_kube.kubeconfig import load_kubeconfig
from crossfade_kube.meta import NamespacedName
from crossfade_kube.resources import NODE, POD
from crossfade_local.controllers.informers import Informers
from crossfade_local.controllers.objects import is_being_deleted, key_of, stamp
from crossfade_local.controllers.reconciler import Reconciler

NODE_NAME = "fake-node"
CAPACITY = {"cpu": "8", "memory": "16Gi", "pods": "1000"}
Json = dict[str, Any]


class FakeKubelet:
    def __init__(self, client: Client) -> None:
        self._client = client
        self._informers = Informers(client)
        self._pods = self._informers.of(POD)
        self._addresses = count(2)
        self._reconciler: Reconciler[NamespacedName] = Reconciler("fake-kubelet", self._reconcile)
        self._pods.on_change(lambda _, after: self._reconciler.queue.add(key_of(after)) if after else None)

    async def run(self) -> None:
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE_NAME}, "status": {"capacity": CAPACITY}}
        with contextlib.suppress(AlreadyExists):
            await self._client.create(NODE, node)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._informers.run())
            tasks.create_task(self._reconciler.run())

    async def _reconcile(self, key: NamespacedName) -> None:
        pod = self._pods.get(key)
        if pod is None:
            return
        node = pod["spec"].get("nodeName")
        if is_being_deleted(pod):
            if node and not pod["metadata"].get("finalizers"):
                with contextlib.suppress(NotFound):
                    await self._client.delete(POD, key.name, namespace=key.namespace, grace_period_s=0)
        elif node == NODE_NAME and (pod.get("status") or {}).get("phase", "Pending") == "Pending":
            await self._client.patch(POD, key.name, self._status(pod), namespace=key.namespace, subresource="status")

    def _status(self, pod: Json) -> Json:
        containers = pod["spec"]["containers"]
        is_broken = any("broken" in container.get("image", "") for container in containers)
        now = stamp(datetime.now(UTC))
        known = {"PodScheduled": "True", "Initialized": "True"}
        known |= dict.fromkeys(("ContainersReady", "Ready"), "False" if is_broken else "True")
        states = [
            {
                "name": container["name"],
                "image": container.get("image", ""),
                "imageID": "",
                "ready": not is_broken,
                "started": not is_broken,
                "restartCount": 0,
                "state": {"waiting": {"reason": "Broken"}} if is_broken else {"running": {"startedAt": now}},
            }
            for container in containers
        ]
        address = (pod.get("status") or {}).get("podIP") or "10.244.{}.{}".format(*divmod(next(self._addresses), 250))
        conditions = [{"type": key, "status": value, "lastTransitionTime": now} for key, value in known.items()]
        return {
            "status": {
                "phase": "Running",
                "podIP": address,
                "podIPs": [{"ip": address}],
                "hostIP": "10.0.0.1",
                "startTime": now,
                "conditions": conditions,
                "containerStatuses": states,
            }
        }


async def main(kubeconfig: Path) -> None:
    async with Client(load_kubeconfig(kubeconfig), user_agent="fake-kubelet") as client:
        with contextlib.suppress(KubeError):
            await FakeKubelet(client).run()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, required=True)
    asyncio.run(main(parser.parse_args().kubeconfig))
