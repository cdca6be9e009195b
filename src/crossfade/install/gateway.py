"""The manifests of one gateway, with names, labels and ports as Kong's chart 1.11 gives them."""

from msgspec import Struct

from crossfade import __version__
from crossfade.install.gateway_chart.chart import GATEWAY_CHART
from crossfade.install.gateway_chart.drain import DRAIN_S
from crossfade.install.gateway_chart.names import (
    FULLNAME,
    WEBHOOK_NAME,
    WEBHOOK_SERVICE,
)
from crossfade.install.gateway_defaults import ACME_SECRETS, CONTROLLER_NAME, ELECTION_ID, HEALTH_PORT, METRICS_PORT
from crossfade.install.gateway_definitions import gateway_api_crds, gateway_crd, gateway_crds
from crossfade.install.template.evaluate import Context, evaluate
from crossfade.install.template.values import overlaid
from crossfade_kube.meta import JsonObject

__all__ = [
    "ACME_SECRETS",
    "CONTROLLER_NAME",
    "ELECTION_ID",
    "HEALTH_PORT",
    "METRICS_PORT",
    "GatewayInstallSettings",
    "gateway_api_crds",
    "gateway_crd",
    "gateway_crds",
    "gateway_manifests",
    "gateway_remarks",
]


class GatewayInstallSettings(Struct, frozen=True):
    """`compat` is the profile of texts and headers; Kong's chart 1.11 shipped Kong 2.1.

    An ending pod serves for `drain_s` seconds at least: until kube-proxy, or a load balancer, sends it no more.
    `missing_plugins` and `identity_headers` as in `compile.gateway.settings`. With `mesh_native` the gateway needs no
    sidecar to be a virtual node. `values` are values of the chart and go before the others. `apis` are what the
    cluster serves, as `group/version/Kind`.
    """

    release: str = "kong"
    namespace: str = "kong"
    compat: str = "kong-2.1"
    missing_plugins: str = "closed"
    identity_headers: str = "strip"
    ingress_class: str = "kong"
    version: str = __version__
    has_webhook: bool = True
    mesh_native: bool = False
    drain_s: int = DRAIN_S
    values: JsonObject = {}
    apis: frozenset[str] = frozenset()

    @property
    def fullname(self) -> str:
        """As the chart: `<release>-kong`."""
        return str(evaluate(FULLNAME, self.context()))

    @property
    def webhook_name(self) -> str:
        return str(evaluate(WEBHOOK_NAME, self.context()))

    @property
    def webhook_service(self) -> str:
        return str(evaluate(WEBHOOK_SERVICE, self.context()))

    def context(self) -> Context:
        """Raises ValueError for values that do not exist here."""
        return GATEWAY_CHART.context(
            self.all_values(),
            release=self.release,
            namespace=self.namespace,
            version=self.version,
            apis=self.apis,
        )

    def all_values(self) -> JsonObject:
        own = {
            "crossfade": {
                "compat": self.compat,
                "missingPlugins": self.missing_plugins,
                "identityHeaders": self.identity_headers,
                "meshNative": self.mesh_native,
                "drainSeconds": self.drain_s,
            },
            "ingressController": {
                "ingressClass": self.ingress_class,
                "admissionWebhook": {"enabled": self.has_webhook},
            },
        }
        return overlaid(own, self.values)


def gateway_manifests(settings: GatewayInstallSettings) -> list[JsonObject]:
    """Everything but the CRDs and the namespace, in the order in which they should be applied.

    Raises ValueError for values that do not exist here.
    """
    return GATEWAY_CHART.manifests(settings.context())


def gateway_remarks(settings: GatewayInstallSettings) -> list[str]:
    """On values that have no effect."""
    return GATEWAY_CHART.without_effect(settings.context())
