"""The manifests of one gateway, with names, labels and ports as Kong's chart 1.11 gives them; the Kong kinds' CRDs."""

import json
from importlib.resources import files
from typing import Final

import yaml
from msgspec import Struct

from crossfade import __version__
from crossfade.api.gateway_api.reference_grant import ReferenceGrant
from crossfade.install.field_descriptions import add_descriptions
from crossfade.install.gateway_chart.chart import GATEWAY_CHART
from crossfade.install.gateway_chart.drain import DRAIN_S
from crossfade.install.gateway_chart.names import (
    CONTROLLER_NAME,
    ELECTION_ID,
    FULLNAME,
    HEALTH_PORT,
    METRICS_PORT,
    WEBHOOK_NAME,
    WEBHOOK_SERVICE,
)
from crossfade.install.template.evaluate import Context, evaluate
from crossfade.install.template.values import overlaid
from crossfade_kube.meta import JsonObject, Resource

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

# With what the names of the Secrets begin that hold certificates of the plugin acme.
ACME_SECRETS: Final = "kong-kong-acme"


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


def gateway_crds() -> list[JsonObject]:
    """CustomResourceDefinitions of all Kong kinds, ordered by name."""
    folder = files("crossfade.install").joinpath("kong")
    entries = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".yaml")), key=lambda each: each.name)
    return [add_descriptions(crd) for crd in _unshared([yaml.safe_load(entry.read_text("utf-8")) for entry in entries])]


def gateway_api_crds() -> list[JsonObject]:
    """Of the Gateway API's kinds that the gateway reads: for clusters of our own. Others bring the API itself."""
    return [crd for crd in (gateway_crd(ReferenceGrant.RESOURCE),) if crd is not None]


def gateway_crd(kind: Resource) -> JsonObject | None:
    """The CustomResourceDefinition of one kind that the gateway reads; None for built-in kinds and foreign ones."""
    for folder in ("kong", "gateway_api"):
        entry = files("crossfade.install").joinpath(folder, f"{kind.plural}.yaml")
        if entry.is_file():
            crd: JsonObject = yaml.safe_load(entry.read_text("utf-8"))
            return add_descriptions(crd) if crd["spec"]["group"] == kind.group else None
    return None


def gateway_manifests(settings: GatewayInstallSettings) -> list[JsonObject]:
    """Everything but the CRDs and the namespace, in the order in which they should be applied.

    Raises ValueError for values that do not exist here.
    """
    return GATEWAY_CHART.manifests(settings.context())


def gateway_remarks(settings: GatewayInstallSettings) -> list[str]:
    """On values that have no effect."""
    return GATEWAY_CHART.without_effect(settings.context())


def _unshared(objects: list[JsonObject]) -> list[JsonObject]:
    """Parts that objects share would be printed as YAML anchors."""
    return [json.loads(json.dumps(item)) for item in objects]
