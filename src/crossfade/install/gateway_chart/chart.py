"""All of it."""

from typing import Final

from crossfade.install.chart import Chart
from crossfade.install.gateway_chart.access import access
from crossfade.install.gateway_chart.deployment import deployment
from crossfade.install.gateway_chart.names import CLUSTER_NAME, FULLNAME, labels
from crossfade.install.gateway_chart.network import network
from crossfade.install.gateway_chart.release_test import release_test_of_proxy
from crossfade.install.gateway_chart.scaling import scaling
from crossfade.install.gateway_chart.services import services
from crossfade.install.gateway_chart.tracing import tracing
from crossfade.install.gateway_chart.values import TABLE
from crossfade.install.gateway_chart.webhook import webhook
from crossfade.install.monitoring import monitoring_manifests
from crossfade.install.template.nodes import text

GATEWAY_CHART: Final = Chart(
    "kong",
    "A gateway for Kong's objects on Envoy: controller and proxy",
    TABLE,
    {
        **access(),
        **services(),
        **webhook(),
        "deployment.yaml": deployment(),
        **scaling(),
        **network(),
        **monitoring_manifests("gateway", FULLNAME, text(CLUSTER_NAME, "-dashboards"), labels()),
        **tracing(),
    },
    (
        'Clients reach it by the Service {{ include "kong.proxyServiceName" . }}; Ingresses of class',
        "{{ .Values.ingressController.ingressClass }} are its own.",
    ),
    {"reach.yaml": release_test_of_proxy()},
)
