"""What the node offers to all pods."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from crossfade_kube.client import Client
from crossfade_kube.events import EventRecorder
from crossfade_kube.meta import JsonObject
from crossfade_local import network
from crossfade_local.catalogue import Catalogue
from crossfade_local.kubelet.ids import IdMap
from crossfade_local.kubelet.limits import Limiter
from crossfade_local.kubelet.rootfs import MachineView
from crossfade_local.kubelet.service_links import ServiceLinks
from crossfade_local.local_volumes import LocalVolumes
from crossfade_local.netlink import Netlink


async def _free(_pod: JsonObject, _address: str) -> None:
    """Where there are no policies."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    client: Client
    recorder: EventRecorder
    view: MachineView
    catalogue: Catalogue
    links: Netlink
    node_namespace: int
    addresses: network.AddressPool
    directory: Path
    volumes: LocalVolumes
    ids: IdMap
    services: ServiceLinks
    base_env: Mapping[str, str]
    env_by_uid: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    """For containers that are to run as this user."""
    capacity: Mapping[str, str]
    """Of the node, in place of the machine's own."""
    limiter: Limiter = field(default_factory=Limiter)
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    isolate: Callable[[JsonObject, str], Awaitable[None]] = _free
    """Returns when the policies hold for a pod with this address. Raises OSError."""
