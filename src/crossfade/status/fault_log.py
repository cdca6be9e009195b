"""Logs each fault that compiling or encoding ran into once, however often the same input comes round again."""

import traceback
from collections.abc import Iterable
from typing import NamedTuple

from crossfade.compile.diagnostics import Fault
from crossfade_kube.logging import EventLog
from crossfade_kube.meta import ObjectRef


class _Kind(NamedTuple):
    """Faults of one kind: the same object, part and line of code."""

    ref: ObjectRef
    field: str
    exception: type[Exception]
    place: str


class FaultLog:
    """`tell` after every round; what was not seen in the last round is new when it comes back."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._told: frozenset[_Kind] = frozenset()

    def tell(self, faults: Iterable[Fault]) -> None:
        found = {_kind(fault): fault for fault in faults}
        for kind, fault in found.items():
            if kind not in self._told:
                self._log.exception("object.fault", fault.exception, object=fault.ref, field=fault.field)
        self._told = frozenset(found)


def _kind(fault: Fault) -> _Kind:
    frames = traceback.extract_tb(fault.exception.__traceback__, limit=-1)
    place = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return _Kind(fault.ref, fault.field, type(fault.exception), place)
