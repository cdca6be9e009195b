"""AWS's walkthroughs of App Mesh in one embedded cluster: their manifests as published, their images small servers."""

import base64
import http.client
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from subprocess import CalledProcessError
from typing import Any, Final, NamedTuple

from crossfade_kube import yaml_texts
from tests.support import aws_grpc_apps, aws_http2_apps, aws_http_apps
from tests.support.cluster import EmbeddedCluster, embedded_cluster
from tests.support.gateway import eventually

Json = dict[str, Any]
ROOT: Final = Path(__file__).parents[1] / "compat" / "aws-app-mesh-examples"
SOON_S: Final = 90.0
_REGISTRY: Final = "111122223333.dkr.ecr.us-west-2.amazonaws.com"
_APPS: Final = {
    "howto-k8s-retry-policy/colorapp": (aws_http_apps, "flaky_color"),
    "howto-k8s-outlier-detection/colorapp": (aws_http_apps, "color_that_fails_when_told"),
    "howto-k8s-outlier-detection/feapp": (aws_http_apps, "counting_front"),
    "howto-k8s-grpc/color_server": (aws_grpc_apps, "color_server"),
    "howto-k8s-grpc/color_client": (aws_grpc_apps, "color_client"),
    "howto-k8s-grpc-ingress-v2/greeter": (aws_grpc_apps, "greeter"),
    "howto-k8s-http2/color_server": (aws_http2_apps, "color_server"),
    "howto-k8s-http2/color_client": (aws_http2_apps, "color_client"),
    "multiportapp": (aws_http_apps, "hello_of_port"),
    "colorapp": (aws_http_apps, "color"),
    "feapp": (aws_http_apps, "front"),
}


class Walkthrough(NamedTuple):
    """One folder of AWS's: `name` is that of its mesh and, in templates, of its namespace.

    `apps` are the images of server and client, `cloud_map` is the namespace of Cloud Map, in which {} is the name.
    """

    name: str
    manifest: str = "v1beta2/manifest.yaml.template"
    apps: tuple[str, str] = ("colorapp", "feapp")
    cloud_map: str = "{}.pvt.aws.local"

    def objects(self, file: str = "", *, uncommented: bool = False, **variables: str) -> list[Json]:
        """As its script fills them in; `variables` are those of one of its steps, which may say to uncomment lines."""
        text = (ROOT / self.name / (file or self.manifest)).read_text()
        if uncommented:
            text = re.sub(r"^( *)#(?!UNCOMMENT)", r"\1", text, flags=re.MULTILINE)
        return [one for one in yaml_texts.load_all(filled(text, {**self._variables(), **variables})) if one]

    def forwarded(self, app: str, port: int) -> Json:
        """A Service that stands for `kubectl port-forward`, named after the app."""
        metadata = {"name": f"{app}-forwarded", "namespace": self.name}
        spec = {"type": "LoadBalancer", "selector": {"app": app}, "ports": [{"port": port}]}
        return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}

    def _variables(self) -> dict[str, str]:
        server, client = (f"{_REGISTRY}/{self.name}/{app}" for app in self.apps)
        return {
            "APP_NAMESPACE": self.name,
            "MESH_NAME": self.name,
            "AWS_ACCOUNT_ID": _REGISTRY.partition(".")[0],
            "AWS_DEFAULT_REGION": "us-west-2",
            "APP": "colorapp",
            "COLOR_APP_IMAGE": server,
            "SERVER_APP_IMAGE": server,
            "FRONT_APP_IMAGE": client,
            "CLIENT_APP_IMAGE": client,
            "CLOUDMAP_NAMESPACE": self.cloud_map.format(self.name),
            "ENVOY_IMAGE": f"{_REGISTRY}/aws-appmesh-envoy",
            "VEGETA_IMAGE": f"{_REGISTRY}/appmesh/vegeta-trafficgen",
        }


def filled(text: str, values: Mapping[str, str]) -> str:
    """A variable without a value is a fault of the test, where a shell would take it for empty."""
    return re.sub(r"\$\{(\w+)\}", lambda found: values[found[1]], text)


class Answer(NamedTuple):
    status: int
    body: str


class Walkthroughs:
    """`kubectl` is the cluster's; `ask` and `port` go by LoadBalancer Services, which stand for port-forward too."""

    def __init__(self, cluster: EmbeddedCluster) -> None:
        self.kubectl = cluster.kubectl
        self.kubeconfig = cluster.kubeconfig
        self.slow_answer: Future[Answer] | None = None
        """Asked for while others are set up."""
        self._ports: dict[tuple[str, str], int] = {}

    def apply(self, objects: Iterable[Json]) -> None:
        text = "---\n".join(json.dumps(one) + "\n" for one in objects)
        try:
            self.kubectl("apply", "-f", "-", stdin=text)
        except CalledProcessError as error:
            raise AssertionError(error.stderr) from error

    def wait(self, *namespaces: str) -> None:
        """Until every Deployment of them is there."""
        with ThreadPoolExecutor(len(namespaces)) as pool:
            list(pool.map(self._wait, namespaces))

    def _wait(self, namespace: str) -> None:
        for_all = ("deployment", "--all", "--for=condition=Available", f"--timeout={SOON_S:.0f}s")
        self.kubectl("wait", "-n", namespace, *for_all)

    def port(self, namespace: str, service: str) -> int:
        """On 127.0.0.1."""
        key = namespace, service
        if key not in self._ports:
            found: list[Json] = []

            def published() -> bool:
                text = self.kubectl("get", "service", "-n", namespace, service, "-o", "json")
                found[:] = json.loads(text)["status"].get("loadBalancer", {}).get("ingress", [])
                return bool(found)

            eventually(published, within_s=SOON_S)
            self._ports[key] = found[0]["ports"][0]["port"]
        return self._ports[key]

    def ask(
        self,
        namespace: str,
        service: str,
        path: str = "/",
        *,
        method: str = "GET",
        body: str = "",
        timeout_s: float = 20,
        **headers: str,
    ) -> Answer:
        """Status 0: no answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port(namespace, service), timeout=timeout_s)
        try:
            connection.request(method, path, body=body or None, headers=headers)
            response = connection.getresponse()
            return Answer(response.status, response.read().decode())
        except (OSError, http.client.HTTPException):
            return Answer(0, "")
        finally:
            connection.close()


def opaque_secret(walkthrough: Walkthrough, name: str, files: Mapping[str, bytes]) -> Json:
    data = {key: base64.b64encode(value).decode() for key, value in files.items()}
    metadata = {"name": name, "namespace": walkthrough.name}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}


@contextmanager
def walkthroughs(folder: Path) -> Iterator[Walkthroughs]:
    images = folder / "images.yaml"
    images.write_text(_catalogue())
    with embedded_cluster(folder / "data", "--images", str(images)) as cluster:
        yield Walkthroughs(cluster)


def _catalogue() -> str:
    """The programs as text: a container has a `/tmp` of its own, and their files may lie below the machine's."""
    entries = [_image(name, Path(str(module.__file__)), program) for name, (module, program) in _APPS.items()]
    return json.dumps(
        [
            *entries,
            *({"match": f"*{name}*", "argv": ["sh", "-c", "exec sleep infinity"]} for name in ("fortio", "vegeta")),
        ]
    )


def _image(name: str, file: Path, program: str) -> Json:
    isolated = ("-I", "-S") if file.name == "aws_http_apps.py" else ()
    return {"match": f"*/{name}*", "argv": [sys.executable, *isolated, "-c", file.read_text(), program]}
