import logging

import pytest

from crossfade.compile.diagnostics import Diagnostics, Fault
from crossfade.compile.isolate import isolated
from crossfade.status.fault_log import FaultLog
from crossfade_kube.logging import EventLog
from crossfade_kube.meta import ObjectRef

JAZZ, METAL = (ObjectRef("v1", "Thing", "prod", name) for name in ("jazz", "metal"))


def fault(ref: ObjectRef) -> Fault:
    diagnostics = Diagnostics()
    isolated(lambda: int("x"), otherwise=None, ref=ref, effect="", diagnostics=diagnostics)
    return diagnostics.faults[0]


def test_each_fault_is_logged_once_as_long_as_it_lasts(caplog: pytest.LogCaptureFixture) -> None:
    log = FaultLog(EventLog("test"))

    def told() -> list[ObjectRef]:
        found = [record.__dict__["fields"]["object"] for record in caplog.records]
        caplog.clear()
        return found

    with caplog.at_level(logging.ERROR):
        log.tell([fault(JAZZ)])
        assert caplog.records[0].exc_info is not None
        assert told() == [JAZZ]
        log.tell([fault(JAZZ), fault(METAL)])
        assert told() == [METAL]
        log.tell([])
        log.tell([fault(JAZZ)])
        assert told() == [JAZZ]
