"""What the mesh's proxies are given, and which objects they or their encoding refuse."""

from collections.abc import Callable
from typing import NamedTuple

from crossfade.compile.diagnostics import Fault
from crossfade.compile.mesh import MeshModel
from crossfade.compile.model import ProxyModel
from crossfade.envoy.encoding import Unencodable, unencodable
from crossfade.envoy.resource_set import ResourceSet
from crossfade.envoy.resources import Encoded, resources_from_model
from crossfade.envoy.settings import EnvoyOptions
from crossfade.xds.inquiry import Finding, Inquiry, unencodable_finding
from crossfade.xds.publisher import Publisher, Rejection
from crossfade.xds.session import Verdict


class _Built(NamedTuple):
    model: ProxyModel
    memory: Encoded
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
                self._on_found(unencodable_finding(path, one))

    def _encoded(self, path: str, proxy: ProxyModel) -> _Built:
        known = self._built.get(path)
        # Building messages costs more than comparing models, and most changes concern few proxies.
        if known is not None and known.model == proxy:
            return known
        memory = Encoded() if known is None else known.memory
        resources = resources_from_model(proxy, options=self._options, before=memory)
        return _Built(proxy, memory, resources, unencodable(proxy, memory.failed, self._options))

    def _open(self, rejection: Rejection) -> None:
        built = self._built.get(rejection.proxy)
        if built is not None:
            self._inquiry.open(rejection, built.model)

    def _record(self, proxy: str, verdict: Verdict) -> None:
        self._inquiry.record(proxy, verdict)
