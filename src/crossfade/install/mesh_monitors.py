"""Who scrapes the mesh's controllers, its sidecars and its virtual gateways."""

from typing import Any, Final

from crossfade.compile.mesh.sidecars import PROXY_LABEL
from crossfade.install.mesh_names import NAME
from crossfade.install.monitoring import OPERATOR_API
from crossfade.install.template.nodes import NAMESPACE, All, AnyOf, Given, HasApi, Merged, Value, When
from crossfade_kube.meta import JsonObject

_IS_USED: Final = All(
    (Value("podMonitor.enabled"), AnyOf((Value("podMonitor.trustCRDsExist"), HasApi(f"{OPERATOR_API}/PodMonitor"))))
)
# Envoy puts it before all names; alerts and dashboards know ours.
_WITHOUT_ENVOYS_PREFIX: Final = {
    "sourceLabels": ["__name__"],
    "regex": "envoy_(crossfade_.+)",
    "targetLabel": "__name__",
}


def monitor_manifests(labels: Merged, selector: dict[str, str]) -> dict[str, Any]:
    controllers = {
        "podMetricsEndpoints": [_endpoint("metrics-server", "/metrics")],
        "selector": {"matchLabels": selector},
    }
    sidecars = {
        "podMetricsEndpoints": [
            {**_endpoint("stats", "/stats/prometheus"), "metricRelabelings": [_WITHOUT_ENVOYS_PREFIX]}
        ],
        "namespaceSelector": {"any": True},
        "selector": {"matchExpressions": [{"key": PROXY_LABEL, "operator": "Exists"}]},
    }
    return {
        "pod-monitor.yaml": When(_IS_USED, _monitor(NAME, labels, controllers)),
        "pod-monitor-of-sidecars.yaml": When(_IS_USED, _monitor(f"{NAME}-sidecars", labels, sidecars)),
    }


def _endpoint(port: str, path: str) -> JsonObject:
    return {"port": port, "path": path, "scheme": "http", "interval": Given("podMonitor.interval")}


def _monitor(name: str, labels: Merged, spec: JsonObject) -> JsonObject:
    all_labels = Merged(labels.fixed, (*labels.more, Given("podMonitor.labels")))
    metadata = {"name": name, "namespace": NAMESPACE, "labels": all_labels}
    return {"apiVersion": OPERATOR_API, "kind": "PodMonitor", "metadata": metadata, "spec": spec}
