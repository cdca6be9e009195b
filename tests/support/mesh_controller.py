"""A mesh controller in a process of its own, which may be killed.

python -m tests.support.mesh_controller KUBECONFIG IDENTITY VERSION WEBHOOK_PORT ADS_PORT HEALTH_PORT
"""

import asyncio
import sys
from pathlib import Path

import crossfade


def run(kubeconfig: str, identity: str, version: str, *ports: str) -> None:
    """`version` is the one that it takes itself for."""
    crossfade.__version__ = version
    from crossfade.controller.mesh.role import run_mesh_role
    from crossfade.controller.mesh.settings import MeshSettings

    webhook_port, ads_port, health_port = map(int, ports)
    settings = MeshSettings(
        kubeconfig=Path(kubeconfig),
        identity=identity,
        host="127.0.0.1",
        webhook_port=webhook_port,
        ads_port=ads_port,
        health_port=health_port,
    )
    asyncio.run(run_mesh_role(settings))


if __name__ == "__main__":
    run(*sys.argv[1:])
