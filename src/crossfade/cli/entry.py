"""The first instructions of `crossfade`, before anything large is imported.

What runs in a cluster is told to end at any moment, and the first process of a container is sent nothing for which it
has no handler: a signal that comes while modules are imported would be lost, and the container killed much later.
To people Ctrl-C is no reason to show which module was just imported.
"""

import os
import signal
import sys

_OF_CONTAINERS = frozenset({"controller", "proxy"})
_INTERRUPTED = 130


def main() -> int:
    """The exit code; the commands are those of `crossfade.cli.app`."""
    is_of_people = sys.argv[1:2] == [] or sys.argv[1] not in _OF_CONTAINERS
    # Where it is ignored, it stays so: a shell's background jobs are not asked to end by Ctrl-C.
    awaits_interrupt = is_of_people and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    # Nothing is begun yet that would have to be ended in order; the command takes the signals over when it is.
    if awaits_interrupt:
        signal.signal(signal.SIGINT, lambda *_: os._exit(_INTERRUPTED))
    elif not is_of_people:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: os._exit(0))
    from crossfade.cli.app import main as run

    if awaits_interrupt:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return run()
