"""A connection that is lost is an event, not a bug: one line, no traceback."""

import ctypes
import logging
import subprocess
import sys

import pytest

from crossfade_kube.event_loop import new_event_loop


@pytest.mark.parametrize(
    ("message", "has_traceback"), [("Fatal error on SSL protocol", False), ("Task exception was never retrieved", True)]
)
def test_what_the_loop_reports(message: str, has_traceback: bool, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    loop = new_event_loop()
    try:
        loop.call_exception_handler({"message": message, "exception": RuntimeError("the handler is closed")})
    finally:
        loop.close()
    (record,) = caplog.records
    assert bool(record.exc_info) is has_traceback


_LARGE_BUFFERS = """
import ctypes

class Counts(ctypes.Structure):
    _fields_ = [("before", ctypes.c_size_t * 3), ("mapped", ctypes.c_size_t), ("after", ctypes.c_size_t * 6)]

library = ctypes.CDLL(None)
library.mallinfo2.restype = Counts
{prepare}
bytearray(256 * 1024)
before = library.mallinfo2().mapped
kept = bytearray(256 * 1024)
print(library.mallinfo2().mapped - before)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="another C library than glibc 2.33 or later")
@pytest.mark.parametrize(
    ("prepare", "mapped"), [("", 0), ("from crossfade_kube.event_loop import new_event_loop; new_event_loop()", 1)]
)
def test_large_buffers_are_given_back_to_the_machine(prepare: str, mapped: int) -> None:
    """One that was freed before would leave the next ones on the heap."""
    program = _LARGE_BUFFERS.format(prepare=prepare)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(done.stdout) == mapped
