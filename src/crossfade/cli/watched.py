"""Whom to ask for records of requests: a gateway of this machine, or the control planes of a cluster."""

import argparse
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from crossfade.observe.door import Door
    from crossfade_kube.kubeconfig import ClusterConfig


KUBECONFIG_HELP: Final = (
    "a cluster; default: the gateway that runs on this machine, else $KUBECONFIG, the embedded cluster, ~/.kube/config"
)


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
async def watched(arguments: argparse.Namespace, namespace: str, *, in_cluster: bool = False) -> AsyncIterator[Watched]:
    """Of requests of that namespace, or, empty, of all. Raises NoGateway, ClusterFailed, KubeError and OSError."""
    path = None if in_cluster or arguments.kubeconfig or arguments.control_plane else _socket(arguments.gateway)
    if path is not None:
        from crossfade.observe.door import SocketDoor

        yield Watched([SocketDoor(f"gateway {path.stem}", str(path))], _nothing)
        return
    import logging

    import crossfade_kube
    from crossfade import __version__
    from crossfade.observe.places import Cluster
    from crossfade_kube.client import Client

    # What the client logs of refused requests, for operators of controllers, is told to people in other words.
    logging.getLogger(crossfade_kube.__name__).addHandler(logging.NullHandler())
    async with Client(_cluster(arguments), user_agent=f"crossfade/{__version__}") as client:
        cluster = Cluster(client, arguments.control_plane)
        yield Watched(await cluster.doors(namespace), cluster.named)


def _socket(pid: int | None) -> Path | None:
    """None where no gateway runs on this machine and none was asked for. Raises NoGateway and OSError."""
    from crossfade.observe.sockets import chosen_socket, live_sockets

    return chosen_socket(os.environ, pid) if pid is not None or any(live_sockets(os.environ)) else None


def _cluster(arguments: argparse.Namespace) -> "ClusterConfig":
    """Raises NoGateway and ConfigError."""
    from crossfade.cli.clusters import found_config
    from crossfade.observe.sockets import NoGateway

    found = found_config(arguments)
    if found is None:
        raise NoGateway(
            "no gateway runs here that tells of its requests, and there is no cluster to ask\n"
            "hint: start one with `crossfade gateway run` or `crossfade up`, or give --kubeconfig FILE"
        )
    return found


async def _nothing(_kind: str, _name: str, _namespace: str) -> Sequence[tuple[str, str]]:
    return ()
