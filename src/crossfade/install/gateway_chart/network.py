"""Who may reach a gateway's pods, and who scrapes them."""

from typing import Any, Final

from crossfade.install.gateway_chart.names import FULLNAME, SELECTOR, manifest
from crossfade.install.gateway_defaults import HEALTH_PORT, METRICS_PORT
from crossfade.install.monitoring import OPERATOR_API
from crossfade.install.template.nodes import All, AnyOf, Each, Given, HasApi, Item, Value, When, first_of, text
from crossfade.observe.access import CLUSTER_PORT
from crossfade_kube.meta import JsonObject

_MONITOR_IS_KNOWN: Final = HasApi(f"{OPERATOR_API}/ServiceMonitor")
_MONITOR: Final = All(
    (Value("serviceMonitor.enabled"), AnyOf((Value("serviceMonitor.trustCRDsExist"), _MONITOR_IS_KNOWN)))
)
_METRICS_LABEL: Final = "enable-metrics"
_METRICS_SERVICE: Final = text(FULLNAME, "-metrics")


def network() -> dict[str, Any]:
    return {
        "network-policy.yaml": When(Value("networkPolicy.enabled"), _policy()),
        "metrics-service.yaml": When(_MONITOR, _metrics_service()),
        "service-monitor.yaml": When(_MONITOR, _monitor()),
    }


def _policy() -> JsonObject:
    """Clients, the API server, probes and scrapers; what the gateway itself calls is not restricted."""
    webhook = Value("ingressController.admissionWebhook")
    stream = {"port": Item("containerPort"), "protocol": first_of(Item("protocol"), "TCP")}
    ports = [
        When(Value("proxy.http.enabled"), _tcp(Value("proxy.http.containerPort"))),
        When(Value("proxy.tls.enabled"), _tcp(Value("proxy.tls.containerPort"))),
        Each(Value("proxy.stream"), stream),
    ]
    of_cluster = [
        _tcp(Value("status.http.containerPort")),
        _tcp(HEALTH_PORT),
        _tcp(METRICS_PORT),
        _tcp(CLUSTER_PORT),
        When(Value(f"{webhook.path}.enabled"), _tcp(Value(f"{webhook.path}.port"))),
    ]
    return manifest(
        "networking.k8s.io/v1",
        "NetworkPolicy",
        FULLNAME,
        spec={
            "podSelector": {"matchLabels": SELECTOR},
            "policyTypes": ["Ingress"],
            "ingress": [{"ports": ports}, {"ports": of_cluster}, Given("networkPolicy.ingress")],
        },
    )


def _tcp(port: Any) -> JsonObject:
    return {"port": port, "protocol": "TCP"}


def _metrics_service() -> JsonObject:
    port = {"name": "status", "port": Value("status.http.containerPort"), "targetPort": "status", "protocol": "TCP"}
    of_controller = {"name": "cmetrics", "port": METRICS_PORT, "targetPort": "cmetrics", "protocol": "TCP"}
    ports = [port, of_controller]
    service = manifest("v1", "Service", _METRICS_SERVICE, spec={"selector": SELECTOR, "ports": ports})
    service["metadata"]["labels"].fixed[_METRICS_LABEL] = "true"
    return service


def _monitor() -> JsonObject:
    endpoints = [
        {"targetPort": port, "path": "/metrics", "scheme": "http", "interval": Given("serviceMonitor.interval")}
        for port in ("status", "cmetrics")
    ]
    return manifest(
        OPERATOR_API,
        "ServiceMonitor",
        FULLNAME,
        more_labels=(Given("serviceMonitor.labels"),),
        spec={
            "endpoints": endpoints,
            "namespaceSelector": Given("serviceMonitor.namespaceSelector"),
            "selector": {"matchLabels": {**SELECTOR, _METRICS_LABEL: "true"}},
        },
    )
