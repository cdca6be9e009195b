"""A directory of manifests in force on an Envoy that has been started: files, certificates, records, Admin API."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Final

from crossfade.admin_api.access import new_access
from crossfade.compile.diagnostics import Severity
from crossfade.compile.gateway.settings import CompileSettings
from crossfade.envoy.settings import CachedAccess, EnvoyOptions
from crossfade.gateway_files.certificates import entries_in, keep_certificates
from crossfade.gateway_files.loop import FilesLoop
from crossfade.gateway_files.message import SELF, GatewayFailed, Message
from crossfade.gateway_files.schemas import Schemas
from crossfade.gateway_files.work import Work
from crossfade.install.gateway_definitions import gateway_crd
from crossfade.kong_conf.listen import Listen
from crossfade.observe.gateway import GatewayRecords
from crossfade.observe.sockets import own_socket
from crossfade.policy_module.path import policy_library_path
from crossfade.proxy.envoy_process import EnvoyProcess
from crossfade.xds.auth import always
from crossfade.xds.gateway import PROXY
from crossfade.xds.port import AdsPort
from crossfade.xds.server import AdsServer

if TYPE_CHECKING:
    from crossfade.gateway_files.run import FilesSettings

READY_WITHIN_S: Final = 20.0
_FIRST_PAUSE_S: Final = 0.005
_LONGEST_PAUSE_S: Final = 0.1
_LOOPBACK: Final = "127.0.0.1"


async def serve(
    settings: "FilesSettings",
    say: Callable[[Message], None],
    ads: AdsPort,
    envoy: EnvoyProcess,
    *,
    admin_port: int,
    ended: asyncio.Event,
) -> None:
    """Until `ended`; the caller ends Envoy, and then the ADS server. Raises GatewayFailed."""
    kong = settings.compile.kong
    cached = new_access() if kong.admin_listen else None
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
    await AdsServer.start_on(
        ads,
        publisher=files.publisher,
        authenticate=always(PROXY),
        receive=told.records.receive if told is not None else None,
    )
    background = [asyncio.create_task(each) for each in (files.run(), certificates, ended.wait(), _until_gone(envoy))]
    try:
        with _listening_for_records(told, say) as listening:
            async with _admin_api(settings, files, admin_port, cached):
                await _first(asyncio.create_task(_until_ready(files, admin_port)), *background)
                if not ended.is_set():
                    files.say_ready(_addresses(settings.compile))
                    async with _records(told, listening):
                        await _first(*background)
    finally:
        for task in background:
            task.cancel()


@asynccontextmanager
async def _admin_api(
    settings: "FilesSettings", files: FilesLoop, admin_port: int, cached: CachedAccess | None
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


@contextmanager
def _listening_for_records(
    told: GatewayRecords | None, say: Callable[[Message], None]
) -> Iterator[socket.socket | None]:
    """Whoever asks early waits. What keeps records from being shown keeps nothing else."""
    with ExitStack() as opened:
        listening = None
        if told is not None:
            try:
                path = own_socket(os.environ)
                path.unlink(missing_ok=True)
                listening = opened.enter_context(socket.socket(socket.AF_UNIX))
                listening.bind(str(path))
                opened.callback(path.unlink, missing_ok=True)
                listening.listen()
            except OSError as error:
                listening = None
                hint = "set XDG_RUNTIME_DIR to a folder that is yours alone, or run with --records off"
                say(Message(SELF, f"`crossfade tap` will not find this gateway: {error}", Severity.WARNING, hint))
        yield listening


@asynccontextmanager
async def _records(told: GatewayRecords | None, listening: socket.socket | None) -> AsyncIterator[None]:
    if told is None or listening is None:
        yield
        return
    # Its HTTP server takes a moment to import: meanwhile requests are answered.
    pages = await asyncio.to_thread(told.pages)
    from crossfade.observe.pages import served

    async with served(pages, listening=listening):
        yield


async def _first(*tasks: "asyncio.Task[object]") -> None:
    """Until one of them ends; raises what that one raised, and ends the one that was new."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    tasks[0].cancel()
    for task in done:
        task.result()


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


def _addresses(settings: CompileSettings) -> list[str]:
    return [_url(listen) for listen in settings.kong.proxy_listen]


def _url(listen: Listen) -> str:
    """Where nothing in particular is listened on, loopback can be asked."""
    loopback = {"0.0.0.0": _LOOPBACK, "::": "::1"}
    reachable = listen._replace(address=loopback.get(listen.address, listen.address))
    return f"{'https' if listen.ssl else 'http'}://{reachable}"
