"""The DJ walkthrough happens on one machine, with the commands of the tutorial."""

import http.client
import json
import math
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from crossfade.demo.replay import Shell, examples_root, shell
from crossfade.demo.walkthrough import CHAPTERS, Chapter
from tests.support.cluster import EmbeddedCluster, embedded_cluster
from tests.support.documentation import commands_in

pytestmark = [pytest.mark.cluster, pytest.mark.envoy]

REQUESTS = 2400
JAZZ_V1 = b'["Astrud Gilberto","Miles Davis"]'
JAZZ_V2 = b'["Astrud Gilberto (Bahia, Brazil)","Miles Davis (Alton, Illinois)"]'
OPEN_INGRESS = """
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: open
  namespace: prod
  annotations: {konghq.com/strip-path: "true", konghq.com/override: do-not-preserve-host}
spec:
  ingressClassName: kong
  rules:
    - host: open.test
      http:
        paths:
          - {path: /jazz, pathType: Prefix, backend: {service: {name: jazz, port: {number: 9080}}}}
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCluster]:
    with embedded_cluster(tmp_path_factory.mktemp("walkthrough")) as started:
        yield started


@pytest.fixture(scope="module")
def session(cluster: EmbeddedCluster) -> Iterator[Shell]:
    with shell(kubeconfig=cluster.kubeconfig, gateway_url=cluster.gateway_url, examples_root=examples_root()) as opened:
        yield opened


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.title.lower().replace(" ", "-"))
def test_every_step_shows_what_the_tutorial_promises(session: Shell, chapter: Chapter) -> None:
    for step in chapter.steps:
        outcome = session.run(step)
        assert not outcome.failures, f"$ {step.command}\n{outcome.output}"


def test_the_canary_gets_five_percent_of_the_requests(cluster: EmbeddedCluster) -> None:
    check_canary(cluster)


def test_top_and_graph_show_who_has_called_whom(cluster: EmbeddedCluster) -> None:
    """Every command of the page, and what they tell of the requests above."""
    shown = {command: _told(command, cluster) for command in commands_in("docs/how-to/see-who-calls-whom.md")}
    tables = shown["crossfade top -A --total"]
    assert "key-auth 401" in tables
    assert "(clients)" in shown["crossfade graph -A --total"]
    edges = json.loads(_told("crossfade graph -A --total --output json", cluster))["edges"]
    weights = {edge["target"]: edge["weight"] for edge in edges if edge["service"] == "jazz.prod.svc.cluster.local"}
    assert weights == {"virtualNode/prod/jazz-v1": 0.95, "virtualNode/prod/jazz-v2": 0.05}
    jazz = [edge for edge in edges if edge["target"] == "virtualNode/prod/jazz-v1" and edge["reportedBy"] == "source"]
    assert sum(edge["requests"] for edge in jazz) > 0.9 * REQUESTS
    assert {(edge["use"], edge["health"]) for edge in jazz if edge["requests"] > 100} == {("used", "green")}


def _told(command: str, cluster: EmbeddedCluster) -> str:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = os.environ | {"KUBECONFIG": str(cluster.kubeconfig), "PATH": path}
    done = subprocess.run(
        ["bash", "-c", command], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, f"$ {command}\n{done.stderr}"
    return done.stdout


def check_canary(cluster: EmbeddedCluster) -> None:
    cluster.kubectl("apply", "-f", "-", stdin=OPEN_INGRESS)
    cluster.kubectl("wait", "--for=jsonpath={.status.loadBalancer.ingress[0].ip}", "ingress/open", "-n", "prod")
    answers = ask_for_jazz(cluster.gateway_url, REQUESTS)
    assert set(answers) <= {(200, JAZZ_V1), (200, JAZZ_V2)}
    low, high = binomial_interval(REQUESTS, 0.05, confidence=0.999999)
    assert low <= answers[200, JAZZ_V2] <= high


def ask_for_jazz(url: str, requests: int) -> Counter[tuple[int, bytes]]:
    """Over eight connections that stay open: the mesh must split requests, not connections."""
    with ThreadPoolExecutor(8) as pool:
        parts = pool.map(lambda _: _ask_on_one_connection(url, requests // 8), range(8))
    return sum(parts, Counter())


def _ask_on_one_connection(url: str, requests: int) -> Counter[tuple[int, bytes]]:
    answers: Counter[tuple[int, bytes]] = Counter()
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=20)
    for _ in range(requests):
        connection.request("GET", "/jazz", headers={"Host": "open.test"})
        response = connection.getresponse()
        answers[response.status, response.read()] += 1
    connection.close()
    return answers


def binomial_interval(n: int, p: float, *, confidence: float) -> tuple[int, int]:
    """The smallest and largest count that are not in the outer `(1 - confidence) / 2` of either side."""
    tail = (1 - confidence) / 2
    chances = [math.exp(_log_choose(n, k) + k * math.log(p) + (n - k) * math.log1p(-p)) for k in range(n + 1)]
    low = next(k for k, below in enumerate(accumulate(chances)) if below > tail)
    above = next(k for k, mass in enumerate(accumulate(reversed(chances))) if mass > tail)
    return low, n - above


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
