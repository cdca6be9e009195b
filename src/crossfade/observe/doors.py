"""Whom to ask: a gateway of this machine, or the control planes of a cluster."""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from crossfade.observe.places import Cluster, Door
from crossfade.observe.sockets import chosen_socket


@asynccontextmanager
async def opened(kubeconfig: Path | None, pid: int | None) -> AsyncIterator[Sequence[Door]]:
    """Raises NoGateway, ClusterFailed and OSError."""
    if kubeconfig is None:
        path = chosen_socket(os.environ, pid)
        yield [Door(f"the gateway {path.stem}", socket=str(path))]
        return
    async with Cluster(kubeconfig).doors() as doors:
        yield doors
