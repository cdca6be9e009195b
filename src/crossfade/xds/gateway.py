"""What the gateway's proxy is given: all that was built, without what it or the encoding refuses."""

from collections.abc import Callable, Iterator
from typing import Final

from crossfade.compile.model import ProxyModel
from crossfade.compile.withheld import Withheld, still_wanted, withheld, without
from crossfade.envoy.actions import action_table
from crossfade.envoy.encoding import unencodable
from crossfade.envoy.gateway import Built
from crossfade.envoy.listener import listener_from_model
from crossfade.envoy.names import GATEWAY_ROUTES
from crossfade.envoy.resource_set import Resource, ResourceSet, ResourceType, encoded
from crossfade.envoy.settings import EnvoyOptions
from crossfade.envoy.suspects import part_of
from crossfade.envoy.telemetry.counted import CountedViews
from crossfade.xds.inquiry import Finding, Inquiry, unencodable_finding
from crossfade.xds.publisher import Peers, Publisher, Rejection, Subscription
from crossfade.xds.session import Verdict

PROXY: Final = "gateway"


class GatewayPublication:
    """Belongs to one event loop; `publisher` is for the ADS server. `on_found` gets what is to be blamed for what.

    `on_taken` is called when the proxy has answered for everything.
    """

    def __init__(
        self,
        options: EnvoyOptions,
        *,
        on_found: Callable[[Finding], None],
        on_taken: Callable[[], None] = lambda: None,
        peers: Peers | None = None,
    ) -> None:
        self.publisher = Publisher(
            on_rejected=self._open,
            on_trial=self._record,
            on_taken=lambda _: on_taken(),
            peers=peers,
            view=self._seen_by,
        )
        self._counted = CountedViews()
        self._options = options
        self._inquiry = Inquiry(self.publisher, options, on_found=self._found)
        self._on_found = on_found
        self._built: Built | None = None
        self._held = Withheld()
        self._asked_about: dict[tuple[ResourceType, str], ProxyModel] = {}
        self._drops_retired = False

    def publish(self, built: Built) -> None:
        self._built = built
        self._held = still_wanted(self._held, built.model)
        self._drops_retired = False
        findings = [unencodable_finding(PROXY, one) for one in unencodable(built.model, built.failed, self._options)]
        for finding in findings:
            self._hold_back(finding, built.model)
        self._publish(built)
        for finding in findings:
            self._on_found(finding)

    def withdraw(self) -> None:
        """Until the next `publish` a proxy that comes anew waits; one that is there goes on with what it has."""
        self._built = None
        self.publisher.withdraw(PROXY)

    def _seen_by(self, stream: Subscription, resources: ResourceSet) -> ResourceSet:
        if self._built is None:
            return resources
        return self._counted.of(stream.proxy, self._built.model, resources, stream.features)

    def _publish(self, built: Built) -> None:
        self.publisher.publish(PROXY, self._resources(built))

    def _resources(self, built: Built) -> ResourceSet:
        resources = built.resources
        for kind, name, resource in self._instead(built.model):
            resources = resources.with_resource(kind, name, resource)
        return resources

    def _instead(self, model: ProxyModel) -> Iterator[tuple[ResourceType, str, Resource]]:
        left = without(model, self._held)
        for listener in left.listeners if self._held.chains else ():
            if listener not in model.listeners:
                message = listener_from_model(listener, self._options)
                yield ResourceType.LISTENER, listener.name, encoded(listener.name, message)
        if self._held.actions or self._held.hosts or self._drops_retired:
            yield ResourceType.ROUTES, GATEWAY_ROUTES, _actions(left, self._options)

    def _open(self, rejection: Rejection) -> None:
        built, rejected = self._built, rejection.rejected
        if built is None:
            return
        model = without(built.model, self._held)
        is_table = rejected.kind is ResourceType.ROUTES and rejected.name == GATEWAY_ROUTES
        if is_table and rejected.resource.version != _actions(model, self._options).version:
            # What no route wants any more may be to blame, and nobody would miss it.
            self._drops_retired = True
            self._publish(built)
            return
        self._asked_about[rejected.kind, rejected.name] = model
        self._inquiry.open(rejection, model)

    def _record(self, proxy: str, verdict: Verdict) -> None:
        self._inquiry.record(proxy, verdict)

    def _found(self, finding: Finding) -> None:
        model = self._asked_about.pop((finding.kind, finding.name), None)
        if model is not None and self._built is not None:
            self._hold_back(finding, model)
            self._publish(self._built)
        self._on_found(finding)

    def _hold_back(self, finding: Finding, model: ProxyModel) -> None:
        part = part_of(model, finding.kind, finding.name)
        if part is not None:
            self._held = withheld(self._held, part, [culprit.ref for culprit in finding.culprits])


def _actions(model: ProxyModel, options: EnvoyOptions) -> Resource:
    actions, mesh = ({}, {}) if model.gateway is None else (model.gateway.actions, model.gateway.mesh)
    return encoded(GATEWAY_ROUTES, action_table(actions, options, mesh))
