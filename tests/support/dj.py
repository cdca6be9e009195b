"""The DJ application in its mesh, with the gateway in front, as the walkthrough leaves it before any policy."""

import http.client
import json
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from crossfade.demo.replay import shell
from crossfade.demo.walkthrough import CHAPTERS
from crossfade.shipped import examples_root
from tests.support.cluster import EmbeddedCluster, embedded_cluster
from tests.support.gateway import eventually

SOON_S = 120.0
READY_S = 60.0
_WITHOUT_POLICIES = CHAPTERS[:3]


class Answer(NamedTuple):
    status: int
    body: str
    headers: http.client.HTTPMessage


@contextmanager
def dj_behind_the_gateway(data_dir: Path, *options: str) -> Iterator[EmbeddedCluster]:
    with embedded_cluster(data_dir, *options) as cluster:
        put_dj_behind_the_gateway(cluster)
        yield cluster


def gateway_pods(cluster: EmbeddedCluster, *, ending: bool = False) -> list[str]:
    """Names of those that stay; or of the predecessor, which drains for some seconds."""
    pods = json.loads(cluster.kubectl("get", "pods", "-n", "kong", "-o", "json"))["items"]
    return [pod["metadata"]["name"] for pod in pods if ("deletionTimestamp" in pod["metadata"]) == ending]


def put_dj_behind_the_gateway(cluster: EmbeddedCluster) -> None:
    root = examples_root()
    with shell(kubeconfig=cluster.kubeconfig, gateway_url=cluster.gateway_url, examples_root=root) as session:
        for chapter in _WITHOUT_POLICIES:
            for step in chapter.steps:
                outcome = session.run(step)
                assert not outcome.failures, f"$ {step.command}\n{outcome.output}"


def ask(
    cluster: EmbeddedCluster, path: str, *, host: str = "127.0.0.1", headers: Mapping[str, str] | None = None
) -> Answer:
    """The path goes out as it is, whatever it contains."""
    connection = http.client.HTTPConnection(urlsplit(cluster.gateway_url).netloc, timeout=10)
    try:
        connection.request("GET", path, headers={"Host": host, **(headers or {})})
        response = connection.getresponse()
        return Answer(response.status, response.read().decode(), response.headers)
    finally:
        connection.close()


def wait_for_status(
    cluster: EmbeddedCluster, status: int, path: str, *, host: str = "127.0.0.1", **headers: str
) -> Answer:
    """The first answer with this status."""
    seen: deque[Answer | OSError] = deque(maxlen=1)

    def arrived() -> bool:
        try:
            seen.append(answer := ask(cluster, path, host=host, headers=headers))
        except OSError as error:
            seen.append(error)
            return False
        return answer.status == status

    eventually(arrived, within_s=SOON_S, seen=seen)
    (answer,) = seen
    assert isinstance(answer, Answer)
    return answer


def ingress(name: str, *, host: str, plugins: str = "", service: str = "jazz", path: str = "/jazz") -> str:
    """In namespace prod, for a Service of the tutorial."""
    policies = f", konghq.com/plugins: {plugins!r}" if plugins else ""
    return f"""
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: {name}
  namespace: prod
  annotations: {{konghq.com/strip-path: "true", konghq.com/override: do-not-preserve-host{policies}}}
spec:
  ingressClassName: kong
  rules:
    - host: {host}
      http:
        paths:
          - {{path: {path}, pathType: Prefix, backend: {{service: {{name: {service}, port: {{number: 9080}}}}}}}}
---
"""


def plugin(name: str, plugin_name: str, config: str = "{}") -> str:
    return f"""
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {{name: {name}, namespace: prod}}
plugin: {plugin_name}
config: {config}
---
"""


def consumer(name: str, secret: str, key: str) -> str:
    return f"""
apiVersion: v1
kind: Secret
metadata: {{name: {secret}, namespace: prod, labels: {{konghq.com/credential: key-auth}}}}
stringData: {{key: {key}}}
---
apiVersion: configuration.konghq.com/v1
kind: KongConsumer
metadata: {{name: {name}, namespace: prod, annotations: {{kubernetes.io/ingress.class: kong}}}}
username: {name}
credentials: [{secret}]
---
"""


def events_about(cluster: EmbeddedCluster, kind: str, name: str, *, namespace: str = "prod") -> str:
    """Reason and message of each, one a line."""
    return cluster.kubectl(
        *("get", "events", "-n", namespace, f"--field-selector=involvedObject.kind={kind},involvedObject.name={name}"),
        *("-o", r'jsonpath={range .items[*]}{.reason}: {.message}{"\n"}{end}'),
    )
