"""Starts the control plane in one of its roles and ends it cleanly, and soon, on a signal."""

import asyncio
import gc
import os
import signal
import threading
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from crossfade.controller.names import Role
from crossfade_kube import logging
from crossfade_kube.errors import ConfigError
from crossfade_kube.event_loop import new_event_loop

_ORIGINALS_LEVELS: Final = {"trace": "DEBUG", "warn": "WARNING", "fatal": "CRITICAL", "panic": "CRITICAL"}
_LEVELS: Final = frozenset({"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"})

# A compilation in a thread, or an API server that does not answer, holds nobody longer: requests go on without us.
END_WITHIN_S: Final = 1.6


def run_controller(*, role: Role, kubeconfig: str | None, arguments: Sequence[str] = ()) -> None:
    """Until SIGTERM or SIGINT; raises ConfigError when the settings cannot be used.

    `arguments` are flags of the controller that the role stands for.
    """
    # Searched again and again for garbage, imports take a tenth longer; nothing of them becomes any.
    gc.disable()
    try:
        work = _role(role, os.environ, kubeconfig, arguments)
    except ValueError as exc:
        raise ConfigError(str(exc)) from exc
    gc.freeze()
    gc.enable()
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(_until_signal(work))


def _role(
    role: Role, environment: Mapping[str, str], kubeconfig: str | None, arguments: Sequence[str]
) -> Coroutine[Any, Any, None]:
    if role == "mesh":
        _configure_log(environment.get("CROSSFADE_LOG_LEVEL"))
        from crossfade.controller.mesh.role import run_mesh_role
        from crossfade.controller.mesh.settings import MeshSettings

        settings = MeshSettings.from_environment(environment, kubeconfig, arguments)
        if settings.log_level:
            logging.configure(settings.log_level)
        return run_mesh_role(settings)
    from crossfade.controller.gateway.flags import understood
    from crossfade.controller.gateway.role import run_gateway_role
    from crossfade.controller.gateway.settings import GatewaySettings

    found = understood(arguments, environment)
    _configure_log(environment.get("CROSSFADE_LOG_LEVEL") or found.environment.get("CONTROLLER_LOG_LEVEL"))
    return run_gateway_role(GatewaySettings.from_environment(found.environment, kubeconfig, remarks=found.remarks))


def _configure_log(wanted: str | None) -> None:
    """Raises ValueError for a level that is none."""
    level = (wanted or "INFO").lower()
    level = _ORIGINALS_LEVELS.get(level, level.upper())
    if level not in _LEVELS:
        raise ValueError(f"the log level is {wanted!r}: it must be one of debug, info, warn and error")
    logging.configure(level)


async def _until_signal(work: Coroutine[Any, Any, None]) -> None:
    """The role ends only by a signal or by an error that it could not handle, which passes through."""
    task = asyncio.ensure_future(work)

    def end() -> None:
        task.cancel()
        last = threading.Timer(END_WITHIN_S, os._exit, (0,))
        last.daemon = True
        last.start()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    with suppress(asyncio.CancelledError):
        await task
