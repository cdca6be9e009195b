"""The filter's program, carried out as the kernel does."""

import errno

import pytest

from crossfade_local.system_call_filter import MACHINES, Machine, instructions

ALLOWED = 0x7FFF0000
REFUSED = 0x00050000 | errno.EPERM
MISSING = 0x00050000 | errno.ENOSYS
X86, ARM = MACHINES["x86_64"], MACHINES["aarch64"]
SIGCHLD = 17


def answer(machine: Machine, number: int, argument: int = 0, *, audit: int | None = None) -> int:
    data = {0: number, 4: machine.audit if audit is None else audit, 16: argument}
    program, place, value = instructions(machine), 0, 0
    while True:
        code, if_true, if_false, operand = program[place]
        place += 1
        match code:
            case 0x20:
                value = data[operand]
            case 0x15:
                place += if_true if value == operand else if_false
            case 0x35:
                place += if_true if value >= operand else if_false
            case 0x45:
                place += if_true if value & operand else if_false
            case _:
                return operand


@pytest.mark.parametrize(
    ("machine", "number", "argument", "expected"),
    [
        (X86, 0, 0, ALLOWED),  # read
        (X86, 59, 0, ALLOWED),  # execve
        (X86, 161, 0, ALLOWED),  # chroot, for which there is a capability
        (X86, 165, 0, REFUSED),  # mount
        (X86, 272, 0, REFUSED),  # unshare
        (X86, 308, 0, REFUSED),  # setns
        (X86, 321, 0, REFUSED),  # bpf
        (X86, 428, 0, REFUSED),  # open_tree
        (X86, 435, 0, MISSING),  # clone3
        (X86, 56, SIGCHLD, ALLOWED),  # fork
        (X86, 56, 0x003D0F00, ALLOWED),  # a thread
        (X86, 56, 0x10000000 | SIGCHLD, REFUSED),  # a user namespace
        (X86, 56, 0x00020000 | SIGCHLD, REFUSED),  # a mount namespace
        (X86, 0x40000000 | 165, 0, MISSING),
        (ARM, 40, 0, REFUSED),  # mount
        (ARM, 97, 0, REFUSED),  # unshare
        (ARM, 220, 0x10000000, REFUSED),
        (ARM, 220, SIGCHLD, ALLOWED),
        (ARM, 221, 0, ALLOWED),  # execve
        (ARM, 435, 0, MISSING),
    ],
)
def test_answers(machine: Machine, number: int, argument: int, expected: int) -> None:
    assert answer(machine, number, argument) == expected


def test_calls_of_another_machine_type_are_answered_as_not_there() -> None:
    assert answer(X86, 165, audit=0x40000003) == MISSING


@pytest.mark.parametrize("machine", [X86, ARM])
def test_the_kernel_takes_programs_of_this_length(machine: Machine) -> None:
    assert len(instructions(machine)) < 4096
    assert len(set(machine.refused)) == len(machine.refused)
