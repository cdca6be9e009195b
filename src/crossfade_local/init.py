"""Process 1 of a cluster's pid namespace: starts the node, reaps what containers leave behind, ends when the node ends.

When it ends, the kernel kills every process of the cluster.
"""

import os
import signal
import sys


def main() -> None:
    node = os.fork()
    if node == 0:
        os.execv(sys.executable, [sys.executable, "-m", "crossfade_local.node", *sys.argv[1:]])  # noqa: S606
    # The terminal's Ctrl-C is for `up`, which then asks the node to end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        try:
            ended, status = os.wait()
        except ChildProcessError:
            sys.exit(1)
        if ended == node:
            sys.exit(os.waitstatus_to_exitcode(status) & 0xFF)


if __name__ == "__main__":
    main()
