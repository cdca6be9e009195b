"""Whom to ask for records of requests: a gateway of this machine, or the control planes of a cluster."""

import argparse
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from crossfade.observe.door import Door


class Watched(NamedTuple):
    """`named` gives query parameters for a kind, name and namespace of the cluster; raises ClusterFailed."""

    doors: "Sequence[Door]"
    named: Callable[[str, str, str], Awaitable[Sequence[tuple[str, str]]]]


def add_watched_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--gateway", metavar="PID", type=int, help="of `crossfade gateway run`, where several run")
    parser.add_argument(
        "--control-plane",
        metavar="NS",
        action="append",
        default=[],
        help="in a cluster, the namespace of a gateway or of the mesh's controller; may be repeated"
        " (default: all, or kong and appmesh-system where you may not list pods of all)",
    )


@asynccontextmanager
async def watched(arguments: argparse.Namespace, namespace: str) -> AsyncIterator[Watched]:
    """Of requests of that namespace, or, empty, of all. Raises NoGateway, ClusterFailed, KubeError and OSError."""
    if arguments.kubeconfig is None:
        from crossfade.observe.door import SocketDoor
        from crossfade.observe.sockets import chosen_socket

        path = chosen_socket(os.environ, arguments.gateway)
        yield Watched([SocketDoor(f"the gateway {path.stem}", str(path))], _nothing)
        return
    from crossfade import __version__
    from crossfade.observe.places import Cluster
    from crossfade_kube.client import Client
    from crossfade_kube.kubeconfig import load_kubeconfig

    async with Client(load_kubeconfig(arguments.kubeconfig), user_agent=f"crossfade/{__version__}") as client:
        cluster = Cluster(client, arguments.control_plane)
        yield Watched(await cluster.doors(namespace), cluster.named)


async def _nothing(_kind: str, _name: str, _namespace: str) -> Sequence[tuple[str, str]]:
    return ()
