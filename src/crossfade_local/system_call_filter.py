"""The filter of system calls behind `seccompProfile: {type: RuntimeDefault}`: what programs of containers never need.

It refuses (EPERM) what loads code into the kernel, mounts, changes clocks and namespaces, traces the whole machine or
manages keys; `clone3` is answered as not there, so that its flags can be read from `clone`.
"""

import ctypes
import errno
import os
import struct
from typing import Final, NamedTuple

from crossfade_local import namespaces


class Machine(NamedTuple):
    """Numbers of one machine type: its name in the kernel's audit, `clone`, and what is refused."""

    audit: int
    clone: int
    refused: tuple[int, ...]


# acct, add_key, bpf, clock_adjtime, clock_settime, create_module, delete_module, finit_module, init_module, ioperm,
# iopl, kcmp, kexec_file_load, kexec_load, keyctl, lookup_dcookie, mbind, migrate_pages, mount, move_pages, nfsservctl,
# open_by_handle_at, perf_event_open, pivot_root, quotactl, reboot, request_key, set_mempolicy, setns, settimeofday,
# swapoff, swapon, sysctl, sysfs, syslog, umount2, unshare, uselib, userfaultfd, ustat
_X86_64: Final = (
    163, 248, 321, 305, 227, 174, 176, 313, 175, 173, 172, 312, 320, 246, 250, 212, 237, 256, 165, 279, 180, 304, 298,
    155, 179, 169, 249, 238, 308, 164, 168, 167, 156, 139, 103, 166, 272, 134, 323, 136,
)  # fmt: skip
# The same, as far as this machine type has them.
_AARCH64: Final = (
    89, 217, 280, 266, 112, 106, 273, 105, 272, 294, 104, 219, 18, 235, 238, 40, 239, 42, 265, 241, 41, 60, 142, 218,
    237, 268, 170, 225, 224, 116, 39, 97, 282,
)  # fmt: skip
# io_uring, the calls for mounts by descriptor, quotactl_fd: one number everywhere.
_EVERYWHERE: Final = (425, 426, 427, 428, 429, 430, 431, 432, 433, 442, 443)
_CLONE3: Final = 435
MACHINES: Final = {
    "x86_64": Machine(0xC000003E, 56, (*_X86_64, *_EVERYWHERE)),
    "aarch64": Machine(0xC00000B7, 220, (*_AARCH64, *_EVERYWHERE)),
}
_NEW_NAMESPACES: Final = 0x7E020000
_X32: Final = 0x40000000

_LOAD: Final = 0x20
_JUMP_EQUAL: Final = 0x15
_JUMP_AT_LEAST: Final = 0x35
_JUMP_ANY_BIT: Final = 0x45
_RETURN: Final = 0x06
_ALLOW: Final = 0x7FFF0000
_REFUSE: Final = 0x00050000
_NUMBER_AT: Final = 0
_MACHINE_AT: Final = 4
_FIRST_ARGUMENT_AT: Final = 16

_PR_SET_SECCOMP: Final = 22
_MODE_FILTER: Final = 2


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def apply() -> None:
    """To the calling thread and what it starts, for good; it must be privileged. Raises OSError."""
    machine = MACHINES.get(os.uname().machine)
    if machine is None:
        raise OSError(errno.ENOSYS, f"no filter of system calls is known for machine type {os.uname().machine}")
    code = b"".join(struct.pack("=HBBI", *one) for one in instructions(machine))
    program = _Program(len(code) // 8, code)
    namespaces.control_process(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.addressof(program), action="set a seccomp filter")


def instructions(machine: Machine) -> list[tuple[int, int, int, int]]:
    """Of the kernel's packet filter: code, jump if true, jump if false, operand."""
    refuse = (_RETURN, 0, 0, _REFUSE | errno.EPERM)
    missing = (_RETURN, 0, 0, _REFUSE | errno.ENOSYS)
    found = [
        (_LOAD, 0, 0, _MACHINE_AT),
        (_JUMP_EQUAL, 1, 0, machine.audit),
        missing,
        (_LOAD, 0, 0, _NUMBER_AT),
        (_JUMP_AT_LEAST, 0, 1, _X32),
        missing,
        (_JUMP_EQUAL, 0, 1, _CLONE3),
        missing,
    ]
    for number in sorted(machine.refused):
        found += [(_JUMP_EQUAL, 0, 1, number), refuse]
    found += [
        (_JUMP_EQUAL, 0, 3, machine.clone),
        (_LOAD, 0, 0, _FIRST_ARGUMENT_AT),
        (_JUMP_ANY_BIT, 0, 1, _NEW_NAMESPACES),
        refuse,
        (_RETURN, 0, 0, _ALLOW),
    ]
    return found
