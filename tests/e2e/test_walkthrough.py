"""The DJ walkthrough happens on one machine, with the commands of the tutorial."""

import http.client
import json
import math
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from itertools import accumulate
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from generate.dashboards import DASHBOARDS, FOLDER, RATE

from crossfade.demo.replay import Shell, shell
from crossfade.demo.walkthrough import CHAPTERS, CLEAN_UP, Chapter
from crossfade.shipped import examples_root
from crossfade.status.held_warnings import HOLD_S
from crossfade_kube.meta import JsonObject
from tests.support import prometheus
from tests.support.cluster import EmbeddedCluster, crossfade, embedded_cluster
from tests.support.dj import ask
from tests.support.documentation import ROOT, commands_in
from tests.support.gateway import eventually
from tests.support.top_access import shown_to

pytestmark = [pytest.mark.cluster, pytest.mark.envoy]

REQUESTS = 2400
JAZZ_V1 = b'["Astrud Gilberto","Miles Davis"]'
JAZZ_V2 = b'["Astrud Gilberto (Bahia, Brazil)","Miles Davis (Alton, Illinois)"]'
MESH_KINDS = "meshes,virtualnodes,virtualrouters,virtualservices"
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
INGRESS_TO_NOWHERE = """
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: nowhere, namespace: prod}
spec:
  ingressClassName: kong
  defaultBackend: {service: {name: nowhere, port: {number: 80}}}
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCluster]:
    folder = tmp_path_factory.mktemp("walkthrough")
    images = folder / "images.yaml"
    images.write_text(prometheus.IMAGES)
    with embedded_cluster(folder / "data", "--images", str(images)) as started:
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


def test_nothing_is_warned_of_that_only_came_a_moment_later(cluster: EmbeddedCluster) -> None:
    """Objects of one apply miss each other while they arrive; probes fail while programs start, as everywhere."""
    warnings = items(cluster, "events", "--field-selector=type=Warning")
    created = {place_of(item): time_of(item["metadata"]["creationTimestamp"]) for item in items(cluster, MESH_KINDS)}
    assert [
        f"{event['reason']}: {event['message']}"
        for event in warnings
        if event["reason"] != "Unhealthy" and not came_much_later(event, created)
    ] == []


def came_much_later(event: JsonObject, created: dict[tuple[str, str, str], float]) -> bool:
    """Whether what an Event misses was not there while the warning was held: the machine took so long to apply it."""
    found = re.search(r"unable to fetch (\w+): ([\w-]+)/([\w.-]+)", event["message"])
    subject = event["involvedObject"]
    subject_place = (subject["kind"].lower(), subject.get("namespace", ""), subject["name"])
    if found is None or subject_place not in created:
        return False
    told = time_of(event["firstTimestamp"])
    arrived = created.get((found[1].lower(), found[2], found[3]), told - HOLD_S)
    # Times are whole seconds.
    return told - created[subject_place] >= HOLD_S - 1 and arrived > told - HOLD_S


def items(cluster: EmbeddedCluster, kinds: str, *options: str) -> list[JsonObject]:
    listed: list[JsonObject] = json.loads(cluster.kubectl("get", kinds, "-A", *options, "-o", "json"))["items"]
    return listed


def place_of(item: JsonObject) -> tuple[str, str, str]:
    return item["kind"].lower(), item["metadata"].get("namespace", ""), item["metadata"]["name"]


def time_of(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


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


def test_a_prometheus_shows_every_panel_and_can_tell_every_alert(cluster: EmbeddedCluster) -> None:
    """Scraped as the how-to has it, and as the charts have it."""
    monitors = prometheus.shipped_monitors(cluster)
    objects = [(ROOT / "examples/prometheus/plugin.yaml").read_text(), OPEN_INGRESS, INGRESS_TO_NOWHERE]
    cluster.kubectl("apply", "-f", "-", stdin="\n---\n".join(objects))
    rules = yaml.safe_load((FOLDER / "alerts.yaml").read_text())
    missing = {panel.query: panel.title for _, panels in DASHBOARDS.values() for panel in panels}
    with prometheus.prometheus(cluster, monitors, rules) as asked:

        def is_all_shown() -> bool:
            ask_for_jazz(cluster.gateway_url, 80)
            ask(cluster, "/dj/jazz/")
            for query in list(missing):
                if asked.series(query.replace(RATE, "1m").replace("$service", ".*")):
                    del missing[query]
            return not missing

        eventually(is_all_shown, seen=missing)
        told = [rule for group in asked.ask("rules")["groups"] for rule in group["rules"]]
        assert {rule["name"]: rule["health"] for rule in told} == {
            rule["alert"]: "ok" for group in rules["groups"] for rule in group["rules"]
        }
        assert asked.labels_of("max_over_time(up[5m]) == 1", "job") == asked.labels_of("up", "job") == set(asked.jobs)
        sidecars = {job for job in asked.jobs if "sidecars" in job}
        assert asked.labels_of('crossfade_requests_total{reporter="source"}', "job") == sidecars
    cluster.kubectl("delete", "ingress/nowhere", "-n", "prod")
    cluster.kubectl("delete", "kongclusterplugin/prometheus")


def test_the_shipped_deployment_writes_lines_for_cloudwatch(cluster: EmbeddedCluster) -> None:
    """`examples/cloudwatch/emf.yaml`, which writes to its log here, where no agent of CloudWatch is."""
    manifests = list(yaml.safe_load_all((ROOT / "examples/cloudwatch/emf.yaml").read_text()))
    (deployment,) = (one for one in manifests if one["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    container["args"] = ["--every", "1s", "--dimension", "ClusterName=here"]
    cluster.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(manifests))
    try:
        cluster.kubectl("rollout", "status", "-n", "appmesh-system", "deployment/crossfade-emf", "--timeout=60s")
        seen: list[str] = []
        eventually(lambda: _is_counted(cluster, seen), seen=seen)
    finally:
        cluster.kubectl("delete", "-f", "-", "--wait=false", stdin=yaml.safe_dump_all(manifests))


def _is_counted(cluster: EmbeddedCluster, seen: list[str]) -> bool:
    """What a gateway's route, the caller's sidecar and the callee have counted."""
    ask_for_jazz(cluster.gateway_url, 8)
    text = cluster.kubectl("logs", "-n", "appmesh-system", "deployment/crossfade-emf")
    seen[:] = text.splitlines()
    lines = [json.loads(line) for line in seen if line.startswith("{")]
    assert all(line["ClusterName"] == "here" for line in lines)
    names = {metric["Name"] for line in lines for one in line["_aws"]["CloudWatchMetrics"] for metric in one["Metrics"]}
    return names >= {"kong.RequestCount", "envoy.appmesh.RequestCountPerTarget", "envoy.appmesh.RequestCount"}


def _told(command: str, cluster: EmbeddedCluster) -> str:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = os.environ | {"KUBECONFIG": str(cluster.kubeconfig), "PATH": path}
    done = subprocess.run(
        ["bash", "-c", command], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, f"$ {command}\n{done.stderr}"
    return done.stdout


def test_a_request_is_watched_and_explained_on_its_whole_way(cluster: EmbeddedCluster) -> None:
    """One id, three proxies: the gateway, the sidecar that sends for it, and the one of the node that answers."""
    cluster.kubectl("apply", "-f", "-", stdin=OPEN_INGRESS)
    ask_until_routed(cluster, "of-requests-before")
    with watching(cluster, "--output", "json", "--path", "/*", "--max-rps", "1000") as lines:
        ask_until_routed(cluster, "the-id-of-one-request")
        # Records of the requests before it may come as late as its own.
        own = (json.loads(line) for line in lines if "the-id-of-one-request" in line)
        sides = {next(own)["side"] for _ in range(3)}
    assert sides == {"gateway", "source", "destination"}
    told = explained(cluster, "the-id-of-one-request")
    hops = [line for line in told.splitlines() if " → " in line]
    assert len(hops) == 3, told
    assert "GET /jazz" in hops[0]
    assert "(Ingress prod/open, spec.rules[0].http.paths[0])" in told
    assert "VirtualRouter prod/jazz-router" in told
    assert told.count("x-request-id the-id-of-one-request") == 3


def test_a_deployment_is_watched_alone(cluster: EmbeddedCluster) -> None:
    with watching(cluster, "deploy/jazz-v1", "-n", "prod") as lines:
        ask_for_jazz(cluster.gateway_url, 80)
        shown = [next(lines) for _ in range(10)]
    assert all("jazz-v1" in line for line in shown[::2])


@pytest.fixture(scope="module")
def lena(cluster: EmbeddedCluster) -> Path:
    """The kubeconfig of somebody who may see the requests of namespace prod, and nothing else."""
    return account(cluster, "lena", "tap", "-n", "prod")


def account(cluster: EmbeddedCluster, name: str, *granted: str) -> Path:
    """The kubeconfig of an account that may do what `crossfade install` with these words prints, and nothing else."""
    cluster.kubectl("create", "serviceaccount", name, "-n", "prod")
    if granted:
        installed = crossfade("install", *granted, "--user", f"system:serviceaccount:prod:{name}")
        assert installed.returncode == 0, installed.stderr
        cluster.kubectl("apply", "-f", "-", stdin=installed.stdout)
    config = json.loads(cluster.kubectl("config", "view", "--raw", "-o", "json"))
    config["users"][0]["user"] = {"token": cluster.kubectl("create", "token", name, "-n", "prod").strip()}
    path = cluster.data_dir / f"{name}.kubeconfig"
    path.write_text(json.dumps(config))
    return path


def test_a_team_sees_the_requests_of_its_own_namespace(cluster: EmbeddedCluster, lena: Path) -> None:
    with watching(cluster, "-n", "prod", "--output", "json", "--max-rps", "1000", kubeconfig=lena) as lines:
        ask_until_routed(cluster, "a-request-of-the-team")
        own = (json.loads(line) for line in lines if "a-request-of-the-team" in line)
        sides = {next(own)["side"] for _ in range(3)}
    assert sides == {"gateway", "source", "destination"}
    told = explained(cluster, "a-request-of-the-team", "-n", "prod", kubeconfig=lena)
    assert "VirtualRouter prod/jazz-router" in told


def test_a_team_sees_no_others(lena: Path) -> None:
    """`tests/protocol/controller/test_record_access.py` has all of the cells."""
    done = crossfade("tap", "--for", "1s", "-n", "default", "--kubeconfig", str(lena))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("crossfade tap: you may not make tokens of the service account "), done.stderr
    assert "you may see requests of namespace default" in done.stderr


def test_counters_are_shown_to_whom_rbac_lets_read_them(cluster: EmbeddedCluster) -> None:
    """In no namespace, in one, in all."""
    nobody, team = account(cluster, "nobody"), account(cluster, "max", "top", "-n", "prod")
    for command in ("top", "graph"):
        found, told = shown_to(nobody, command, "-n", "prod")
        assert found is None
        assert "the verb `list` on `pods`" in told
        assert "`crossfade install top -n prod --user NAME`" in told
        for where in (("-n", "default"), ("-A",)):
            assert shown_to(team, command, *where).found is None

    rows = shown_to(team, "top", "-n", "prod").found["nodes"]
    assert "prod/jazz-v1" in {row["target"] for row in rows}
    assert {row["source"] for row in rows} <= {"prod/dj", "(others)"}
    found, told = shown_to(team, "graph", "-n", "prod")
    assert {edge["use"] for edge in found["edges"]} == {"used"}
    assert not any(node["namespace"] == "kong" for node in found["nodes"])
    assert "what is declared is not shown" in told

    everything = account(cluster, "olga", "top", "-A")
    found, told = shown_to(everything, "graph", "-A")
    assert told == ""
    assert {edge["weight"] for edge in found["edges"]} >= {0.95, 0.05}
    assert shown_to(everything, "top", "-A").found["routes"]


def test_who_only_reaches_a_control_plane_sees_nothing(cluster: EmbeddedCluster) -> None:
    for namespace, label in (
        ("kong", "app.kubernetes.io/name=kong"),
        ("appmesh-system", "app.kubernetes.io/name=appmesh-controller"),
    ):
        pod = cluster.kubectl("get", "pods", "-n", namespace, "-l", label, "-o", "name").split()[0]
        path = f"/api/v1/namespaces/{namespace}/{pod.replace('pod/', 'pods/')}:18002/proxy/v1/requests?id=longenough"
        with pytest.raises(subprocess.CalledProcessError) as refused:
            cluster.kubectl("get", "--raw", path)
        assert "Forbidden" in refused.value.stderr


def test_everything_goes_in_the_end(session: Shell) -> None:
    for step in CLEAN_UP.steps:
        outcome = session.run(step)
        assert not outcome.failures, f"$ {step.command}\n{outcome.output}"


@contextmanager
def watching(cluster: EmbeddedCluster, *words: str, kubeconfig: Path | None = None) -> Iterator[Iterator[str]]:
    """Lines of a tap that has begun; the lines end with it, after 20 s at most."""
    asks = str(kubeconfig or cluster.kubeconfig)
    command = [sys.executable, "-m", "crossfade.cli", "tap", "--kubeconfig", asks, "--for", "20s"]
    with subprocess.Popen([*command, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as tap:
        assert tap.stdout is not None
        assert tap.stderr is not None
        try:
            told = tap.stderr.readline()
            assert told.startswith("crossfade tap: watching "), told + tap.stderr.read()
            yield tap.stdout
        finally:
            tap.terminate()


def ask_until_routed(cluster: EmbeddedCluster, request_id: str) -> None:
    def asked() -> bool:
        connection = http.client.HTTPConnection(urlsplit(cluster.gateway_url).netloc, timeout=20)
        connection.request("GET", "/jazz", headers={"Host": "open.test", "X-Request-Id": request_id})
        status = connection.getresponse().status
        connection.close()
        return status == 200

    eventually(asked)


def explained(cluster: EmbeddedCluster, request_id: str, *words: str, kubeconfig: Path | None = None) -> str:
    told: list[str] = []

    def found() -> bool:
        done = crossfade("explain", request_id, *words, "--kubeconfig", str(kubeconfig or cluster.kubeconfig))
        told.append(done.stdout + done.stderr)
        return done.returncode == 0 and done.stdout.count(" → ") == 3

    eventually(found, seen=told)
    return told[-1]


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
