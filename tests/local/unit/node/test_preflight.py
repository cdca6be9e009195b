import errno
import os

import pytest

from crossfade_local import mount_trees, namespaces, preflight
from crossfade_local.preflight import NotPossibleError, choose_mode


def test_a_kernel_without_the_system_calls_is_named_with_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(preflight, "missing_programs", dict)
    monkeypatch.setattr(namespaces, "system_call", unknown)
    with pytest.raises(NotPossibleError) as raised:
        choose_mode()
    assert str(raised.value) == (
        f"the kernel is Linux {os.uname().release}; the volumes of pods need 5.12 or newer: start a newer one, or run "
        "Crossfade in a virtual machine that has one"
    )


def test_this_kernel_has_them() -> None:
    assert mount_trees.are_possible()
