"""What happens when a piece of the tutorial is missing, comes late or is taken away again."""

import itertools
import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from crossfade.demo.replay import wait_for_room
from crossfade.shipped import examples_root
from tests.support.cluster import EmbeddedCluster
from tests.support.dj import SOON_S, ask, consumer, dj_behind_the_gateway, ingress, plugin, wait_for_status
from tests.support.gateway import eventually

pytestmark = [pytest.mark.cluster, pytest.mark.envoy]

KONG = examples_root() / "examples/kong"
KEY = {"apikey": "secret-of-anna"}
MAIN_OBJECTS = (
    "fqdn-service-routing.yaml",
    "dj_ingress-v1.yml",
    "kongingress-dontpreservehost.yml",
    "apikey.yml",
    "ratelimiting.yml",
)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCluster]:
    with dj_behind_the_gateway(tmp_path_factory.mktemp("failures")) as running:
        running.kubectl("apply", "-f", "-", stdin=ingress("steady", host="steady.test"))
        wait_for_status(running, 200, "/jazz", host="steady.test")
        yield running


def patch(cluster: EmbeddedCluster, kind: str, name: str, change: object, *, namespace: str = "prod") -> None:
    cluster.kubectl("patch", kind, name, "-n", namespace, "--type=merge", "-p", json.dumps(change))


def from_dj(cluster: EmbeddedCluster, *curl: str) -> str:
    return cluster.kubectl("exec", "-n", "prod", "deploy/dj", "-c", "dj", "--", "curl", "-s", *curl)


class TestMesh:
    """appmesh.md §8.3, seen through the gateway."""

    def test_backend_that_the_gateways_node_does_not_list(self, cluster: EmbeddedCluster) -> None:
        node = json.loads(cluster.kubectl("get", "virtualnode", "kong", "-n", "kong", "-o", "json"))
        backends = node["spec"]["backends"]
        only_metal = [one for one in backends if one["virtualService"]["virtualServiceRef"]["name"] == "metal"]
        patch(cluster, "virtualnode", "kong", {"spec": {"backends": only_metal}}, namespace="kong")
        assert wait_for_status(cluster, 404, "/dj/jazz").body == ""
        assert ask(cluster, "/dj/metal").status == 200
        patch(cluster, "virtualnode", "kong", {"spec": {"backends": backends}}, namespace="kong")
        wait_for_status(cluster, 200, "/dj/jazz")

    def test_host_of_the_client_is_kept(self, cluster: EmbeddedCluster) -> None:
        patch(cluster, "kongingress", "do-not-preserve-host", {"route": {"preserve_host": True}})
        assert wait_for_status(cluster, 404, "/dj/jazz").body == ""
        patch(cluster, "kongingress", "do-not-preserve-host", {"route": {"preserve_host": False}})
        wait_for_status(cluster, 200, "/dj/jazz")

    def test_short_name_as_host_header(self, cluster: EmbeddedCluster) -> None:
        patch(cluster, "kongingress", "fqdn-jazz", {"upstream": {"host_header": "jazz"}})
        assert wait_for_status(cluster, 404, "/dj/jazz").body == ""
        patch(cluster, "kongingress", "fqdn-jazz", {"upstream": {"host_header": "jazz.prod.svc.cluster.local"}})
        wait_for_status(cluster, 200, "/dj/jazz")

    def test_service_is_absent(self, cluster: EmbeddedCluster) -> None:
        cluster.kubectl("delete", "service", "metal", "-n", "prod")
        answer = wait_for_status(cluster, 503, "/dj/metal")
        assert "failure to get a peer from the ring-balancer" in answer.body
        with pytest.raises(subprocess.CalledProcessError) as unresolved:
            from_dj(cluster, "metal.prod.svc.cluster.local:9080")
        assert "command terminated with exit code 6" in unresolved.value.stderr
        assert ask(cluster, "/dj/jazz").status == 200
        cluster.kubectl("apply", "-f", str(KONG / "fqdn-service-routing.yaml"))
        wait_for_status(cluster, 200, "/dj/metal")


class TestGateway:
    @pytest.mark.parametrize("manifest", ["dj_ingress.yml", "dj_ingress-v1beta1.yml", "dj_ingress-v1.yml"])
    def test_each_version_of_ingress_serves(self, cluster: EmbeddedCluster, manifest: str) -> None:
        cluster.kubectl("delete", "ingress", "djingress", "-n", "prod", "--ignore-not-found")
        wait_for_status(cluster, 404, "/dj/jazz")
        cluster.kubectl("create", "-f", str(KONG / manifest))
        assert "Astrud" in wait_for_status(cluster, 200, "/dj/jazz").body
        assert "Megadeth" in ask(cluster, "/dj/metal").body

    @pytest.mark.parametrize(
        "order", [order for number, order in enumerate(itertools.permutations(MAIN_OBJECTS)) if number % 30 == 17]
    )
    def test_objects_in_any_order_lead_to_the_same_answers(
        self, cluster: EmbeddedCluster, tmp_path: Path, order: tuple[str, ...]
    ) -> None:
        """kong.md §9, R-50: what refers to something missing waits for it."""
        cluster.kubectl("delete", "ingress/djingress", "kongplugin/apikey", "kongplugin/rl-by-minute", *GONE)
        wait_for_status(cluster, 404, "/dj/jazz")
        for name in order:
            manifests = list(yaml.safe_load_all((KONG / name).read_text()))
            for manifest in manifests:
                if manifest["kind"] == "Ingress":
                    manifest["metadata"]["annotations"]["konghq.com/plugins"] = "apikey, rl-by-minute"
            (tmp_path / name).write_text(yaml.safe_dump_all(manifests))
            cluster.kubectl("apply", "-f", str(tmp_path / name))
        cluster.kubectl("apply", "-f", "-", stdin=consumer("anna", "anna-key", KEY["apikey"]))
        assert "No API key found in request" in wait_for_status(cluster, 401, "/dj/jazz").body
        # An earlier order may have used up the minute.
        eventually(lambda: ask(cluster, "/dj/jazz", headers=KEY).status in (200, 429), within_s=SOON_S)
        assert ask(cluster, "/dj/jazz", headers=KEY).headers["X-RateLimit-Limit-Minute"] == "3"


GONE = ("kongconsumer/anna", "kongingress/do-not-preserve-host", "-n", "prod", "--ignore-not-found")


@pytest.fixture(scope="module")
def keyed(cluster: EmbeddedCluster) -> None:
    cluster.kubectl("apply", "-f", "-", stdin=plugin("by-key", "key-auth"))
    cluster.kubectl("apply", "-f", "-", stdin=ingress("keyed", host="keyed.test", plugins="by-key"))
    wait_for_status(cluster, 401, "/jazz", host="keyed.test")


@pytest.mark.usefixtures("keyed")
class TestPolicies:
    @pytest.mark.parametrize("taken", ["secret/bert-key", "kongconsumer/bert"])
    def test_revoked_key_is_refused_within_a_second(self, cluster: EmbeddedCluster, taken: str) -> None:
        cluster.kubectl("apply", "-f", "-", stdin=consumer("bert", "bert-key", "secret-of-bert"))
        wait_for_status(cluster, 200, "/jazz", host="keyed.test", apikey="secret-of-bert")
        cluster.kubectl("delete", taken, "-n", "prod")
        gone = time.monotonic()
        eventually(lambda: _status(cluster, apikey="secret-of-bert") == 401, within_s=SOON_S)
        assert time.monotonic() - gone < 1.0
        assert ask(cluster, "/jazz", host="steady.test").status == 200

    def test_annotation_taken_away_opens_the_route_again(self, cluster: EmbeddedCluster) -> None:
        cluster.kubectl("annotate", "ingress", "keyed", "-n", "prod", "konghq.com/plugins-")
        wait_for_status(cluster, 200, "/jazz", host="keyed.test")
        cluster.kubectl("annotate", "ingress", "keyed", "-n", "prod", "konghq.com/plugins=by-key")
        wait_for_status(cluster, 401, "/jazz", host="keyed.test")

    def test_counters_survive_a_change_of_another_route(self, cluster: EmbeddedCluster) -> None:
        limited = plugin("few", "rate-limiting", "{hour: 100, policy: local}")
        cluster.kubectl("apply", "-f", "-", stdin=limited + ingress("limited", host="limited.test", plugins="few"))
        eventually(lambda: "RateLimit-Remaining" in ask(cluster, "/jazz", host="limited.test").headers, within_s=SOON_S)
        wait_for_room(8.0)
        before = int(ask(cluster, "/jazz", host="limited.test").headers["RateLimit-Remaining"])
        cluster.kubectl("apply", "-f", "-", stdin=ingress("newcomer", host="newcomer.test"))
        wait_for_status(cluster, 200, "/jazz", host="newcomer.test")
        after = int(ask(cluster, "/jazz", host="limited.test").headers["RateLimit-Remaining"])
        assert after == before - 1


def _status(cluster: EmbeddedCluster, **headers: str) -> int:
    return ask(cluster, "/jazz", host="keyed.test", headers=headers).status
