"""What the gateway's own proxy is given, and Events about what it refuses: on who is to blame, and on the pod."""

from typing import Final

from crossfade.compile.model import ProxyModel
from crossfade.envoy.resource_set import ResourceSet
from crossfade.envoy.resources import resources_from_model
from crossfade.envoy.settings import EnvoyOptions
from crossfade.status.kong_refusal import APPLY_FAILED, suspects
from crossfade.xds.publisher import Publisher, Rejection
from crossfade_kube.events import EventRecorder
from crossfade_kube.logging import EventLog
from crossfade_kube.meta import ObjectRef

PROXY: Final = "gateway"

log = EventLog("crossfade.gateway")


class GatewayPublication:
    """Belongs to one event loop; `publisher` is for the ADS server."""

    def __init__(self, events: EventRecorder, pod: ObjectRef, options: EnvoyOptions) -> None:
        self.publisher = Publisher(on_rejected=self._report)
        self._events = events
        self._pod = pod
        self._options = options
        self._model = ProxyModel()
        self._resources = ResourceSet({})
        self._taken = ProxyModel()

    def publish(self, model: ProxyModel) -> None:
        # The last one counts as taken as long as nothing of it was refused.
        if self.publisher.effective(PROXY) == self._resources:
            self._taken = self._model
        self._model, self._resources = model, resources_from_model(model, options=self._options)
        self.publisher.publish(PROXY, self._resources)

    def _report(self, rejection: Rejection) -> None:
        refused = rejection.rejected
        kind = refused.kind.name
        log.error("xds.nack", node=rejection.node, type=kind, name=refused.name, reason=refused.reason)
        text = f"the proxy refused {kind.lower()} {refused.name} and goes on with what it had: {refused.reason}"
        for ref in (*suspects(refused.kind, refused.name, self._model, self._taken), self._pod):
            self._events.warning(ref, APPLY_FAILED, text)
