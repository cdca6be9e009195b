"""The node, inside its own namespaces: network and API server first, all else (`node_parts`) when it answers.

The API server is started before what the rest needs is imported: both take about as long.
"""

import asyncio
import gc
import importlib
import logging
import os
import socket
import sys
from pathlib import Path
from typing import Final

import msgspec

from crossfade_kube.event_loop import new_event_loop
from crossfade_kube.logging import configure
from crossfade_local import network
from crossfade_local.data_dir import DataDir
from crossfade_local.kept_api import KeptApiServer, UnusableStateError
from crossfade_local.netlink import Netlink
from crossfade_local.node_settings import NodeSettings
from crossfade_local.uplink import Uplink

log = logging.getLogger(__name__)

_ANSWER_S: Final = 5.0
_REST: Final = "crossfade_local.node_parts"


async def run(settings: NodeSettings) -> None:
    """Until `up` asks for the end."""
    directory = DataDir(Path(settings.data_dir))
    uplink = Uplink(socket.socket(fileno=settings.control_descriptor))
    uplink.start()
    links = Netlink()
    network.prepare_node(links)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(uplink.beat(), name="heartbeat")
        tasks.create_task(_end_when_asked(uplink))
        server = _api_server(settings, directory, uplink)
        tasks.create_task(_keep_api(server, uplink), name="api server")
        await asyncio.to_thread(importlib.import_module, _REST)
        await server.answering.wait()
        # What has been imported stays: it need not be searched for garbage.
        gc.freeze()
        gc.enable()
        from crossfade_local.node_parts import NodeParts

        await NodeParts(settings, directory, uplink, links).run(tasks)


async def _end_when_asked(uplink: Uplink) -> None:
    await uplink.stopped.wait()
    # Process 1 ends with this one, and the kernel ends the rest. What was acknowledged is on disk.
    os._exit(0)


def _api_server(settings: NodeSettings, directory: DataDir, uplink: Uplink) -> KeptApiServer:
    def answers() -> bool:
        """A server that cannot write answers, too."""
        from crossfade_local.api_health import api_state

        authority = directory.authority
        state = api_state(network.API_PORT, host=network.API_ADDRESS, authority=authority, within_s=_ANSWER_S)
        return state is not None

    command = [
        sys.executable, "-m", "crossfade_local.apiserver",
        "--data-dir", str(directory.root), "--fd", str(settings.api_descriptor),
        "--listen", f"{network.API_ADDRESS}:{network.API_PORT}", "--kubelet-socket", str(directory.kubelet_socket),
        "--synchronous", settings.synchronous,
    ]  # fmt: skip
    return KeptApiServer(
        command,
        descriptors=[settings.api_descriptor],
        ask=answers,
        tell=lambda text: uplink.tell("problem", text),
        log_file=directory.node_log,
    )


async def _keep_api(server: KeptApiServer, uplink: Uplink) -> None:
    try:
        await server.run()
    except UnusableStateError as error:
        uplink.tell("fatal", str(error))
        # Nothing of the cluster can go on without its state.
        os._exit(1)


def main() -> None:
    # Searched again and again for garbage, imports take a tenth longer.
    gc.disable()
    configure()
    settings = msgspec.json.decode(sys.argv[1], type=NodeSettings)
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(run(settings))


if __name__ == "__main__":
    main()
