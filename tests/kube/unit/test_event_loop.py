"""A connection that is lost is an event, not a bug: one line, no traceback."""

import logging

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
