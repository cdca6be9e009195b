"""A mesh controller in a process of its own, which may be killed.

python -m tests.support.mesh_controller KUBECONFIG IDENTITY WEBHOOK_PORT ADS_PORT HEALTH_PORT
"""

import asyncio
import sys
from pathlib import Path

from crossfade.controller.mesh.role import run_mesh_role
from crossfade.controller.mesh.settings import MeshSettings

if __name__ == "__main__":
    webhook_port, ads_port, health_port = map(int, sys.argv[3:])
    settings = MeshSettings(
        kubeconfig=Path(sys.argv[1]),
        identity=sys.argv[2],
        host="127.0.0.1",
        webhook_port=webhook_port,
        ads_port=ads_port,
        health_port=health_port,
    )
    asyncio.run(run_mesh_role(settings))
