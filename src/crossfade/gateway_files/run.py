"""`crossfade gateway run`: the gateway alone on a directory of manifests, without a cluster and without root.

Same compile, same Envoy, same policy module as in a cluster. Envoy is our child and ends with us, even by SIGKILL. It
starts while `serving` is imported, which takes about as long.
"""

import asyncio
import gc
import json
import os
import signal
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct

from crossfade.compile.diagnostics import Severity
from crossfade.compile.gateway.settings import CompileSettings
from crossfade.compile.model import ServerCertificate
from crossfade.envoy.bootstrap import AdsPeer, bootstrap
from crossfade.gateway_files.message import SELF, GatewayFailed, Message
from crossfade.gateway_files.options import WrongOption, check
from crossfade.proxy.envoy_process import EnvoyProcess
from crossfade.proxy.preload import preload
from crossfade.proxy.run import keeps_all_statistics, status_pages
from crossfade.proxy.variables import SettingsError
from crossfade.proxy.work_folder import work_folder
from crossfade.xds.port import open_port

_END_WITHIN_S: Final = 5.0
_STREAMS_END_WITHIN_S: Final = 1.0
_LOOPBACK: Final = "127.0.0.1"
_LOG_LEVEL: Final = "warning"


class FilesSettings(Struct, frozen=True):
    """`port_options` say by which option, if by one, a port to listen on was given.

    `acme_folder` is where the plugin acme keeps accounts and certificates; it comes with the first of them.
    """

    folder: Path
    compile: CompileSettings
    acme_folder: Path
    port_options: Mapping[int, str] = {}
    admin_certificate: ServerCertificate | None = None


def run_gateway_files(settings: FilesSettings, *, say: Callable[[Message], None]) -> int:
    """Blocks until SIGINT or SIGTERM; must be called from the main thread. `say` gets what is for people."""
    try:
        if not settings.folder.is_dir():
            found = "is not a directory" if settings.folder.exists() else "does not exist"
            raise GatewayFailed(f"{settings.folder} {found}: give a directory of manifests")
        check(settings.compile, settings.port_options)
        with work_folder("crossfade-gateway-") as workdir:
            return asyncio.run(_run(settings, workdir, say))
    except (GatewayFailed, WrongOption, FileNotFoundError) as error:
        say(Message(SELF, str(error), Severity.ERROR))
        return 1


async def _run(settings: FilesSettings, workdir: Path, say: Callable[[Message], None]) -> int:
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    ads, admin_port = open_port(f"{_LOOPBACK}:0"), _free_port()
    # Envoy asks the kernel to be ended with the thread that starts it: this is the main thread.
    envoy = _start_envoy(settings, workdir, ads_port=ads.number, admin_port=admin_port)
    try:
        from crossfade.gateway_files.serving import serve

        gc.freeze()
        gc.enable()
        await serve(settings, say, ads, envoy, admin_port=admin_port, ended=ended)
        return 0
    finally:
        if envoy.poll() is None:
            envoy.terminate()
            await asyncio.to_thread(envoy.wait, _END_WITHIN_S)
        await ads.server.stop(_STREAMS_END_WITHIN_S)


def _start_envoy(settings: FilesSettings, workdir: Path, *, ads_port: int, admin_port: int) -> EnvoyProcess:
    ads = AdsPeer(_LOOPBACK, ads_port)
    kong = settings.compile.kong
    config = bootstrap(
        node_id="default/gateway",
        ads=ads,
        admin_port=admin_port,
        pages=status_pages(kong.status_listen or ()),
        is_gateway=True,
        name_servers=kong.dns_resolver,
        keeps_all_statistics=_keeps_all_statistics(),
    )
    return EnvoyProcess.start(
        json.dumps(config),
        workdir=workdir,
        concurrency=kong.nginx_worker_processes or os.cpu_count() or 1,
        log_level=kong.log_level or _LOG_LEVEL,
        log_path=kong.proxy_error_log,
        environment=preload(os.environ),
    )


def _keeps_all_statistics() -> bool:
    try:
        return keeps_all_statistics(os.environ)
    except SettingsError as error:
        raise GatewayFailed(str(error)) from None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port
