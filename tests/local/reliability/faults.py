"""What can be done to which part of a cluster, and whom it may disturb: a table."""

import signal
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

Traffic = Literal["calm", "gateway"]
"""`calm` goes to an application that is never hit, `gateway` through a gateway and the mesh to one."""

_ALL: Final[frozenset[Traffic]] = frozenset({"calm", "gateway"})
_CALM: Final[frozenset[Traffic]] = frozenset({"calm"})
_NONE: Final[frozenset[Traffic]] = frozenset()


class Part(NamedTuple):
    spared: frozenset[Traffic]
    """What goes on when it is killed."""
    spared_when_stopped: frozenset[Traffic]
    when_stopped: Literal["replaced", "continued", "waits"] = "replaced"
    """By who watches it; nobody does of what waits until who stopped it continues it."""
    takes_all: bool = False
    """With it every process of the cluster ends."""


EMBEDDED: Final = {
    "up": Part(_NONE, _ALL, "waits", takes_all=True),
    "init": Part(_NONE, _NONE, takes_all=True),
    "node": Part(_NONE, _NONE, takes_all=True),
    "api": Part(_ALL, _ALL),
    "container": Part(_ALL, _ALL),
}
MESHED: Final = {
    "mesh controller": Part(_ALL, _ALL),
    "gateway controller": Part(_ALL, _ALL),
    "sidecar": Part(_ALL, _ALL, "continued"),
    "sidecar's launcher": Part(_ALL, _ALL, "waits"),
    "gateway": Part(_CALM, _ALL, "continued"),
    "gateway's launcher": Part(_CALM, _ALL, "waits"),
    "gateway's sidecar": Part(_CALM, _ALL, "continued"),
}
PARTS: Final = EMBEDDED | MESHED


@dataclass(frozen=True)
class Fault:
    victim: str
    number: signal.Signals

    def __str__(self) -> str:
        return f"{self.number.name} of {self.victim}"

    @property
    def part(self) -> Part:
        return PARTS[self.victim]

    @property
    def spared(self) -> frozenset[Traffic]:
        return self.part.spared_when_stopped if self.number is signal.SIGSTOP else self.part.spared

    @property
    def outcome(self) -> Literal["replaced", "continued", "waits"]:
        return self.part.when_stopped if self.number is signal.SIGSTOP else "replaced"


def faults(parts: dict[str, Part]) -> tuple[Fault, ...]:
    # `init` only waits for the node: stopped, it stops nothing.
    signals = {"init": (signal.SIGKILL,)}
    return tuple(
        Fault(name, number) for name in parts for number in signals.get(name, (signal.SIGKILL, signal.SIGSTOP))
    )
