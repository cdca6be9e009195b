"""Process 1 of a pod whose containers share their processes (`shareProcessNamespace`): it reaps, and lasts as long.

It sees the machine as any container does, as nobody and without capabilities.
"""

import os
from typing import Final

from crossfade_local import namespaces
from crossfade_local.kubelet import process
from crossfade_local.kubelet.ids import IdMap
from crossfade_local.kubelet.privileges import Identity
from crossfade_local.kubelet.process import Launch, Process, Streams
from crossfade_local.kubelet.rootfs import MachineView
from crossfade_local.namespaces import Namespaces

_ARGV: Final = ("sleep", "infinity")


async def begin(sandbox: Namespaces, view: MachineView, *, ids: IdMap) -> tuple[Process, Namespaces]:
    """The process and the sandbox with its pid namespace. Raises OSError, StartError."""

    def enter() -> int:
        namespaces.enter(sandbox)
        return view.enter_new_root(mounts=(), files={}, programs={}, read_only=True)

    mount = await namespaces.on_fresh_thread(enter, name="root of process 1")
    nobody = ids.nobody
    identity = Identity(None if ids.is_single else nobody, nobody, (), frozenset(), may_gain_privileges=False)
    launch = Launch(_ARGV, {"PATH": "/usr/bin:/bin"}, "/", identity)
    try:
        with process.null_input() as null:
            quiet = Streams(null.fileno(), null.fileno(), null.fileno())
            within = sandbox._replace(mount=mount)
            first, inside = await process.start_first(launch, inside=within, streams=quiet, reaps=True)
    finally:
        os.close(mount)
    return first, inside._replace(mount=None)
