"""Withdraws faults when errors spread: when a pod of the mesh that was ready under the fault is so no more, or when
more requests to a node of it fail than the fault's author allows.

Readiness is what the cluster itself takes as "cannot serve"; the share of failing requests is what callers' proxies
report of endpoints' answers.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from crossfade.compile.mesh.readiness import Readiness
from crossfade.compile.routing.routes import Fault
from crossfade.controller.mesh.error_shares import Spread


class Withdrawal(NamedTuple):
    """`cause` is a pod, or what spreads."""

    fault: Fault
    cause: str | Spread


class FaultGuard:
    """A fault that was withdrawn stays so until its author writes another."""

    def __init__(self) -> None:
        self._ready: dict[str, tuple[Fault, frozenset[str]]] = {}
        self._withdrawn: dict[str, Fault] = {}

    def allows(self, fault: Fault) -> bool:
        return self._withdrawn.get(fault.name) != fault

    def look(
        self, faults: Iterable[Fault], pods: Readiness, worst: Callable[[Fault], Spread | None] = lambda _: None
    ) -> list[Withdrawal]:
        """Those that are withdrawn now, of all active `faults` of one mesh, with one of the causes.

        `worst` is of the node to which most requests have failed since the fault began.
        """
        found = []
        for fault in faults:
            if not self.allows(fault):
                continue
            if (spread := worst(fault)) is not None and spread.percent > fault.stop_percent:
                self._withdrawn[fault.name] = fault
                found.append(Withdrawal(fault, spread))
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
