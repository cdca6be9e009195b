"""`python -m crossfade_local.controllers --kubeconfig FILE`: the controllers alone, against any server, for tests."""

import argparse
import asyncio
import contextlib
from pathlib import Path

from crossfade_kube.client import Client
from crossfade_kube.kubeconfig import load_kubeconfig
from crossfade_kube.logging import configure
from crossfade_local.certificate_requests import Authority
from crossfade_local.controllers.run import run_controllers
from crossfade_local.local_volumes import LocalVolumes


async def _main(kubeconfig: Path, volumes: Path, node: str) -> None:
    async with Client(load_kubeconfig(kubeconfig), user_agent="kube-controller-manager") as client:
        await run_controllers(
            client, volumes=LocalVolumes(volumes), node=node, authority=Authority(kubeconfig.parent / "pki")
        )


if __name__ == "__main__":
    configure()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument(
        "--volumes", type=Path, help="where claims get their directories; beside the kubeconfig if not given"
    )
    parser.add_argument("--node", default="crossfade", help="the name of the node that has them")
    arguments = parser.parse_args()
    volumes: Path = arguments.volumes or arguments.kubeconfig.parent / "volumes"
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_main(arguments.kubeconfig, volumes, arguments.node))
