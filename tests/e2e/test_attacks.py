"""What a hostile client, pod or user of the machine must not get."""

import http.client
import json
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from crossfade.demo.replay import wait_for_room
from tests.support.cluster import EmbeddedCluster
from tests.support.dj import ask, consumer, dj_behind_the_gateway, gateway_pods, plugin, wait_for_status
from tests.support.dj import ingress as dj_ingress
from tests.support.gateway import RunningGateway, ingress, running_gateway, service
from tests.support.serving import serving

pytestmark = [pytest.mark.cluster, pytest.mark.envoy]

KEY = "kong-secret"
GATEWAY_FILES = """
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {name: by-key}
plugin: key-auth
---
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {name: by-ip}
plugin: rate-limiting
config: {minute: 2, policy: local, limit_by: ip}
---
apiVersion: v1
kind: Secret
metadata: {name: anna-key, labels: {konghq.com/credential: key-auth}}
stringData: {key: kong-secret}
---
apiVersion: configuration.konghq.com/v1
kind: KongConsumer
metadata: {name: anna, annotations: {kubernetes.io/ingress.class: kong}}
username: anna
credentials: [anna-key]
---
"""


@contextmanager
def echo() -> Iterator[int]:
    """A server on loopback that answers with what it was asked, as JSON; gives its port."""

    class Echo(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if "slow" in self.path:
                time.sleep(0.3)
            body = json.dumps(
                {"path": self.path, "headers": [[k.lower(), v] for k, v in self.headers.items()]}
            ).encode()
            self.send_response(503 if "broken" in self.path else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the inherited name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    server.daemon_threads = True
    with serving(server):
        yield server.server_address[1]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    folder = tmp_path_factory.mktemp("gateway")
    with echo() as port:
        manifests = [
            GATEWAY_FILES,
            service("echo", port),
            ingress("keyed", "/keyed", "echo", "konghq.com/plugins: by-key"),
            ingress("counted", "/counted", "echo", "konghq.com/plugins: by-ip"),
            ingress("open", "/open", "echo", "konghq.com/strip-path: 'true'"),
        ]
        (folder / "all.yaml").write_text("".join(manifests))
        with running_gateway(folder) as running:
            yield running


def headers_upstream(gateway: RunningGateway, path: str, headers: dict[str, str]) -> list[tuple[str, str]]:
    answer = gateway.get(path, headers)
    assert answer.status == 200, answer
    return [(name, value) for name, value in json.loads(answer.body)["headers"]]


class TestClient:
    def test_pretended_consumer_is_replaced(self, gateway: RunningGateway) -> None:
        pretended = {
            "X-Consumer-ID": "root",
            "X-Consumer-Username": "root",
            "X-Consumer-Custom-ID": "root",
            "X-Credential-Identifier": "root",
            "X-Anonymous-Consumer": "true",
        }
        seen = headers_upstream(gateway, "/keyed", {"apikey": KEY, **pretended})
        about = [(name, value) for name, value in seen if name.startswith(("x-consumer", "x-cred", "x-anonymous"))]
        assert ("x-consumer-username", "anna") in about
        assert not [value for _, value in about if value in ("root", "true")]

    def test_pretended_address_does_not_evade_the_limit(self, gateway: RunningGateway) -> None:
        wait_for_room(5.0)
        pretended = [
            {"X-Forwarded-For": "1.1.1.1"},
            {"X-Real-IP": "2.2.2.2"},
            {"Forwarded": "for=3.3.3.3", "X-Forwarded-For": "3.3.3.3, 127.0.0.1"},
            {"X-Envoy-External-Address": "4.4.4.4", "X-Forwarded-For": "127.0.0.1, 4.4.4.4"},
        ]
        assert [gateway.get("/counted", headers).status for headers in pretended] == [200, 200, 429, 429]

    @pytest.mark.parametrize(
        "path",
        [
            "/open/../keyed",
            "/open/%2e%2e/keyed",
            "/open/%2E%2e/keyed",
            "/open/.%2e/keyed",
            "//keyed",
            "/./keyed",
            "/%6beyed",
            "/open/..//keyed",
            "/open/..%2Fkeyed",
            "/open/..%2fkeyed",
            "/open%2f..%2fkeyed",
            "/KEYED",
            "/open/..;/keyed",
            "/open\\..\\keyed",
            "/open/%252e%252e/keyed",
            "/keyed%2f",
            "/keyed;a=b",
            "/keyed/",
        ],
    )
    def test_path_tricks_do_not_reach_a_protected_path(self, gateway: RunningGateway, path: str) -> None:
        """Without a key, the upstream never sees the protected path nor dot segments (an escaped slash is no slash)."""
        answer = gateway.get(path)
        if answer.status == 200:
            upstream = json.loads(answer.body)["path"].lower()
            assert not upstream.startswith("/keyed")
            assert not {".", "..", "%2e%2e"} & set(upstream.split("/"))
        else:
            assert answer.status in (400, 401, 404)

    @pytest.mark.parametrize(
        ("sent", "arrives"),
        [
            ("/open/a%2Fb", "/a%2Fb"),
            ("/open/..%2fkeyed", "/..%2Fkeyed"),
            ("/open/..;/keyed", "/..;/keyed"),
            ("/open/a;b=c", "/a;b=c"),
            ("/open//a/./%62", "/a/b"),
        ],
    )
    def test_reserved_characters_reach_the_backend_as_they_are(
        self, gateway: RunningGateway, sent: str, arrives: str
    ) -> None:
        """What docs/security.md warns backends of."""
        answer = gateway.get(sent)
        assert answer.status == 200
        assert json.loads(answer.body)["path"] == arrives

    @pytest.mark.parametrize("path", ["/open/../../keyed", "/open/%00", "/open/%zz"])
    def test_bad_paths_are_refused(self, gateway: RunningGateway, path: str) -> None:
        assert gateway.get(path).status == 400

    def test_headers_on_a_route_without_policies(self, gateway: RunningGateway) -> None:
        sent = {
            "X-Consumer-Username": "root",
            "X_Consumer_Groups": "admin",
            "X-Forwarded-For": "1.1.1.1",
            "X-Forwarded-Host": "forged.test",
            "X-Real-IP": "2.2.2.2",
        }
        seen = dict(headers_upstream(gateway, "/open", sent))
        assert not {"x-consumer-username", "x_consumer_groups"} & seen.keys()
        assert seen["x-forwarded-for"] == "1.1.1.1, 127.0.0.1"
        assert (seen["x-forwarded-host"], seen["x-real-ip"]) == ("127.0.0.1", "127.0.0.1")

    def test_headers_that_connection_names_do_not_travel_on(self, gateway: RunningGateway) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)
        try:
            hop = {"X-One": "1", "X-Two": "2", "X-Three": "3", "Connection": "X-One, close, x-two", "Proxy": "evil"}
            connection.request("GET", "/open", headers=hop)
            seen = dict(json.loads(connection.getresponse().read())["headers"])
        finally:
            connection.close()
        assert {"x-one", "x-two", "x-three", "proxy"} & seen.keys() == {"x-three"}

    def test_headers_that_steer_envoy_have_no_effect(self, gateway: RunningGateway) -> None:
        steering = {
            "X-Envoy-Upstream-Rq-Timeout-Ms": "1",
            "X-Envoy-Upstream-Rq-Per-Try-Timeout-Ms": "1",
            "X-Envoy-Retry-On": "5xx",
            "X-Envoy-Max-Retries": "50",
        }
        assert gateway.get("/open/slow", steering).status == 200


class TestMachine:
    @pytest.fixture(scope="class")
    @classmethod
    def cluster(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCluster]:
        with dj_behind_the_gateway(tmp_path_factory.mktemp("attacks")) as running:
            manifests = plugin("apikey", "key-auth") + consumer("anna", "anna-key", KEY)
            manifests += dj_ingress("keyed", host="keyed.test", plugins="apikey")
            running.kubectl("apply", "-f", "-", stdin=manifests)
            running.kubectl("run", "outsider", "--image=crossfade/djapp:v1", "-n", "default")
            running.kubectl("wait", "--for=condition=Ready", "pod/outsider", "-n", "default", "--timeout=30s")
            wait_for_status(running, 200, "/jazz", host="keyed.test", apikey=KEY)
            yield running

    def test_files_belong_to_their_owner_alone(self, cluster: EmbeddedCluster) -> None:
        def mode(path: Path) -> int:
            return stat.S_IMODE(path.stat().st_mode)

        secret = [cluster.kubeconfig, *cluster.data_dir.glob("pki/*.key"), *cluster.data_dir.glob("state.db*")]
        assert len(secret) > 4
        assert {str(path): oct(mode(path)) for path in secret if mode(path) != 0o600} == {}
        assert mode(cluster.data_dir) == mode(cluster.data_dir / "pki") == 0o700

    def test_keys_are_in_no_log_event_or_configuration(self, cluster: EmbeddedCluster) -> None:
        assert ask(cluster, f"/jazz?apikey={KEY}", host="keyed.test").status == 200
        logs = [path for path in (cluster.data_dir / "logs").rglob("*") if path.is_file()]
        assert logs
        assert [str(path) for path in logs if KEY.encode() in path.read_bytes()] == []
        assert KEY not in cluster.kubectl("get", "events", "-A", "-o", "yaml")
        fetch = "for p in 9901 9911; do curl -s localhost:$p/config_dump?include_eds; done"
        dumped = cluster.kubectl("exec", "-n", "kong", "deploy/kong-kong", "-c", "proxy", "--", "sh", "-c", fetch)
        assert "crossfade_policy" in dumped
        assert KEY not in dumped

    @pytest.mark.parametrize("path", ["/config_dump", "/stats/../config_dump", "//config_dump", "/quitquitquit"])
    def test_admin_interface_is_not_for_other_pods(self, cluster: EmbeddedCluster, path: str) -> None:
        (pod,) = gateway_pods(cluster)
        address = cluster.kubectl("get", "pod", pod, "-n", "kong", "-o", "jsonpath={.status.podIP}")
        ports = cluster.kubectl("exec", "-n", "kong", "deploy/kong-kong", "-c", "proxy", "--", "ss", "-Hltn")
        open_ports = {line.split()[3].rpartition(":")[2] for line in ports.splitlines()}
        assert {"9901", "9911"} <= open_ports
        tries = [
            f"curl -s -m 2 --path-as-is -X {method} http://{address}:{port}{path} || true"
            for port in sorted(open_ports)
            for method in ("GET", "POST")
        ]
        said = cluster.kubectl("exec", "-n", "default", "outsider", "--", "sh", "-c", "; ".join(tries))
        assert "configs" not in said
        assert "OK" not in said
        assert ask(cluster, "/jazz", host="keyed.test").status == 401
