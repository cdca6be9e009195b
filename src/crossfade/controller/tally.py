"""What a controller knows of its own work, for its metrics; kept as it works, read when somebody scrapes."""

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import NamedTuple

from crossfade.admission.server import AdmissionTally
from crossfade.compile.diagnostics import Diagnostic, Severity
from crossfade.store.snapshot import Snapshot
from crossfade.xds.publisher import Publisher
from crossfade_kube.registry import TypedObject
from crossfade_kube.tally import Durations, WatchTally


class Expiry(NamedTuple):
    """When a certificate ends; `purpose` is `ingress`, `mesh` or `webhook`."""

    namespace: str
    name: str
    purpose: str
    at: datetime


class ControllerTally:
    """`proxies` is `sidecar` or `gateway`; `compile_failures` are compilations that gave the proxy nothing.

    `missing` is how many proxies are connected to no controller, as far as the leader knows.
    """

    def __init__(
        self,
        role: str,
        proxies: str,
        *,
        publisher: Publisher,
        watches: Callable[[], Iterable[tuple[str, WatchTally]]],
        expiries: Callable[[], Iterable[Expiry]] = tuple,
        missing: Callable[[], int] = int,
    ) -> None:
        self.role = role
        self.proxies = proxies
        self.publisher = publisher
        self.watches = watches
        self.expiries = expiries
        self.missing = missing
        self.compiles = Durations()
        self.compile_failures = 0
        self._snapshot = Snapshot(0, {})
        self._kinds: tuple[type[TypedObject], ...] = ()
        self._found: Iterable[Diagnostic] = ()
        self.statuses: Counter[tuple[str, str]] = Counter()
        self.admission = AdmissionTally()
        self.is_leader = False

    def compiled(
        self, took_s: float, snapshot: Snapshot, kinds: tuple[type[TypedObject], ...], found: Iterable[Diagnostic]
    ) -> None:
        """`found` is what is told of these objects."""
        self.compiles.add(took_s)
        self._snapshot, self._kinds, self._found = snapshot, kinds, found

    @property
    def objects(self) -> dict[str, int]:
        """By kind."""
        return {kind.RESOURCE.kind: len(self._snapshot.by_name(kind)) for kind in self._kinds}

    @property
    def diagnostics(self) -> Counter[tuple[str, str]]:
        """By severity and code."""
        return Counter((str(one.severity), one.code) for one in self._found)

    @property
    def broken(self) -> int:
        """Objects of which something has no effect."""
        return len({one.ref for one in self._found if one.severity is Severity.ERROR})
