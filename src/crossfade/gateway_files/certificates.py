"""Certificates that the plugin acme asks for, kept in a folder on the gateway's own machine."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from crossfade.acme.folder_store import FolderStore, read_folder
from crossfade.acme.store import StoreError
from crossfade.compile.diagnostics import Severity
from crossfade.gateway_files.loop import FilesLoop
from crossfade.gateway_files.message import Message
from crossfade_kube.logging import EventLog
from crossfade_kube.tasks import SupervisedTasks

_HINT: Final = "make it a file that only this user can read, or remove it"

log = EventLog("crossfade.gateway")


def entries_in(folder: Path) -> Mapping[str, bytes]:
    """What is there before anything is served; nothing where it cannot be read, which is told when it is needed."""
    try:
        return read_folder(folder)
    except StoreError:
        return {}


async def keep_certificates(
    folder: Path, files: FilesLoop, say: Callable[[Message], None], authorities: str | None
) -> None:
    """Until cancelled."""

    def tell(trouble: str) -> None:
        say(Message(str(folder), trouble, Severity.WARNING, _HINT))

    await files.demands.any()
    from crossfade.acme.worker import AcmeWorker

    store = FolderStore(folder, on_change=files.keep, on_trouble=tell)
    worker = AcmeWorker(
        store, files.demands, is_live=files.answers, tell=files.tell_certificate, authorities=authorities
    )
    async with SupervisedTasks(log) as tasks:
        tasks.start("ask for certificates", worker.run)
