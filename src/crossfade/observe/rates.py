"""How much proxies may tell: a little at any time, more of those that somebody watches, for a minute at most.

The sum over all proxies has a bound, whatever their number, so that the control plane's own work has one.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from crossfade.envoy.resource_set import Resource
from crossfade.envoy.telemetry.records import Rate, buckets
from crossfade.xds.publisher import Publisher

MOST_WATCHED_S: Final = 60.0
# Of one proxy, of all together, and of all that are watched: a second.
_USUAL: Final = 20.0
_USUAL_OF_ALL: Final = 200.0
_WATCHED_OF_ALL: Final = 1000.0
_SMALLEST: Final = 1 / 64
_SECONDS_AT_ONCE: Final = 10


class Rates:
    """Belongs to the publisher's event loop. `adjust` is to be called now and then, as proxies come and go."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._watched: dict[object, Collection[str] | None] = {}
        self._raised: frozenset[str] = frozenset()
        self.adjust()

    @contextmanager
    def watching(self, proxies: Collection[str] | None) -> Iterator[None]:
        """Those proxies, by key, may tell more; None: all of them."""
        token = object()
        self._watched[token] = proxies
        self.adjust()
        try:
            yield
        finally:
            del self._watched[token]
            self.adjust()

    def adjust(self) -> None:
        connected = {proxy: len(nodes) for proxy, nodes in self._publisher.connected().items()}
        self._publisher.set_buckets(_usual(sum(connected.values())))
        raised = frozenset(self._watched_of(connected))
        rate = _share(_WATCHED_OF_ALL, sum(connected[proxy] for proxy in raised), most=_WATCHED_OF_ALL)
        for proxy in raised:
            self._publisher.set_buckets_of(proxy, buckets(Rate(rate, max(1, round(rate)))))
        for proxy in self._raised - raised:
            self._publisher.set_buckets_of(proxy, None)
        self._raised = raised

    def _watched_of(self, connected: Collection[str]) -> Iterator[str]:
        for proxies in self._watched.values():
            yield from (connected if proxies is None else (one for one in proxies if one in connected))


def _usual(streams: int) -> Mapping[str, Resource]:
    rate = _share(_USUAL_OF_ALL, streams, most=_USUAL)
    return buckets(Rate(rate, max(1, round(_SECONDS_AT_ONCE * rate))))


def _share(of_all: float, streams: int, *, most: float) -> float:
    """By powers of two: a proxy more or less is no reason to tell all of them."""
    share = most
    while share * streams > of_all and share > _SMALLEST:
        share /= 2
    return share
