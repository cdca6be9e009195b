"""`crossfade gateway run`: the gateway alone on a directory of manifests, without a cluster and without root.

Same compile, same Envoy, same policy module as in a cluster. Envoy is our child and ends with us, even by SIGKILL.
"""

import asyncio
import errno
import json
import signal
import socket
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from msgspec import Struct

from crossfade.compile.diagnostics import Diagnostic
from crossfade.compile.gateway.compiler import compile_gateway
from crossfade.compile.gateway.settings import CompileSettings
from crossfade.envoy.bootstrap import AdsPeer, bootstrap
from crossfade.envoy.resources import resources_from_model
from crossfade.envoy.settings import EnvoyOptions
from crossfade.gateway_files.manifests import Schemas
from crossfade.gateway_files.source import FileSource, FileState
from crossfade.install.gateway import gateway_crds
from crossfade.policy_module.path import policy_library_path
from crossfade.proxy.envoy_process import EnvoyProcess
from crossfade.proxy.work_folder import work_folder
from crossfade.xds.auth import always
from crossfade.xds.publisher import Publisher, Rejection
from crossfade.xds.server import AdsServer
from crossfade_kube.port_owner import port_owner

PROXY: Final = "gateway"
READY_WITHIN_S: Final = 20.0
_END_WITHIN_S: Final = 5.0
_POLL_S: Final = 0.02
_LOOPBACK: Final = "127.0.0.1"


class FilesSettings(Struct, frozen=True):
    """`concurrency` is the number of Envoy's worker threads."""

    folder: Path
    compile: CompileSettings
    concurrency: int = 1
    envoy_log_level: str = "warning"


class GatewayFailed(Exception):  # noqa: N818 - says what failed, to people
    """The gateway cannot start or go on; the text says why and what to do."""


def run_gateway_files(settings: FilesSettings, *, say: Callable[[str], None]) -> int:
    """Blocks until SIGINT or SIGTERM; must be called from the main thread. `say` gets lines for people."""
    try:
        _check(settings)
        with work_folder("crossfade-gateway-") as workdir:
            return asyncio.run(_run(settings, workdir, say))
    except (GatewayFailed, FileNotFoundError) as error:
        say(f"crossfade gateway: {error}")
        return 1


def _check(settings: FilesSettings) -> None:
    if not settings.folder.is_dir():
        raise GatewayFailed(f"{settings.folder} is not a directory")
    ports = (("--http-port", settings.compile.http_port), ("--https-port", settings.compile.https_port))
    for option, port in ports:
        problem = _why_not_free(settings.compile.address, port) if port else None
        if problem is not None:
            raise GatewayFailed(f"{problem}; end it or choose another with {option}")


def _why_not_free(address: str, port: int) -> str | None:
    """None when the port can be bound; else a sentence that names the port and, where known, the process."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
            probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return f"port {port} is in use by {port_owner(port) or 'another process'}"
            return f"port {port} cannot be used: {error.strerror}"
    return None


async def _run(settings: FilesSettings, workdir: Path, say: Callable[[str], None]) -> int:
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    publisher = Publisher(on_rejected=lambda rejection: say(_rejection_text(rejection)))
    server = await AdsServer.start(publisher=publisher, address=f"{_LOOPBACK}:0", authenticate=always(PROXY))
    compiling = _Compiling(settings, publisher, say)
    envoy: EnvoyProcess | None = None
    background = [asyncio.create_task(compiling.run()), asyncio.create_task(ended.wait())]
    try:
        await _first(asyncio.create_task(compiling.has_published.wait()), *background)
        admin_port = _free_port()
        # Envoy asks the kernel to be ended with the thread that starts it: this is the main thread.
        envoy = _start_envoy(settings, workdir, ads_port=server.port, admin_port=admin_port)
        await _first(asyncio.create_task(_until_ready(envoy, admin_port)), *background)
        if not ended.is_set():
            say(_ready_text(settings.compile, compiling.file_count))
            await _first(asyncio.create_task(_until_gone(envoy)), *background)
        return 0
    finally:
        for task in background:
            task.cancel()
        if envoy is not None and envoy.poll() is None:
            envoy.terminate()
            await asyncio.to_thread(envoy.wait, _END_WITHIN_S)
        await server.stop()


async def _first(*tasks: "asyncio.Task[object]") -> None:
    """Until one of them ends; raises what that one raised, and ends the one that was new."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    tasks[0].cancel()
    for task in done:
        task.result()


class _Compiling:
    """Keeps the publisher current with the directory and tells what is wrong, each thing once."""

    def __init__(self, settings: FilesSettings, publisher: Publisher, say: Callable[[str], None]) -> None:
        self.has_published = asyncio.Event()
        self.file_count = 0
        self._source = FileSource(settings.folder, Schemas(gateway_crds()))
        self._settings = settings
        self._options = EnvoyOptions(policy_library_path(), settings.compile.token)
        self._publisher = publisher
        self._say = say
        self._said: set[str] = set()

    async def run(self) -> None:
        async for state in self._source:
            compiled = compile_gateway(state.snapshot, self._settings.compile)
            self._publisher.publish(PROXY, resources_from_model(compiled.model, options=self._options))
            self.file_count = state.file_count
            self._tell([*map(str, state.problems), *_diagnostic_texts(state, compiled.diagnostics)])
            self.has_published.set()

    def _tell(self, texts: list[str]) -> None:
        for text in texts:
            if text not in self._said:
                self._say(text)
        self._said = set(texts)


def _diagnostic_texts(state: FileState, diagnostics: Iterable[Diagnostic]) -> list[str]:
    """With the file that the object is from."""
    homes = {ref[:4]: path for ref, path in state.homes.items()}
    return [f"{homes.get(item.ref[:4], 'files')}: {item.severity}: {item}" for item in diagnostics]


def _start_envoy(settings: FilesSettings, workdir: Path, *, ads_port: int, admin_port: int) -> EnvoyProcess:
    config = bootstrap(node_id="default/gateway", ads=AdsPeer(_LOOPBACK, ads_port), admin_port=admin_port)
    return EnvoyProcess.start(
        json.dumps(config), workdir=workdir, concurrency=settings.concurrency, log_level=settings.envoy_log_level
    )


async def _until_ready(envoy: EnvoyProcess, admin_port: int) -> None:
    deadline = asyncio.get_running_loop().time() + READY_WITHIN_S
    while not await _says_ready(admin_port):
        if envoy.poll() is not None:
            raise GatewayFailed(f"Envoy ended with exit code {envoy.poll()}; its last words are above")
        if asyncio.get_running_loop().time() > deadline:
            raise GatewayFailed(f"Envoy was not ready within {READY_WITHIN_S:g} s; what it refused is above")
        await asyncio.sleep(_POLL_S)


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


def _ready_text(settings: CompileSettings, file_count: int) -> str:
    host = _LOOPBACK if settings.address == "0.0.0.0" else settings.address
    addresses = [f"http://{host}:{settings.http_port}"]
    if settings.https_port is not None:
        addresses.append(f"https://{host}:{settings.https_port}")
    return f"crossfade gateway: {' and '.join(addresses)}, {file_count} file{'' if file_count == 1 else 's'}: ready"


def _rejection_text(rejection: Rejection) -> str:
    refused = rejection.rejected
    return f"Envoy refused {refused.kind.name.lower()} {refused.name} and keeps the last good one: {refused.reason}"
