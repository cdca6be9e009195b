"""A real Prometheus in a pod of an embedded cluster, which scrapes what the operator would have it scrape."""

import json
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import yaml

from tests.support.cluster import EmbeddedCluster
from tests.support.documentation import ROOT

Json = dict[str, Any]

_PAGE: Final = "docs/how-to/prometheus-and-grafana.md"
IMAGE: Final = "prometheus:here"
NAMESPACE: Final = "monitoring"
_PORT: Final = 9090
_RULES: Final = "rules.yaml"
_CONFIG: Final = "/etc/prometheus"
IMAGES: Final = (
    f'- {{match: "{IMAGE}", argv: [prometheus, --config.file={_CONFIG}/prometheus.yml, --storage.tsdb.path=/tmp/data,'
    " --log.level=warn]}\n"
)
"""Of a catalogue for `crossfade up --images`."""
_META: Final = "__meta_kubernetes"


class Prometheus:
    """Asked through the API server."""

    def __init__(self, proxy: str, jobs: Iterable[str]) -> None:
        self.jobs: Final = tuple(jobs)
        self._url: Final = f"{proxy}/api/v1/namespaces/{NAMESPACE}/pods/prometheus:{_PORT}/proxy/api/v1"

    def ask(self, path: str, **query: str) -> Any:
        """None while it does not answer."""
        try:
            with urllib.request.urlopen(f"{self._url}/{path}?{urlencode(query)}", timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.URLError:
            return None

    def series(self, query: str) -> list[Any]:
        found = self.ask("query", query=query)
        return found["result"] if found is not None else []

    def labels_of(self, query: str, label: str) -> set[str]:
        return {one["metric"].get(label, "") for one in self.series(query)}


@contextmanager
def prometheus(cluster: EmbeddedCluster, monitors: Mapping[str, Json], rules: Json) -> Iterator[Prometheus]:
    """`monitors` are PodMonitors and ServiceMonitors: the jobs of each go by its name here, with their number."""
    targets = _Targets(cluster)
    jobs = [job for name, monitor in monitors.items() for job in _jobs(name, monitor, targets)]
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [f"{_CONFIG}/{_RULES}"],
        "scrape_configs": jobs,
    }
    files = {"prometheus.yml": yaml.safe_dump(config), _RULES: yaml.safe_dump(rules)}
    text = yaml.safe_dump_all(_manifests(files))
    cluster.kubectl("apply", "-f", "-", stdin=text)
    try:
        cluster.kubectl("wait", "pod/prometheus", "-n", NAMESPACE, "--for=condition=Ready", "--timeout=60s")
        with _proxy(cluster) as url:
            yield Prometheus(url, (job["job_name"] for job in jobs))
    finally:
        cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


@contextmanager
def _proxy(cluster: EmbeddedCluster) -> Iterator[str]:
    kubectl = str(Path(sys.executable).parent / "kubectl")
    command = [kubectl, "--kubeconfig", str(cluster.kubeconfig), "proxy", "--port=0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"http://{process.stdout.readline().split()[-1]}"
        finally:
            process.terminate()


def shipped_monitors(cluster: EmbeddedCluster) -> dict[str, Json]:
    """Those of the how-to, and those of the charts, for a gateway `kong`; Services that they choose are applied."""
    blocks = re.findall(r"^```yaml\n(.*?)^```$", (ROOT / _PAGE).read_text(), re.MULTILINE | re.DOTALL)
    of_charts = [
        *_printed(cluster, "mesh", "podMonitor"),
        *_printed(cluster, "gateway", "serviceMonitor", "--release", "kong", "--namespace", "kong"),
    ]
    for one in of_charts:
        if one["kind"] == "Service" and "enable-metrics" in one["metadata"]["labels"]:
            cluster.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(one))
    items = {"how-to": map(yaml.safe_load, blocks), "chart": of_charts}
    return {
        f"{origin}/{item['metadata']['name']}": item
        for origin, found in items.items()
        for item in found
        if item.get("kind", "").endswith("Monitor")
    }


def _printed(cluster: EmbeddedCluster, part: str, monitor: str, *options: str) -> list[Json]:
    values = cluster.data_dir / "monitors.yaml"
    values.write_text(yaml.safe_dump({monitor: {"enabled": True, "trustCRDsExist": True}}))
    done = cluster.crossfade("install", part, "-f", str(values), "--crds", "without", *options)
    assert done.returncode == 0, done.stderr
    return [item for item in yaml.safe_load_all(done.stdout) if item]


class _Targets:
    """What discovery in a cluster finds, with the labels that it has for a relabeling: Debian's build knows none."""

    def __init__(self, cluster: EmbeddedCluster) -> None:
        found = [json.loads(cluster.kubectl("get", kind, "-A", "-o", "json"))["items"] for kind in ("pods", "services")]
        self._pods, self._services = found

    def of_pods(self) -> list[Json]:
        return [target for pod in self._pods for target in _targets_of(pod, _labels("pod", pod))]

    def of_services(self) -> list[Json]:
        return [
            target
            for service in self._services
            for pod in self._pods
            if _selects(service, pod)
            for target in _targets_of(pod, _labels("service", service))
        ]


def _targets_of(pod: Json, labels: Json) -> Iterator[Json]:
    spec, address = pod["spec"], pod["status"].get("podIP")
    for container in [*(spec.get("initContainers") or ()), *spec["containers"]]:
        for port in container.get("ports") or ():
            own = {
                f"{_META}_namespace": pod["metadata"]["namespace"],
                f"{_META}_pod_name": pod["metadata"]["name"],
                f"{_META}_pod_container_port_name": port.get("name", ""),
                f"{_META}_pod_container_port_number": str(port["containerPort"]),
            }
            if address:
                yield {"targets": [f"{address}:{port['containerPort']}"], "labels": {**labels, **own}}


def _labels(kind: str, item: Json) -> Json:
    found: Json = {}
    for key, value in (item["metadata"].get("labels") or {}).items():
        found |= {f"{_META}_{kind}_label_{_sanitized(key)}": value}
        found |= {f"{_META}_{kind}_labelpresent_{_sanitized(key)}": "true"}
    return found


def _selects(service: Json, pod: Json) -> bool:
    selector = service["spec"].get("selector") or {}
    is_beside = service["metadata"]["namespace"] == pod["metadata"]["namespace"]
    return bool(selector) and is_beside and selector.items() <= (pod["metadata"].get("labels") or {}).items()


def _jobs(name: str, monitor: Json, targets: _Targets) -> Iterator[Json]:
    """What the operator makes of a monitor."""
    spec = monitor["spec"]
    is_of_pods = monitor["kind"] == "PodMonitor"
    found = targets.of_pods() if is_of_pods else targets.of_services()
    for number, endpoint in enumerate(spec["podMetricsEndpoints" if is_of_pods else "endpoints"]):
        yield {
            "job_name": f"{name}/{number}",
            "metrics_path": endpoint["path"],
            "static_configs": found,
            "relabel_configs": [
                *_places(monitor),
                *_chosen(spec["selector"], "pod" if is_of_pods else "service"),
                *_port(endpoint),
            ],
            "metric_relabel_configs": [_rule(one) for one in endpoint.get("metricRelabelings") or ()],
        }


def _places(monitor: Json) -> Iterator[Json]:
    if not (monitor["spec"].get("namespaceSelector") or {}).get("any", False):
        regex = monitor["metadata"]["namespace"]
        yield {"source_labels": [f"{_META}_namespace"], "regex": regex, "action": "keep"}


def _chosen(selector: Json, kind: str) -> Iterator[Json]:
    for key, value in (selector.get("matchLabels") or {}).items():
        yield {"source_labels": [f"{_META}_{kind}_label_{_sanitized(key)}"], "regex": value, "action": "keep"}
    for expression in selector.get("matchExpressions") or ():
        assert expression["operator"] == "Exists"
        label = f"{_META}_{kind}_labelpresent_{_sanitized(expression['key'])}"
        yield {"source_labels": [label], "regex": "true", "action": "keep"}


def _sanitized(key: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in key)


def _port(endpoint: Json) -> Iterable[Json]:
    if "portNumber" in endpoint:
        kind, value = "number", str(endpoint["portNumber"])
    else:
        kind, value = "name", endpoint.get("port") or endpoint["targetPort"]
    return [
        {"source_labels": [f"{_META}_pod_container_port_{kind}"], "regex": value, "action": "keep"},
        {"source_labels": [f"{_META}_pod_name"], "target_label": "pod"},
        {"source_labels": [f"{_META}_namespace"], "target_label": "namespace"},
    ]


def _rule(relabeling: Json) -> Json:
    """The operator's names are in camel case."""
    names = {"sourceLabels": "source_labels", "targetLabel": "target_label"}
    return {names.get(key, key): value for key, value in relabeling.items()}


def _manifests(files: Mapping[str, str]) -> Iterator[Json]:
    named = {"name": "prometheus", "namespace": NAMESPACE}
    yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    yield {"apiVersion": "v1", "kind": "ConfigMap", "metadata": named, "data": dict(files)}
    container = {
        "name": "prometheus",
        "image": IMAGE,
        "ports": [{"containerPort": _PORT}],
        "readinessProbe": {"httpGet": {"path": "/-/ready", "port": _PORT}, "periodSeconds": 1},
        "volumeMounts": [{"name": "config", "mountPath": _CONFIG}],
    }
    volumes = [{"name": "config", "configMap": {"name": "prometheus"}}]
    spec = {"containers": [container], "volumes": volumes}
    yield {"apiVersion": "v1", "kind": "Pod", "metadata": named, "spec": spec}
