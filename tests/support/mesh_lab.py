"""An embedded cluster with a mesh and a gateway, in which steady callers count what they lose while things happen."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.support import mesh_app, mesh_load
from tests.support.cluster import EmbeddedCluster, crossfade, embedded_cluster
from tests.support.gateway import eventually

Json = dict[str, Any]

NAMESPACE = "life"
MESH = "life"
SOON_S = 60.0
AFTER_S = 4.0
# A port of a mesh has one protocol.
_PORTS = {"http": 8080, "http2": 8081, "grpc": 8082}


class Cell(NamedTuple):
    """One application and how it is called. `works_on_s` is after SIGTERM; `pre_stop_s` before it.

    `discovery` is a response type of DNS, or `CLOUDMAP`.
    """

    name: str
    protocol: str = "http"
    discovery: str = "LOADBALANCER"
    replicas: int = 1
    works_on_s: float = 0
    pre_stop_s: int = 0
    has_health_check: bool = False
    annotations: dict[str, str] = {}  # noqa: RUF012 - never changed
    tls: Json | None = None
    """Of its listener."""
    node_annotations: dict[str, str] = {}  # noqa: RUF012 - never changed

    @property
    def program(self) -> str:
        """Plain requests of HTTP/2 are those of gRPC too: the protocol is what the mesh makes of them."""
        return "http" if self.protocol == "http" else "grpc"

    @property
    def port(self) -> int:
        return _PORTS[self.protocol]

    @property
    def probe(self) -> Json:
        kind = (
            {"httpGet": {"path": "/", "port": self.port}} if self.program == "http" else {"grpc": {"port": self.port}}
        )
        return {**kind, "periodSeconds": 1}

    @property
    def host(self) -> str:
        return f"{self.name}.{NAMESPACE}.svc.cluster.local"


class Tally(NamedTuple):
    """`lost` by kind: how many, and when the first and the last."""

    sent: int
    lost: dict[str, list[float]]

    @property
    def lost_count(self) -> int:
        return int(sum(count for count, _, _ in self.lost.values()))


class Caller(NamedTuple):
    """Ends by itself."""

    name: str
    result: Callable[[], Tally]


class MeshLab:
    """Applications by name; `kubectl` is the cluster's."""

    def __init__(self, cluster: EmbeddedCluster) -> None:
        self._cluster = cluster
        self._callers = 0
        self._cells: list[Cell] = []

    @property
    def kubeconfig(self) -> Path:
        return self._cluster.kubeconfig

    def kubectl(self, *arguments: str) -> str:
        return self._cluster.kubectl("-n", NAMESPACE, *arguments)

    def apply(self, *objects: Json) -> None:
        text = "---\n".join(json.dumps(item) + "\n" for item in objects)
        self._cluster.kubectl("apply", "-f", "-", stdin=text)

    def deploy(self, *cells: Cell) -> None:
        """Returns when all are Ready and can be called."""
        self._cells += cells
        self.apply(*(item for cell in cells for item in manifests_of(cell)), _client_node(self._cells))
        for cell in cells:
            self.wait_until_rolled_out(cell.name)

    def remove(self, *cells: Cell) -> None:
        self._cells = [cell for cell in self._cells if cell not in cells]
        self.apply(_client_node(self._cells))
        kinds = "virtualservice,virtualrouter,virtualnode,deployment,service,ingress"
        for cell in cells:
            self.kubectl("delete", kinds, "-l", f"cell={cell.name}", "--wait=false")
        labels = ",".join(cell.name for cell in cells)
        self.kubectl("wait", "pod", "-l", f"cell in ({labels})", "--for=delete", "--timeout=90s")

    def wait_until_rolled_out(self, name: str) -> None:
        self.kubectl("rollout", "status", f"deployment/{name}-v1", "--timeout=120s")

    def call_in_mesh(self, cell: Cell, *, rate: float, seconds: float) -> Caller:
        self._callers += 1
        name = f"caller-{self._callers}"
        url = f"{cell.host}:{cell.port}" if cell.program == "grpc" else f"http://{cell.host}:{cell.port}/"
        self.apply(caller_pod(name, cell.program, url, rate, seconds))
        self.kubectl("wait", f"pod/{name}", "--for=condition=Ready", "--timeout=90s")
        return Caller(name, lambda: self._tally_of(name))

    def call_through_gateway(self, cell: Cell, *, rate: float, seconds: float) -> Caller:
        """Calls of gRPC need a gateway that takes HTTP/2 without TLS."""
        url = self._cluster.gateway_url
        url = url.removeprefix("http://") if cell.program == "grpc" else f"{url}/"
        command = [sys.executable, mesh_load.__file__, cell.program, url]
        process = subprocess.Popen(
            [*command, str(rate), str(seconds), f"{cell.name}.test"], stdout=subprocess.PIPE, text=True
        )

        def result() -> Tally:
            out, _ = process.communicate(timeout=seconds + SOON_S)
            return Tally(**json.loads(out))

        return Caller("gateway", result)

    def wait_for_gateway(self, cell: Cell) -> None:
        eventually(lambda: self.call_through_gateway(cell, rate=1, seconds=1).result().lost == {}, within_s=SOON_S)

    def _tally_of(self, name: str) -> Tally:
        self.kubectl("wait", f"pod/{name}", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=180s")
        tally = Tally(**json.loads(self.kubectl("logs", name, "-c", "main").splitlines()[-1]))
        self.kubectl("delete", "pod", name, "--wait=false")
        return tally


@contextmanager
def mesh_lab(*, has_gateway_for_grpc: bool = False) -> Iterator[MeshLab]:
    with tempfile.TemporaryDirectory(prefix="crossfade-lab-") as folder:
        images = Path(folder) / "images.yaml"
        images.write_text(_catalogue())
        with embedded_cluster(Path(folder) / "data", "--images", str(images)) as cluster:
            lab = MeshLab(cluster)
            lab.apply(*_surroundings())
            cluster.kubectl("create", "namespace", "kong")
            gateway = crossfade("install", "gateway", "--release", "kong", "--namespace", "kong").stdout
            cluster.kubectl("apply", "-f", "-", stdin=gateway)
            if has_gateway_for_grpc:
                listens = "KONG_PROXY_LISTEN=0.0.0.0:8000 http2, 0.0.0.0:8443 http2 ssl"
                cluster.kubectl("set", "env", "-n", "kong", "deployment/kong-kong", "-c", "proxy", listens)
            cluster.kubectl("rollout", "status", "-n", "kong", "deployment/kong-kong", "--timeout=90s")
            yield lab


def _catalogue() -> str:
    """The programs as text: a container has a `/tmp` of its own, and this file may lie below the machine's."""
    programs = {"mesh-app": mesh_app.__file__, "mesh-load": mesh_load.__file__}
    entries = [
        {"match": f"{name}:*", "argv": [sys.executable, "-c", Path(file).read_text()]}
        for name, file in programs.items()
    ]
    return json.dumps([*entries, {"match": "shell:*", "argv": ["sleep", "infinity"]}])


def _surroundings() -> list[Json]:
    labels = {"mesh": MESH, "appmesh.k8s.aws/sidecarInjectorWebhook": "enabled"}
    selector = {"namespaceSelector": {"matchLabels": {"mesh": MESH}}}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}},
        {"apiVersion": "appmesh.k8s.aws/v1beta2", "kind": "Mesh", "metadata": {"name": MESH}, "spec": selector},
        _client_node([]),
    ]


def _client_node(cells: list[Cell]) -> Json:
    backends = [{"virtualService": {"virtualServiceRef": {"name": cell.name}}} for cell in cells]
    return _appmesh("VirtualNode", "client", {"podSelector": {"matchLabels": {"app": "client"}}, "backends": backends})


def caller_pod(name: str, program: str, url: str, rate: float, seconds: float) -> Json:
    main = {"name": "main", "image": "mesh-load:1", "args": [program, url, str(rate), str(seconds)]}
    return client_pod(name, main)


def client_pod(name: str, container: Json, **spec: Any) -> Json:
    """May call every cell."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"app": "client", "caller": name}},
        "spec": {"restartPolicy": "Never", "containers": [container], **spec},
    }


def manifests_of(cell: Cell) -> Iterator[Json]:
    yield _service(cell, cell.name, selector=None, headless=False)
    yield from version_of(cell, "v1")
    yield router_of(cell, {"v1": 1})
    provider = {"virtualRouter": {"virtualRouterRef": {"name": cell.name}}}
    yield _appmesh("VirtualService", cell.name, {"awsName": cell.host, "provider": provider}, cell)
    yield _ingress(cell)


def version_of(cell: Cell, version: str) -> Iterator[Json]:
    name = f"{cell.name}-{version}"
    listener: Json = {"portMapping": {"port": cell.port, "protocol": cell.protocol}}
    if cell.tls is not None:
        listener["tls"] = cell.tls
    if cell.has_health_check:
        listener["healthCheck"] = {
            "protocol": cell.protocol, "path": "/", "healthyThreshold": 2, "unhealthyThreshold": 2,
            "timeoutMillis": 2000, "intervalMillis": 5000,
        }  # fmt: skip
    node = {
        "podSelector": {"matchLabels": {"app": name}},
        "listeners": [listener],
        "serviceDiscovery": _discovery(cell, version),
    }
    made = _appmesh("VirtualNode", name, node, cell)
    made["metadata"]["annotations"] = cell.node_annotations
    yield made
    yield _service(cell, name, selector={"app": name}, headless=cell.discovery == "ENDPOINTS")
    container: Json = {
        "name": "main",
        "image": "mesh-app:1",
        "args": [cell.program, str(cell.port), str(cell.works_on_s)],
        "env": [{"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
        "ports": [{"containerPort": cell.port}],
        "readinessProbe": cell.probe,
    }
    if cell.pre_stop_s:
        container["lifecycle"] = {"preStop": {"sleep": {"seconds": cell.pre_stop_s}}}
    template = {
        "metadata": {"labels": {"app": name, "cell": cell.name}, "annotations": cell.annotations},
        "spec": {"containers": [container]},
    }
    spec = {"replicas": cell.replicas, "selector": {"matchLabels": {"app": name}}, "template": template}
    yield {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": _metadata(name, cell), "spec": spec}


def _discovery(cell: Cell, version: str) -> Json:
    """In Cloud Map versions are one service, told apart by an attribute."""
    if cell.discovery == "CLOUDMAP":
        attributes = [{"key": "version", "value": version}]
        return {"awsCloudMap": {"namespaceName": "life.test", "serviceName": cell.name, "attributes": attributes}}
    host = f"{cell.name}-{version}.{NAMESPACE}.svc.cluster.local"
    return {"dns": {"hostname": host, "responseType": cell.discovery}}


def router_of(cell: Cell, weights: dict[str, int]) -> Json:
    targets = [
        {"virtualNodeRef": {"name": f"{cell.name}-{version}"}, "weight": weight} for version, weight in weights.items()
    ]
    kind = {"http": "httpRoute", "http2": "http2Route", "grpc": "grpcRoute"}[cell.protocol]
    match: Json = {} if cell.protocol == "grpc" else {"prefix": "/"}
    route = {"name": "all", kind: {"match": match, "action": {"weightedTargets": targets}}}
    listeners = [{"portMapping": {"port": cell.port, "protocol": cell.protocol}}]
    return _appmesh("VirtualRouter", cell.name, {"listeners": listeners, "routes": [route]}, cell)


def _ingress(cell: Cell) -> Json:
    """To the pods of the first version."""
    backend = {"service": {"name": f"{cell.name}-v1", "port": {"number": cell.port}}}
    rule = {"host": f"{cell.name}.test", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    spec = {"ingressClassName": "kong", "rules": [rule]}
    metadata = _metadata(cell.name, cell)
    if cell.program == "grpc":
        metadata["annotations"] = {"konghq.com/protocols": "grpc,grpcs"}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": spec}


def _service(cell: Cell, name: str, *, selector: Json | None, headless: bool) -> Json:
    spec: Json = {"ports": [{"port": cell.port}], **({"selector": selector} if selector else {})}
    spec |= {"clusterIP": "None"} if headless else {}
    metadata = _metadata(name, cell)
    if cell.program == "grpc":
        metadata["annotations"] = {"konghq.com/protocol": "grpc"}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def _appmesh(kind: str, name: str, spec: Json, cell: Cell | None = None) -> Json:
    return {"apiVersion": "appmesh.k8s.aws/v1beta2", "kind": kind, "metadata": _metadata(name, cell), "spec": spec}


def _metadata(name: str, cell: Cell | None) -> Json:
    return {"name": name, "namespace": NAMESPACE, **({"labels": {"cell": cell.name}} if cell else {})}


class Event(NamedTuple):
    """Something that happens to a cell; returns when it is over."""

    name: str
    happen: Callable[[MeshLab, Cell], None]


def _roll_out(lab: MeshLab, cell: Cell) -> None:
    lab.kubectl("rollout", "restart", f"deployment/{cell.name}-v1")
    lab.wait_until_rolled_out(cell.name)


def _scale(lab: MeshLab, cell: Cell) -> None:
    for replicas in (cell.replicas + 2, cell.replicas):
        lab.kubectl("scale", f"deployment/{cell.name}-v1", f"--replicas={replicas}")
        lab.wait_until_rolled_out(cell.name)


def _delete_pod(lab: MeshLab, cell: Cell) -> None:
    pod = lab.kubectl("get", "pods", "-l", f"app={cell.name}-v1", "-o", "jsonpath={.items[0].metadata.name}")
    lab.kubectl("delete", "pod", pod, "--wait=false")
    lab.wait_until_rolled_out(cell.name)


def _new_version(lab: MeshLab, cell: Cell) -> None:
    lab.apply(*version_of(cell, "v2"))
    lab.kubectl("rollout", "status", f"deployment/{cell.name}-v2", "--timeout=120s")
    for weights in ({"v1": 90, "v2": 10}, {"v1": 50, "v2": 50}, {"v1": 0, "v2": 1}):
        lab.apply(router_of(cell, weights))
        time.sleep(1)
    lab.kubectl("scale", f"deployment/{cell.name}-v1", "--replicas=0")
    time.sleep(AFTER_S)
    lab.kubectl("scale", f"deployment/{cell.name}-v1", f"--replicas={cell.replicas}")
    lab.wait_until_rolled_out(cell.name)
    lab.apply(router_of(cell, {"v1": 1}))


EVENTS = (
    Event("rollout", _roll_out),
    Event("scale", _scale),
    Event("delete pod", _delete_pod),
    Event("new version", _new_version),
)
