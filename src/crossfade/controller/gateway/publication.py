"""What the gateway's own proxy is given, and Events about what it refuses: on who is to blame, and on the pod."""

from typing import Final

from crossfade.compile.model import ProxyModel
from crossfade.envoy.gateway import Built
from crossfade.status.kong_refusal import APPLY_FAILED, suspects
from crossfade.xds.publisher import Publisher, Rejection
from crossfade_kube.events import EventRecorder
from crossfade_kube.logging import EventLog
from crossfade_kube.meta import ObjectRef

PROXY: Final = "gateway"

log = EventLog("crossfade.gateway")


class GatewayPublication:
    """Belongs to one event loop; `publisher` is for the ADS server."""

    def __init__(self, events: EventRecorder, pod: ObjectRef) -> None:
        self.publisher = Publisher(on_rejected=self._report)
        self._events = events
        self._pod = pod
        self._model = ProxyModel()

    def publish(self, built: Built) -> None:
        self._model = built.model
        self.publisher.publish(PROXY, built.resources)

    def _report(self, rejection: Rejection) -> None:
        refused = rejection.rejected
        kind = refused.kind.name
        log.error("xds.nack", node=rejection.node, type=kind, name=refused.name, reason=refused.reason)
        text = f"the proxy refused {kind.lower()} {refused.name} and goes on with what it had: {refused.reason}"
        for ref in (*suspects(refused.kind, refused.name, self._model), self._pod):
            self._events.warning(ref, APPLY_FAILED, text)
