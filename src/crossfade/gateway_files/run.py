"""`crossfade gateway run`: the gateway alone on a directory of manifests, without a cluster and without root.

Same compile, same Envoy, same policy module as in a cluster. Envoy is our child and ends with us, even by SIGKILL.
"""

import asyncio
import json
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from msgspec import Struct

from crossfade.admin_api.access import new_access
from crossfade.compile.diagnostics import Severity
from crossfade.compile.gateway.settings import CompileSettings
from crossfade.compile.model import ServerCertificate
from crossfade.envoy.bootstrap import AdsPeer, bootstrap
from crossfade.envoy.settings import CachedAccess, EnvoyOptions
from crossfade.gateway_files.certificates import entries_in, keep_certificates
from crossfade.gateway_files.loop import SELF, FilesLoop
from crossfade.gateway_files.options import WrongOption, check
from crossfade.gateway_files.schemas import Schemas
from crossfade.gateway_files.telling import Message
from crossfade.gateway_files.work import Work
from crossfade.install.gateway import gateway_crd
from crossfade.kong_conf.listen import Listen
from crossfade.observe.gateway import GatewayRecords
from crossfade.observe.pages import served
from crossfade.observe.sockets import own_socket
from crossfade.policy_module.path import policy_library_path
from crossfade.proxy.envoy_process import EnvoyProcess
from crossfade.proxy.huge_pages import huge_pages
from crossfade.proxy.run import SettingsError, keeps_all_statistics, status_pages
from crossfade.proxy.work_folder import work_folder
from crossfade.xds.auth import always
from crossfade.xds.gateway import PROXY
from crossfade.xds.server import AdsServer

READY_WITHIN_S: Final = 20.0
_END_WITHIN_S: Final = 5.0
_FIRST_PAUSE_S: Final = 0.005
_LONGEST_PAUSE_S: Final = 0.1
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


class GatewayFailed(Exception):  # noqa: N818 - says what failed, to people
    """The gateway cannot start or go on; the text says why and what to do."""


def run_gateway_files(settings: FilesSettings, *, say: Callable[[Message], None]) -> int:
    """Blocks until SIGINT or SIGTERM; must be called from the main thread. `say` gets what is for people."""
    try:
        if not settings.folder.is_dir():
            raise GatewayFailed(f"{settings.folder} is not a directory")
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
    cached = new_access() if settings.compile.kong.admin_listen else None
    admin_port = _free_port()
    kong = settings.compile.kong
    metrics_of = admin_port if kong.status_listen or kong.admin_listen else None
    options = EnvoyOptions(
        policy_library_path(), settings.compile.token, cached, metrics_of, sends_records=settings.compile.records
    )
    kept = entries_in(settings.acme_folder)
    work = Work(settings.folder, settings.compile, options, Schemas(gateway_crd), kept)
    files = FilesLoop(settings.folder, work, say)
    certificates = keep_certificates(settings.acme_folder, files, say, settings.compile.trusted_authorities)
    told = (
        GatewayRecords(files.publisher, lambda: files.latest, place_of=files.place_of)
        if settings.compile.records
        else None
    )
    server = await AdsServer.start(
        publisher=files.publisher,
        address=f"{_LOOPBACK}:0",
        authenticate=always(PROXY),
        receive=told.records.receive if told is not None else None,
    )
    background = [asyncio.create_task(each) for each in (files.run(), certificates, ended.wait())]
    # Envoy asks the kernel to be ended with the thread that starts it: this is the main thread.
    envoy = _start_envoy(settings, workdir, ads_port=server.port, admin_port=admin_port)
    background.append(asyncio.create_task(_until_gone(envoy)))
    try:
        async with _admin_api(settings, files, admin_port, cached), _records(told, say):
            await _first(asyncio.create_task(_until_ready(files, admin_port)), *background)
            if not ended.is_set():
                files.say_ready(_addresses(settings.compile))
                await _first(*background)
        return 0
    finally:
        for task in background:
            task.cancel()
        if envoy.poll() is None:
            envoy.terminate()
            await asyncio.to_thread(envoy.wait, _END_WITHIN_S)
        await server.stop()


@asynccontextmanager
async def _admin_api(
    settings: FilesSettings, files: FilesLoop, admin_port: int, cached: CachedAccess | None
) -> AsyncIterator[None]:
    if cached is None:
        yield
        return
    # Its HTTP server takes a moment to import, and most do not ask for it.
    from crossfade.admin_api.cached import CachedAnswers
    from crossfade.admin_api.envoy_admin import EnvoyAdmin
    from crossfade.admin_api.server import admin_server
    from crossfade.admin_api.state import AdminState

    state = AdminState(lambda: files.latest, lambda: files.is_taken)
    async with admin_server(
        state,
        listens=settings.compile.kong.admin_listen or (),
        server_token=settings.compile.token,
        proxy=EnvoyAdmin(admin_port),
        cached=CachedAnswers(cached),
        certificate=settings.admin_certificate,
    ):
        yield


@asynccontextmanager
async def _records(told: GatewayRecords | None, say: Callable[[Message], None]) -> AsyncIterator[None]:
    """What keeps them from being shown keeps nothing else."""
    async with AsyncExitStack() as open_pages:
        if told is not None:
            try:
                path = own_socket(os.environ)
                path.unlink(missing_ok=True)
                await open_pages.enter_async_context(served(told.pages(), socket=str(path)))
                open_pages.callback(path.unlink, missing_ok=True)
            except OSError as error:
                hint = "set XDG_RUNTIME_DIR to a folder that is yours alone, or run with --records off"
                say(Message(SELF, f"`crossfade tap` will not find this gateway: {error}", Severity.WARNING, hint))
        yield


async def _first(*tasks: "asyncio.Task[object]") -> None:
    """Until one of them ends; raises what that one raised, and ends the one that was new."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    tasks[0].cancel()
    for task in done:
        task.result()


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
        environment=huge_pages(os.environ),
    )


def _keeps_all_statistics() -> bool:
    try:
        return keeps_all_statistics(os.environ)
    except SettingsError as error:
        raise GatewayFailed(str(error)) from None


async def _until_ready(files: FilesLoop, admin_port: int) -> None:
    """Serving: it has answered for everything, and its listeners are open."""
    await files.until_published()
    try:
        async with asyncio.timeout(READY_WITHIN_S):
            await files.until_taken()
            await _until_open(admin_port)
            await files.until_taken()
    except TimeoutError:
        raise GatewayFailed(f"Envoy was not ready within {READY_WITHIN_S:g} s; what it refused is above") from None


async def _until_open(admin_port: int) -> None:
    pause_s = _FIRST_PAUSE_S
    while not await _says_ready(admin_port):
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


async def _until_gone(envoy: EnvoyProcess) -> None:
    code = await asyncio.to_thread(envoy.wait)
    raise GatewayFailed(f"Envoy ended with exit code {code}; its last words are above")


async def _says_ready(admin_port: int) -> bool:
    try:
        reader, writer = await asyncio.open_connection(_LOOPBACK, admin_port)
    except OSError:
        return False
    try:
        writer.write(b"GET /ready HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n")
        return b" 200 " in await reader.readline()
    except OSError:
        return False
    finally:
        writer.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def _addresses(settings: CompileSettings) -> list[str]:
    return [_url(listen) for listen in settings.kong.proxy_listen]


def _url(listen: Listen) -> str:
    """Where nothing in particular is listened on, loopback can be asked."""
    loopback = {"0.0.0.0": _LOOPBACK, "::": "::1"}
    reachable = listen._replace(address=loopback.get(listen.address, listen.address))
    return f"{'https' if listen.ssl else 'http'}://{reachable}"
