"""What this machine lacks for a cluster, or what would make it a better one, each with the command that gives it."""

import resource
import shutil
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Final, NamedTuple

from crossfade_kube.port_owner import has_listener, port_owner
from crossfade_local.preflight import Mode, NotPossibleError, choose_mode, missing_programs, problem_in

_MIB: Final = 1024 * 1024
# The walkthrough's pods with their proxies take some 700 MiB.
_MEMORY_MIB: Final = 1024
_DISK_MIB: Final = 512
_OPEN_FILES: Final = 4096
_REDIRECTION: Final = """*nat
:OUT - [0:0]
-A OUT -p tcp -m {match} -j RETURN
-A OUT -p tcp -j REDIRECT --to-ports 15001
COMMIT
"""
_BY_OWNER: Final = "owner --uid-owner 1337"
# Where all containers are one user, a proxy is known by the mark on its sockets.
_BY_MARK: Final = "mark --mark 1337"
# What a kernel may forbid to those who are not root, with the value that allows it.
_KERNEL_SWITCHES: Final = {
    "kernel.unprivileged_userns_clone": "1",
    "kernel.apparmor_restrict_unprivileged_userns": "0",
}


class Verdict(Enum):
    """`WEAK` is what a cluster does without; without what is `MISSING` there is none."""

    GOOD = "ok"
    WEAK = "weak"
    MISSING = "missing"


class Finding(NamedTuple):
    """`remedy` is a command for a shell, or nothing."""

    subject: str
    verdict: Verdict
    detail: str
    remedy: str = ""


def findings(data_dir: Path, ports: Mapping[str, int]) -> Iterator[Finding]:
    """Tries what `up` would do, and leaves nothing behind. `ports` are those that it would like to have, by purpose."""
    programs = _programs()
    yield programs
    if programs.verdict is Verdict.GOOD:
        yield from _namespaces()
    for purpose, port in ports.items():
        yield _port(purpose, port)
    yield memory(_proc("/proc/meminfo"))
    yield _disk(data_dir)
    yield _open_files()


def _programs() -> Finding:
    if missing := missing_programs():
        packages = " ".join(sorted(set(missing.values())))
        return Finding("programs", Verdict.MISSING, f"without {', '.join(missing)}", f"sudo apt-get install {packages}")
    return Finding("programs", Verdict.GOOD, "nft, iptables-restore, unshare, setsid")


def _namespaces() -> Iterator[Finding]:
    try:
        mode, lack = choose_mode()
    except NotPossibleError as error:
        yield Finding("namespaces", Verdict.MISSING, str(error), kernel_remedy(_proc))
        return
    if lack is not None:
        detail = f"{mode.value}: containers share one user, since {lack.reason}"
        yield Finding("namespaces", Verdict.WEAK, detail, lack.remedy)
    else:
        yield Finding("namespaces", Verdict.GOOD, mode.value)
    match = _BY_MARK if mode is Mode.SINGLE_UID else _BY_OWNER
    problem = problem_in(mode, ["iptables-restore", "--noflush"], stdin=_REDIRECTION.format(match=match))
    kind = match.partition(" ")[0]
    if problem:
        detail = f"no sidecar can capture its pod's traffic: {' '.join(problem.split())}"
        yield Finding("redirection", Verdict.WEAK, detail, f"sudo modprobe -a xt_REDIRECT xt_{kind} iptable_nat")
    else:
        yield Finding("redirection", Verdict.GOOD, f"iptables redirects by {kind}")


def kernel_remedy(read: Callable[[str], str]) -> str:
    """Turns the switches that this kernel has, and has the wrong way."""
    wrong = [
        f"{name}={wanted}"
        for name, wanted in _KERNEL_SWITCHES.items()
        if read(f"/proc/sys/{name.replace('.', '/')}").strip() not in ("", wanted)
    ]
    return f"sudo sysctl -w {' '.join(wrong)}" if wrong else ""


def _port(purpose: str, port: int) -> Finding:
    if not has_listener(port):
        return Finding(f"port {port}", Verdict.GOOD, f"free, for {purpose}")
    holder = port_owner(port) or "a process of another user"
    return Finding(f"port {port}", Verdict.WEAK, f"taken by {holder}: {purpose} gets the next free one")


def memory(meminfo: str) -> Finding:
    available = next((line.split()[1] for line in meminfo.splitlines() if line.startswith("MemAvailable:")), "0")
    mib = int(available) // 1024
    verdict = Verdict.GOOD if mib >= _MEMORY_MIB else Verdict.WEAK
    detail = f"{mib} MiB available" + ("" if verdict is Verdict.GOOD else f"; the walkthrough takes {_MEMORY_MIB}")
    return Finding("memory", verdict, detail)


def _disk(data_dir: Path) -> Finding:
    folder = next(folder for folder in (data_dir, *data_dir.parents) if folder.exists())
    mib = shutil.disk_usage(folder).free // _MIB
    verdict = Verdict.GOOD if mib >= _DISK_MIB else Verdict.WEAK
    return Finding("disk", verdict, f"{mib} MiB free for {data_dir}")


def _open_files() -> Finding:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < _OPEN_FILES:
        detail = f"at most {hard} for a process: too few for many pods"
        return Finding("open files", Verdict.WEAK, detail, f"ulimit -n {_OPEN_FILES}")
    return Finding(
        "open files", Verdict.GOOD, "unlimited" if hard == resource.RLIM_INFINITY else f"{hard} for a process"
    )


def _proc(path: str) -> str:
    """Empty where this kernel has no such file."""
    try:
        return Path(path).read_text(encoding="ascii")
    except OSError:
        return ""
