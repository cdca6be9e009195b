"""Withdraws faults when errors spread: when a pod of the mesh that was ready under the fault is so no more.

Readiness is what the cluster itself takes as "cannot serve". Errors that leave every pod ready are not seen.
"""

from collections.abc import Iterable
from typing import NamedTuple

from crossfade.compile.mesh.readiness import Readiness
from crossfade.compile.routing.routes import Fault


class Withdrawal(NamedTuple):
    fault: Fault
    pod: str


class FaultGuard:
    """A fault that was withdrawn stays so until its author writes another."""

    def __init__(self) -> None:
        self._ready: dict[str, tuple[Fault, frozenset[str]]] = {}
        self._withdrawn: dict[str, Fault] = {}

    def allows(self, fault: Fault) -> bool:
        return self._withdrawn.get(fault.name) != fault

    def look(self, faults: Iterable[Fault], pods: Readiness) -> list[Withdrawal]:
        """Those that are withdrawn now, of all active `faults` of one mesh, with one of the pods that are to blame."""
        found = []
        for fault in faults:
            if not self.allows(fault):
                continue
            known = self._ready.get(fault.name)
            ready = known[1] if known is not None and known[0] == fault else frozenset()
            if failing := ready & pods.failing:
                self._withdrawn[fault.name] = fault
                found.append(Withdrawal(fault, min(failing)))
            self._ready[fault.name] = fault, ready | pods.ready
        return found

    def keep_only(self, faults: Iterable[str]) -> None:
        """Forgets all others."""
        names = set(faults)
        self._ready = {name: known for name, known in self._ready.items() if name in names}
        self._withdrawn = {name: fault for name, fault in self._withdrawn.items() if name in names}
