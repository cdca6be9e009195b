"""What the gateway's own proxy is given, and Events about what it refuses: on who is to blame, and on the pod."""

from typing import Final

from crossfade.envoy.settings import EnvoyOptions
from crossfade.xds.gateway import GatewayPublication
from crossfade.xds.inquiry import Finding
from crossfade.xds.publisher import Peers
from crossfade_kube.events import EventRecorder
from crossfade_kube.logging import EventLog
from crossfade_kube.meta import ObjectRef

APPLY_FAILED: Final = "KongConfigurationApplyFailed"
SUCCEEDED: Final = "KongConfigurationSucceeded"

log = EventLog("crossfade.gateway")


def gateway_publication(
    options: EnvoyOptions, events: EventRecorder, pod: ObjectRef, peers: Peers | None = None
) -> GatewayPublication:
    """The Events are Kong's (kong.md §1.9); of success only the first one and the first after a failure are told."""
    has_succeeded = False

    def succeed() -> None:
        nonlocal has_succeeded
        if not has_succeeded:
            has_succeeded = True
            events.normal(pod, SUCCEEDED, "successfully applied Kong configuration to the proxy")

    def report(finding: Finding) -> None:
        nonlocal has_succeeded
        has_succeeded = False
        kind = finding.kind.name
        log.error("xds.nack", node=finding.node, type=kind, name=finding.name, reason=finding.reason)
        text = f"the proxy refused {kind.lower()} {finding.name} and goes on with what it had: {finding.reason}"
        for ref in (*(culprit.ref for culprit in finding.culprits), pod):
            events.warning(ref, APPLY_FAILED, text)

    return GatewayPublication(options, on_found=report, on_taken=succeed, peers=peers)
