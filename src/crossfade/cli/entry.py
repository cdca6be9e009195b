"""The first instructions of `crossfade`, before anything large is imported.

What runs in a cluster is told to end at any moment, and the first process of a container is sent nothing for which it
has no handler: a signal that comes while modules are imported would be lost, and the container killed much later.
"""

import os
import signal
import sys
from collections.abc import Sequence
from typing import Final

_OF_CONTAINERS: Final = frozenset({"controller", "proxy"})


def main() -> int:
    """The exit code; the commands are those of `crossfade.cli.app`."""
    _end_when_told(sys.argv[1:])
    from crossfade.cli.app import main as run

    return run()


def _end_when_told(arguments: Sequence[str]) -> None:
    """Nothing is begun yet that would have to be ended in order; the command takes the signals over when it is."""
    if arguments and arguments[0] in _OF_CONTAINERS:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: os._exit(0))
