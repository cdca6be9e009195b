"""The walkthrough with a gateway that needs no sidecar: the same commands, but for how the gateway is installed."""

from collections.abc import Iterator

import pytest
from msgspec import json

from crossfade.demo.replay import Shell, shell
from crossfade.demo.walkthrough import CHAPTERS, GATEWAY, READY_S, Chapter, Expected, Step
from crossfade.install.gateway import GatewayInstallSettings, gateway_manifests
from crossfade.install.mesh import MeshInstallSettings, mesh_objects
from crossfade.shipped import examples_root
from crossfade_kube.meta import JsonObject
from tests.e2e.test_walkthrough import ask_for_jazz, check_canary
from tests.support.cluster import EmbeddedCluster, embedded_cluster
from tests.support.gateway import eventually
from tests.support.open_ports import open_ports

pytestmark = [pytest.mark.cluster, pytest.mark.envoy]

INSTALL = "crossfade install gateway --release kong --namespace kong"
READY = Step(
    "kubectl get pods -n kong",
    (Expected(r"\ANAME.*\nkong-kong-\S+ +2/2 +Running +\d+.*\n\Z", "one pod, without a sidecar, and no patch"),),
    patience_s=READY_S,
)


def merged(chapter: Chapter) -> Chapter:
    """Without what is there for the sidecar: the fault under DROP_ALL and the patch, the container `envoy`."""
    if chapter is not GATEWAY:
        return chapter
    steps: list[Step] = []
    for step in chapter.steps:
        if step.command == "kubectl get pods -n kong":
            steps += [] if READY in steps else [READY]
        elif "jsonpath" in step.command:
            steps.append(step._replace(shows=step.shows[:2]))
        elif "patch deploy" not in step.command:
            steps.append(step._replace(command=step.command.replace(INSTALL, f"{INSTALL} --mesh-native")))
    return Chapter(chapter.title, tuple(steps))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCluster]:
    with embedded_cluster(tmp_path_factory.mktemp("merged")) as started:
        yield started


@pytest.fixture(scope="module")
def session(cluster: EmbeddedCluster) -> Iterator[Shell]:
    with shell(kubeconfig=cluster.kubeconfig, gateway_url=cluster.gateway_url, examples_root=examples_root()) as opened:
        yield opened


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.title.lower().replace(" ", "-"))
def test_every_step_shows_what_it_shows_with_a_sidecar(session: Shell, chapter: Chapter) -> None:
    for step in merged(chapter).steps:
        outcome = session.run(step)
        assert not outcome.failures, f"$ {step.command}\n{outcome.output}"


def test_the_pod_has_nothing_of_a_sidecar(cluster: EmbeddedCluster) -> None:
    (pod,) = json.decode(cluster.kubectl("get", "pods", "-n", "kong", "-o", "json"))["items"]
    assert {one["name"] for one in pod["spec"]["containers"]} == {"ingress-controller", "proxy"}
    assert not pod["spec"].get("initContainers")


def test_network_policies_let_in_what_is_listened_for(cluster: EmbeddedCluster) -> None:
    """All of it: clients, sidecars, webhooks, probes and scrapers; and no port more."""
    values: JsonObject = {"networkPolicy": {"enabled": True}}
    gateway = let_in(gateway_manifests(GatewayInstallSettings(mesh_native=True, values=values)))
    assert open_ports(cluster, "kong", "deployment/kong-kong", "proxy") == gateway
    mesh = let_in(mesh_objects(MeshInstallSettings(values=values)))
    assert open_ports(cluster, "appmesh-system", "deployment/appmesh-controller", "controller") == mesh


def let_in(manifests: list[JsonObject]) -> set[int]:
    (policy,) = (each for each in manifests if each["kind"] == "NetworkPolicy")
    return {port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]}


def test_the_canary_gets_its_share(cluster: EmbeddedCluster) -> None:
    check_canary(cluster)


def annotate_mesh(cluster: EmbeddedCluster, mode: str) -> None:
    cluster.kubectl("annotate", "mesh", "dj-app", f"crossfade.dev/mesh-tls={mode}", "--overwrite")


def test_it_has_an_identity_of_its_mesh(cluster: EmbeddedCluster) -> None:
    """Strict nodes serve it; the next test asks while the mesh's controller is away."""

    def in_plain_text() -> str:
        url = "http://jazz-v1.prod.svc.cluster.local:9080/"
        script = f"curl -s -o /dev/null -w '%{{http_code}}' -m 2 {url} || true"
        where = ("exec", "-n", "kong", "deployment/kong-kong", "-c", "proxy")
        return cluster.kubectl(*where, "--", "sh", "-c", script)

    assert in_plain_text() == "200"
    annotate_mesh(cluster, "strict")
    eventually(lambda: in_plain_text() == "000")
    eventually(lambda: {status for status, _ in ask_for_jazz(cluster.gateway_url, 8)} == {200})


def test_backends_count_at_once_also_without_the_meshs_controller(cluster: EmbeddedCluster) -> None:
    def statuses() -> set[int]:
        return {status for status, _ in ask_for_jazz(cluster.gateway_url, 8)}

    def set_backends(*names: str) -> None:
        references = [{"virtualService": {"virtualServiceRef": {"name": name, "namespace": "prod"}}} for name in names]
        change = json.encode({"spec": {"backends": references}}).decode()
        cluster.kubectl("patch", "virtualnode", "kong", "-n", "kong", "--type=merge", "-p", change)

    set_backends("metal")
    eventually(lambda: statuses() == {404})
    set_backends("jazz", "metal")
    eventually(lambda: statuses() == {200})
    cluster.kubectl("scale", "deployment", "appmesh-controller", "-n", "appmesh-system", "--replicas=0")
    cluster.kubectl("wait", "pod", "-n", "appmesh-system", "--all", "--for=delete", "--timeout=60s")
    assert statuses() == {200}
    assert {status for status, _ in ask_for_jazz(cluster.gateway_url, 40)} == {200}, "by the identity that it has"
