"""What the mesh's proxies are given, and which objects they or their encoding refuse."""

from collections.abc import Callable
from typing import NamedTuple

from crossfade.compile.diagnostics import Fault
from crossfade.compile.mesh import MeshModel
from crossfade.compile.model import ProxyModel
from crossfade.envoy.encoding import Encoding, Unencodable, encode
from crossfade.envoy.resource_set import ResourceSet, ResourceType
from crossfade.envoy.settings import EnvoyOptions
from crossfade.xds.inquiry import Culprit, Finding, Inquiry
from crossfade.xds.publisher import Publisher, Rejection
from crossfade.xds.session import Verdict


class _Built(NamedTuple):
    model: ProxyModel
    resources: ResourceSet
    unencodable: tuple[Unencodable, ...]


class MeshPublication:
    """Belongs to one event loop; `publisher` is for the ADS server. `on_found` gets what is to be blamed for what."""

    def __init__(self, *, on_found: Callable[[Finding], None]) -> None:
        self.publisher = Publisher(on_rejected=self._open, on_trial=self._record)
        self._options = EnvoyOptions()
        self._inquiry = Inquiry(self.publisher, self._options, on_found=on_found)
        self._on_found = on_found
        self._built: dict[str, _Built] = {}

    def publish(self, model: MeshModel) -> list[Fault]:
        """An owner without proxy keeps what it has. Gives what encoding failed on, for the log."""
        faults: list[Fault] = []
        for path, proxy in model.proxies.items():
            built = self._encoded(path, proxy)
            self._built[path] = built
            self.publisher.publish(path, built.resources)
            faults += [Fault(model.owners[path], one.name, one.exception) for one in built.unencodable]
        for gone in self._built.keys() - model.owners.keys():
            del self._built[gone]
            self._inquiry.drop(gone)
            self.publisher.withdraw(gone)
        return faults

    def blame(self) -> None:
        """Reports what encoding failed on; apart from `publish`, since that may lead to another compilation."""
        for path, built in self._built.items():
            for one in built.unencodable:
                reason = f"it cannot be encoded ({type(one.exception).__name__})"
                culprits = tuple(Culprit(ref, reason) for ref in one.culprits)
                self._on_found(Finding(path, "", one.kind, one.name, reason, culprits))

    def _encoded(self, path: str, proxy: ProxyModel) -> _Built:
        known = self._built.get(path)
        # Building messages costs more than comparing models, and most changes concern few proxies.
        if known is not None and known.model == proxy:
            return known
        encoded = encode(proxy, self._options)
        return _Built(proxy, _completed(encoded, known), encoded.unencodable)

    def _open(self, rejection: Rejection) -> None:
        built = self._built.get(rejection.proxy)
        if built is not None:
            self._inquiry.open(rejection, built.model)

    def _record(self, proxy: str, verdict: Verdict) -> None:
        self._inquiry.record(proxy, verdict)


def _completed(encoded: Encoding, known: _Built | None) -> ResourceSet:
    """With the last good version of what could not be encoded."""
    resources = encoded.resources
    for one in encoded.unencodable if known is not None else ():
        for kind in _KINDS.get(one.kind, (one.kind,)):
            if known is not None and (last := known.resources.of(kind).get(one.name)) is not None:
                resources = resources.with_resource(kind, one.name, last)
    return resources


_KINDS = {ResourceType.CLUSTER: (ResourceType.CLUSTER, ResourceType.ENDPOINTS)}
