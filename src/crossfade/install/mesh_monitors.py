"""Who scrapes the mesh's controllers and its sidecars."""

from typing import Any, Final

from crossfade.compile.mesh.sidecars import PROXY_LABEL
from crossfade.install.mesh_names import NAME
from crossfade.install.monitoring import OPERATOR_API
from crossfade.install.template.nodes import NAMESPACE, All, AnyOf, Given, HasApi, Merged, Value, When
from crossfade_kube.meta import JsonObject

_IS_USED: Final = All(
    (Value("podMonitor.enabled"), AnyOf((Value("podMonitor.trustCRDsExist"), HasApi(f"{OPERATOR_API}/PodMonitor"))))
)


def monitor_manifests(labels: Merged, selector: dict[str, str]) -> dict[str, Any]:
    controllers = {
        "podMetricsEndpoints": [_endpoint("metrics-server", "/metrics")],
        "selector": {"matchLabels": selector},
    }
    sidecars = {
        "podMetricsEndpoints": [_endpoint("stats", "/stats/prometheus")],
        "namespaceSelector": {"any": True},
        "selector": {"matchLabels": {PROXY_LABEL: "sidecar"}},
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
