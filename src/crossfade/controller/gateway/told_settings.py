"""The settings that this pod's proxy has in its own environment, added to the controller's own.

Who reaches the ADS server is the gateway's proxy: nobody else can, the server is on the pod's loopback. What it tells
holds for what it gets itself; nothing that it tells can make the controller read its own files or variables.
"""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from crossfade.certs.default_certificate import default_certificate
from crossfade.compile.gateway.settings import CompileSettings
from crossfade.kong_conf.reading import Reading, Remark
from crossfade.kong_conf.told import LARGEST_BYTES, Merged, merged, read_told, size_of
from crossfade.xds.publisher import PeerRefusedError, Subscription
from crossfade_kube.logging import EventLog

_MOST_REMARKS: Final = 500

log = EventLog("crossfade.gateway")


class ToldSettings:
    """Belongs to one event loop. Of several proxies at once the one that came first counts, until it leaves."""

    def __init__(self, own: CompileSettings, own_names: frozenset[str], *, on_changed: Callable[[], None]) -> None:
        """`on_changed` is called when `settings` are others than before."""
        self.settings = own
        self._own = own
        self._own_names = own_names
        self._on_changed = on_changed
        self._readings: dict[Subscription, Reading] = {}
        self._remarked: set[Remark] = set()

    def introduced(self, subscription: Subscription) -> None:
        reading = self._read(subscription.told)
        self._tell(self._merge(reading))
        self._readings[subscription] = reading
        first = next(iter(self._readings.values()))
        if first.settings != reading.settings:
            where = f"proxy {subscription.node}"
            self._remark(
                Remark(where, "tells other settings than the proxy that came before it; the first one's count")
            )
        self._take(first)

    def left(self, subscription: Subscription) -> None:
        self._readings.pop(subscription, None)
        if self._readings:
            self._take(next(iter(self._readings.values())))

    def _read(self, texts: Mapping[str, str]) -> Reading:
        size = size_of(texts.items())
        if size > LARGEST_BYTES:
            raise PeerRefusedError(f"settings of {size} bytes; there can be {LARGEST_BYTES}")
        reading = read_told(texts)
        if reading.errors:
            self._remark(Remark("a proxy", f"tells settings that cannot be used and gets nothing: {reading.errors[0]}"))
            raise PeerRefusedError("\n".join(reading.errors))
        return reading

    def _merge(self, reading: Reading) -> Merged:
        try:
            return merged(self._own.kong, self._own_names, reading)
        except ValueError as problem:
            self._remark(Remark("a proxy", f"tells settings that cannot be used and gets nothing: {problem}"))
            raise PeerRefusedError(str(problem)) from None

    def _take(self, reading: Reading) -> None:
        kong = self._merge(reading).settings
        if kong == self.settings.kong:
            return
        certificate = self._own.default_certificate or self.settings.default_certificate or default_certificate(kong)
        self.settings = msgspec.structs.replace(self._own, kong=kong, default_certificate=certificate)
        log.info("settings.told", names=sorted(reading.given.keys() - self._own_names))
        self._on_changed()

    def _tell(self, found: Merged) -> None:
        for remark in found.remarks:
            self._remark(remark)

    def _remark(self, remark: Remark) -> None:
        """Once, however often proxies come and go."""
        if remark not in self._remarked and len(self._remarked) < _MOST_REMARKS:
            self._remarked.add(remark)
            log.warning("settings.told", setting=remark.where, reason=remark.text)
