"""The first process of a node, in namespaces of its own: `node_process.py SETTINGS` (a file of JSON).

Sets up what the parts of a node need, says `ready`, and buries what they orphan. Whatever the node mounts or writes is
seen by nobody else, and ends with this process. Needs nothing but the standard library.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

CGROUPS = Path("/sys/fs/cgroup")
SHARES = 20 * 1024
# What a kubelet would write into the kernel of the machine. It finds them here, so it writes nothing.
EXPECTED = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}


def main(settings: dict[str, Any]) -> None:
    folder = Path(settings["folder"])
    socket.sethostname(settings["name"])
    _own_folders(folder)
    _own_settings_of_the_kernel(folder)
    make_cgroups(settings["cgroup"])
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    _run("ip", "link", "set", "lo", "up")
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    print("ready", flush=True)
    while True:
        signal.sigwait({signal.SIGCHLD})
        _bury()


def _bury() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        return


def _own_folders(folder: Path) -> None:
    """`/run` is empty, `/var` shows the machine's and keeps what is written for itself."""
    _run("mount", "--make-rshared", "/")
    _run("mount", "-t", "tmpfs", "tmpfs", "/run")
    upper, work = folder / "var", folder / "var-work"
    for each in (upper, work):
        each.mkdir()
    _run("mount", "-t", "overlay", "overlay", "-o", f"lowerdir=/var,upperdir={upper},workdir={work}", "/var")


def _own_settings_of_the_kernel(folder: Path) -> None:
    for name, value in EXPECTED.items():
        shown = folder / name.replace("/", ".")
        shown.write_text(f"{value}\n")
        _run("mount", "--bind", str(shown), f"/proc/sys/{name}")


def make_cgroups(path: str) -> None:
    """In every hierarchy of cgroup v1; one without CPUs and memory nodes could hold no process.

    All pods of all nodes would together get no more CPU than one other process of the machine.
    """
    for hierarchy in sorted(each for each in CGROUPS.iterdir() if each.is_dir() and each.name != "unified"):
        made = hierarchy / path
        made.mkdir(parents=True, exist_ok=True)
        if hierarchy.name.startswith("cpuset"):
            for folder in (made.parent, made):
                for name in ("cpuset.cpus", "cpuset.mems"):
                    (folder / name).write_text((hierarchy / name).read_text())
        if (shares := made.parent / "cpu.shares").exists():
            shares.write_text(str(SHARES))


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
