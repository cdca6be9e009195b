"""AWS's walkthroughs of App Mesh, one a test: what its README promises, on its manifests as published."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from typing import Any, Final

import grpc
import pytest

from tests.support.aws_walkthroughs import Answer, Walkthrough, Walkthroughs, opaque_secret, walkthroughs
from tests.support.cluster import crossfade
from tests.support.gateway import eventually
from tests.support.tls import Pair, issue

pytestmark = [pytest.mark.cluster, pytest.mark.envoy]

Json = dict[str, Any]
IN_CLUSTER: Final = "{}.svc.cluster.local"
CALLS: Final = (
    Walkthrough("howto-k8s-cloudmap"),
    Walkthrough("howto-k8s-cross-cluster", manifest="v1beta2/cluster2.yaml.template"),
    Walkthrough("howto-k8s-egress"),
    Walkthrough("howto-k8s-envoy-logging-custom-format", manifest="manifest.yaml.template"),
    Walkthrough("howto-k8s-fargate"),
    Walkthrough("howto-k8s-grpc", apps=("color_server", "color_client"), cloud_map=IN_CLUSTER),
    Walkthrough("howto-k8s-http-headers"),
    Walkthrough("howto-k8s-http2", apps=("color_server", "color_client"), cloud_map=IN_CLUSTER),
    Walkthrough("howto-k8s-outlier-detection"),
    Walkthrough("howto-k8s-retry-policy"),
    Walkthrough("howto-k8s-timeout-policy"),
)
EDGES: Final = (
    Walkthrough("howto-k8s-connection-pools"),
    Walkthrough("howto-k8s-grpc-ingress-v2", apps=("greeter", "")),
    Walkthrough("howto-k8s-http-ingress-v2"),
    Walkthrough("howto-k8s-ingress-gateway"),
    Walkthrough("howto-k8s-mtls-file-based"),
    Walkthrough("howto-k8s-multiple-listeners", manifest="manifest.yaml"),
    Walkthrough("howto-k8s-tls-file-based"),
)
SETS: Final = {one.name: one for one in CALLS + EDGES}
# A cluster for each, one after the other: a user's Envoys may watch 128 groups of files in all, and a sidecar has two.
calls = pytest.mark.parametrize("aws", [CALLS], ids=["calls"], indirect=True)
edges = pytest.mark.parametrize("aws", [EDGES], ids=["edges"], indirect=True)
SLOW = SETS["howto-k8s-timeout-policy"]
TLS, MUTUAL = SETS["howto-k8s-tls-file-based"], SETS["howto-k8s-mtls-file-based"]
# What their scripts set for `up` and for `addGreen`.
TLS_STEPS: Final = (
    {"FRONTEND_APP_CERT": "ca1-cert-tls", "FRONTEND_CERT_CHAIN": "ca_1_cert.pem"},
    {"FRONTEND_APP_CERT": "ca1-ca2-bundle-tls", "FRONTEND_CERT_CHAIN": "ca_1_ca_2_bundle.pem"},
)
MUTUAL_STEPS: Final = (
    {"FRONT_APP_K8S_SECRET": "front-ca1-tls", "FRONT_APP_CA_CERT": "ca_1_cert.pem"},
    {"FRONT_APP_K8S_SECRET": "front-ca1-ca2-tls", "FRONT_APP_CA_CERT": "ca_1_ca_2_bundle.pem"},
)
FIRST_STEPS: Final = {TLS.name: TLS_STEPS[0], MUTUAL.name: MUTUAL_STEPS[0]}
# Stands for `kubectl port-forward`, and for a client in the cluster: set, app and port.
FORWARDED: Final = (
    *(
        (f"howto-k8s-{name}", "front")
        for name in (
            *(
                "cloudmap",
                "envoy-logging-custom-format",
                "fargate",
                "http-headers",
                "mtls-file-based",
                "outlier-detection",
            ),
            *("retry-policy", "timeout-policy", "tls-file-based"),
        )
    ),
    ("howto-k8s-grpc", "client"),
    ("howto-k8s-http2", "client"),
)
SOON_S: Final = 120.0


@pytest.fixture(scope="module")
def aws(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walkthroughs]:
    sets: tuple[Walkthrough, ...] = request.param
    with walkthroughs(tmp_path_factory.mktemp("aws")) as running, ThreadPoolExecutor(1) as pool:
        if SLOW in sets:
            running.apply(prepared(SLOW))
            running.slow_answer = pool.submit(ask_when_ready, running)
        objects = [item for one in sets if one is not SLOW for item in prepared(one)]
        running.apply(objects)
        running.wait(*(item["metadata"]["name"] for item in objects if item["kind"] == "Namespace"))
        yield running


def ask_when_ready(aws: Walkthroughs) -> Answer:
    aws.wait(SLOW.name)
    eventually(lambda: aws.ask(SLOW.name, "front-forwarded", "/ping").status == 200, within_s=SOON_S)
    return aws.ask(SLOW.name, "front-forwarded", "/color", timeout_s=60)


def prepared(one: Walkthrough) -> Iterator[Json]:
    first, *others = one.objects(**FIRST_STEPS.get(one.name, {}))
    yield first
    yield from MADE_BEFORE.get(one.name, list)()
    yield from others
    if one.name == "howto-k8s-connection-pools":
        yield one.forwarded("ingress-gw", 8088)
    for name, app in FORWARDED:
        if name == one.name:
            yield one.forwarded(app, 8080)


def service_account() -> Iterator[Json]:
    metadata = {"name": "appmesh-pod", "namespace": "howto-k8s-fargate"}
    yield {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}


def tls_secrets() -> Iterator[Json]:
    one, two = issue("ca 1"), issue("ca 2")
    for color, authority in (("blue", one), ("green", two)):
        yield opaque_secret(TLS, f"colorapp-{color}-tls", color_files(TLS, color, authority))
    yield opaque_secret(TLS, "ca1-cert-tls", {"ca_1_cert.pem": one.certificate_pem})
    yield opaque_secret(TLS, "ca1-ca2-bundle-tls", {"ca_1_ca_2_bundle.pem": one.certificate_pem + two.certificate_pem})


def mutual_secrets() -> Iterator[Json]:
    one, two = issue("ca 1"), issue("ca 2")
    for color, authority in (("blue", one), ("green", two)):
        files = {**color_files(MUTUAL, color, authority), "ca_1_cert.pem": one.certificate_pem}
        yield opaque_secret(MUTUAL, f"colorapp-{color}-tls", files)
    front = pair_files("front", issue("front", one, hosts=(f"front.{IN_CLUSTER.format(MUTUAL.name)}",)), one)
    yield opaque_secret(MUTUAL, "front-ca1-tls", {**front, "ca_1_cert.pem": one.certificate_pem})
    both = one.certificate_pem + two.certificate_pem
    yield opaque_secret(MUTUAL, "front-ca1-ca2-tls", {**front, "ca_1_ca_2_bundle.pem": both})


# By other scripts of the walkthrough.
MADE_BEFORE: Final = {"howto-k8s-fargate": service_account, TLS.name: tls_secrets, MUTUAL.name: mutual_secrets}


def color_files(walkthrough: Walkthrough, color: str, authority: Pair) -> dict[str, bytes]:
    host = f"color-{color}.{IN_CLUSTER.format(walkthrough.name)}"
    return pair_files(f"colorapp-{color}", issue(color, authority, hosts=(host,)), authority)


def pair_files(name: str, pair: Pair, authority: Pair) -> dict[str, bytes]:
    chain = pair.certificate_pem + authority.certificate_pem
    return {f"{name}_cert_chain.pem": chain, f"{name}_key.pem": pair.key_pem}


def colors(aws: Walkthroughs, name: str, count: int, path: str = "/", service: str = "front-forwarded") -> Counter[str]:
    return Counter(aws.ask(name, service, path).body for _ in range(count))


def exec_in(aws: Walkthroughs, name: str, where: str, container: str, script: str) -> str:
    return aws.kubectl("exec", "-n", name, where, "-c", container, "--", "sh", "-c", script)


def stats(aws: Walkthroughs, name: str, deployment: str) -> dict[str, str]:
    script = "curl -s http://localhost:9901/stats"
    lines = exec_in(aws, name, f"deploy/{deployment}", "envoy", script).splitlines()
    return dict(line.split(": ", 1) for line in lines if ": " in line)


@calls
def test_http_headers(aws: Walkthroughs) -> None:
    name = "howto-k8s-http-headers"
    eventually(lambda: aws.ask(name, "front-forwarded") == (200, "white"), within_s=SOON_S)
    for told, color in {
        "blue": "blue",
        "red": "red",
        "requesting.green.color": "green",
        "rainbow": "yellow",
    }.items():
        expected = 200, color
        eventually(
            lambda told=told, expected=expected: aws.ask(name, "front-forwarded", color_header=told) == expected,
            within_s=SOON_S,
        )


@calls
def test_what_is_explained_of_http_headers_is_what_happens(aws: Walkthroughs) -> None:
    name = "howto-k8s-http-headers"
    url = f"http://color.{IN_CLUSTER.format(name)}:8080/"
    asked = ("GET", url, "--node", f"{name}/front", "-H", "color_header: rainbow", "--kubeconfig", str(aws.kubeconfig))
    told = crossfade("explain", *asked, "--output", "json")
    assert told.returncode == 0, told.stderr
    (target,) = json.loads(told.stdout)["targets"]
    (pod,) = json.loads(aws.kubectl("get", "pods", "-n", name, "-l", "version=yellow", "-o", "json"))["items"]
    assert target["object"] == f"VirtualNode {name}/yellow"
    assert target["endpoints"] == [f"{pod['status']['podIP']}:8080"]


@calls
def test_retry_policy(aws: Walkthroughs) -> None:
    """The server answers every fourth request; App Mesh itself repeats one twice where no policy says how often."""
    name = "howto-k8s-retry-policy"
    eventually(lambda: aws.ask(name, "front-forwarded").status == 200, within_s=SOON_S)
    statuses = [aws.ask(name, "front-forwarded").status for _ in range(20)]
    assert Counter(statuses) == {200: 10, 503: 10}
    aws.apply(SETS[name].objects(uncommented=True))

    def repeats() -> bool:
        return {aws.ask(name, "front-forwarded").status for _ in range(8)} == {200}

    eventually(repeats, within_s=SOON_S)


@calls
def test_egress(aws: Walkthroughs) -> None:
    name = "howto-k8s-egress"

    def from_front(color: str) -> str:
        script = f"curl -s -m 5 -w ' %{{http_code}}' {color}.mesh-external.svc.cluster.local:8080/"
        return exec_in(aws, name, "deploy/front", "app", script)

    eventually(lambda: from_front("blue") == "external: blue 200", within_s=SOON_S)
    assert from_front("red") == " 404"
    allowed = [one for one in SETS[name].objects() if one["kind"] == "Mesh"]
    allowed[0]["spec"]["egressFilter"]["type"] = "ALLOW_ALL"
    aws.apply(allowed)
    eventually(lambda: from_front("red") == "external: red 200", within_s=SOON_S)
    assert from_front("blue") == "external: blue 200"


@calls
def test_cloudmap(aws: Walkthroughs) -> None:
    name = "howto-k8s-cloudmap"
    eventually(lambda: aws.ask(name, "front-forwarded", "/color").status == 200, within_s=SOON_S)
    assert colors(aws, name, 40, "/color").keys() == {"blue", "red"}
    pods = json.loads(aws.kubectl("get", "pods", "-n", name, "-o", "json"))["items"]
    for service in ("front", "colorapp"):
        own = {one["status"]["podIP"] for one in pods if one["metadata"]["labels"]["app"] == service}
        script = f"getent ahostsv4 {service}.{name}.pvt.aws.local"
        assert {line.split()[0] for line in exec_in(aws, name, "deploy/front", "front", script).splitlines()} == own


@calls
def test_cross_cluster(aws: Walkthroughs) -> None:
    """One cluster has both halves; the one calls the other by its ARN."""
    name = "howto-k8s-cross-cluster"
    arn = aws.kubectl("get", "virtualservice", "colorapp", "-n", name).splitlines()[1].split()[1]
    front = json.dumps(SETS[name].objects("v1beta2/cluster1.yaml.template")).replace("colorapp-service-ARN", arn)
    aws.apply(json.loads(front))
    aws.wait(name)
    eventually(lambda: aws.ask(name, "front", "/color").status == 200, within_s=SOON_S)
    assert colors(aws, name, 40, "/color", "front").keys() == {"blue", "red"}


@calls
def test_fargate(aws: Walkthroughs) -> None:
    name = "howto-k8s-fargate"
    eventually(lambda: aws.ask(name, "front-forwarded", "/color").status == 200, within_s=SOON_S)
    assert colors(aws, name, 40, "/color").keys() == {"blue", "green"}
    admin = "curl -s http://localhost:9901"
    clusters = exec_in(aws, name, "deploy/green", "envoy", f"{admin}/clusters").splitlines()
    assert f"cds_ingress_{name}_green_{name}_http_8080::added_via_api::true" in clusters
    listeners = exec_in(aws, name, "deploy/green", "envoy", f"{admin}/listeners").splitlines()
    assert {"lds_ingress_0.0.0.0_15000::0.0.0.0:15000", "lds_egress_0.0.0.0_15001::0.0.0.0:15001"} <= set(listeners)


@edges
def test_tls_file_based(aws: Walkthroughs) -> None:
    ask_green_after_its_authority_is_trusted(aws, TLS, TLS_STEPS[1])


@edges
def test_mtls_file_based(aws: Walkthroughs) -> None:
    name = MUTUAL.name
    files = exec_in(aws, name, "deploy/green", "envoy", "ls /certs/").split()
    assert files == ["ca_1_cert.pem", "colorapp-green_cert_chain.pem", "colorapp-green_key.pem"]
    ask_green_after_its_authority_is_trusted(aws, MUTUAL, MUTUAL_STEPS[1])


def ask_green_after_its_authority_is_trusted(aws: Walkthroughs, one: Walkthrough, step: dict[str, str]) -> None:
    def ask(color: str) -> Answer:
        return aws.ask(one.name, "front-forwarded", color_header=color)

    eventually(lambda: ask("blue") == (200, "blue"), within_s=SOON_S)
    assert int(stats(aws, one.name, "blue")["listener.0.0.0.0_15000.ssl.handshake"]) >= 1
    # Its certificate is of an authority that `front` does not trust; `red` has none.
    assert ask("green").status == ask("red").status == 503
    failed = f"cluster.cds_egress_{one.name}_green_{one.name}_http_8080.ssl.fail_verify_error"
    assert int(stats(aws, one.name, "front")[failed]) >= 1
    aws.apply(one.objects(**step))
    eventually(lambda: ask("green") == (200, "green"), within_s=SOON_S)
    assert int(stats(aws, one.name, "green")["listener.0.0.0.0_15000.ssl.handshake"]) >= 1


@calls
def test_grpc(aws: Walkthroughs) -> None:
    name = "howto-k8s-grpc"

    def client(path: str, body: str = "") -> Answer:
        return aws.ask(name, "client-forwarded", path, method="POST" if body else "GET", body=body)

    eventually(lambda: client("/getColor") == (200, "no_color"), within_s=SOON_S)
    assert client("/setColor", "blue").status == 404
    routers = [one for one in SETS[name].objects() if one["kind"] == "VirtualRouter"]
    del routers[0]["spec"]["routes"][0]["grpcRoute"]["match"]["methodName"]
    aws.apply(routers)
    eventually(lambda: client("/setColor", "blue") == (200, "no_color"), within_s=SOON_S)
    assert client("/getColor") == (200, "blue")


@edges
def test_grpc_ingress_v2(aws: Walkthroughs) -> None:
    name = "howto-k8s-grpc-ingress-v2"
    (route,) = [one for one in SETS[name].objects() if one["kind"] == "GatewayRoute"]
    with grpc.insecure_channel(f"127.0.0.1:{aws.port(name, 'ingress-gw')}") as channel:
        say_hello = channel.unary_unary("/Hello/SayHello")

        def says(user: str, *metadata: tuple[str, str]) -> str | grpc.StatusCode:
            try:
                question = bytes([0x0A, len(user)]) + user.encode()
                return str(say_hello(question, metadata=metadata, timeout=5)[2:], "utf-8")
            except grpc.RpcError as error:
                return error.code()

        eventually(lambda: says("Alice") == "Hello Alice", within_s=SOON_S)
        refused = grpc.StatusCode.UNIMPLEMENTED
        iphone = {"name": "device", "match": {"exact": "iphone"}}
        for match, answered, others in (
            ({"serviceName": "Hello2"}, None, ()),
            ({"serviceName": "Hello", "metadata": [iphone]}, ("device", "iphone"), (("device", "x"), ("test", ""))),
            ({"serviceName": "Hello", "metadata": [{"name": "device"}]}, ("device", ""), (("test", ""),)),
            (
                {"serviceName": "Hello", "metadata": [{"name": "device", "invert": True}]},
                ("test", ""),
                (("device", ""),),
            ),
        ):
            route["spec"]["grpcRoute"]["match"] = match
            aws.apply([route])
            if answered is None:
                eventually(lambda: says("Bob") is refused, within_s=SOON_S)
            else:
                eventually(lambda one=answered: says("Bob", one) == "Hello Bob", within_s=SOON_S)
            assert {says("Bob", one) for one in others} <= {refused}


@calls
def test_http2(aws: Walkthroughs) -> None:
    name = "howto-k8s-http2"
    eventually(
        lambda: colors(aws, name, 3, "/color", "client-forwarded").keys() <= {"red", "blue", "green"}, within_s=SOON_S
    )
    shares = colors(aws, name, 60, "/color", "client-forwarded")
    # 20 are expected of each; 4 standard deviations are 15.
    assert shares.keys() == {"red", "blue", "green"}
    assert min(shares.values()) >= 5
    routers = [one for one in SETS[name].objects() if one["kind"] == "VirtualRouter"]
    targets = routers[0]["spec"]["routes"][0]["http2Route"]["action"]["weightedTargets"]
    removed = targets.pop(0)["virtualNodeRef"]["name"]
    aws.apply(routers)
    eventually(lambda: removed not in colors(aws, name, 12, "/color", "client-forwarded"), within_s=SOON_S)


@edges
def test_multiple_listeners(aws: Walkthroughs) -> None:
    for service, port in (("colors-gw-1", 8080), ("colors-gw-2", 8090)):
        expected = 200, f"Hello world {port}\n"
        eventually(lambda service=service, expected=expected: aws.ask("colors", service) == expected, within_s=SOON_S)


@calls
def test_envoy_logging_custom_format(aws: Walkthroughs) -> None:
    name = "howto-k8s-envoy-logging-custom-format"
    eventually(lambda: aws.ask(name, "front-forwarded", "/color") == (200, "blue"), within_s=SOON_S)

    def lines(deployment: str, word: str) -> list[str]:
        return [
            line
            for line in aws.kubectl("logs", "-n", name, f"deployment/{deployment}", "envoy").splitlines()
            if word in line
        ]

    eventually(lambda: lines("front", "texttestingtesting HTTP/1.1:"), within_s=SOON_S)
    eventually(lambda: lines("blue", "jsontestingtesting"), within_s=SOON_S)
    assert {"protocol": "jsontestingtesting HTTP/1.1"} in map(json.loads, lines("blue", "jsontestingtesting"))


@edges
def test_http_ingress_v2(aws: Walkthroughs) -> None:
    one = SETS["howto-k8s-http-ingress-v2"]

    def ask(path: str = "/", **headers: str) -> Answer:
        return aws.ask(one.name, "ingress-gw", path, **headers)

    aws.apply(one.objects("v1beta2/gatewayroutes/prefix-match.yaml.template"))
    for color in ("red", "blue"):
        eventually(lambda color=color: ask(f"/paths/{color}") == (200, color), within_s=SOON_S)
    assert ask("/paths/green").status == ask(color_header="yellow").status == 404
    for name in ("path-match", "header-match", "query-match", "rewrite-prefix", "rewrite-path"):
        aws.apply(one.objects(f"v1beta2/gatewayroutes/{name}.yaml.template"))
    eventually(lambda: ask("/rewrite/path/blue") == (200, "blue"), within_s=SOON_S)
    assert ask("/paths/green") == (200, "green")
    assert ask(color_header="yellow") == (200, "yellow")
    assert ask("/query?color_type=white") == (200, "white")
    assert ask("/query?color_type=black").status == 404
    assert ask("/test/") == (200, "red")
    aws.apply(one.objects("v1beta2/gatewayroutes/method-match.yaml.template"))
    eventually(lambda: ask("/other") == (200, "white"), within_s=SOON_S)
    assert aws.ask(one.name, "ingress-gw", "/other", method="POST").status == 404


@edges
def test_ingress_gateway(aws: Walkthroughs) -> None:
    name = "howto-k8s-ingress-gateway"
    for color in ("red", "blue", "yellow"):
        eventually(lambda color=color: aws.ask(name, "ingress-gw", f"/paths/{color}") == (200, color), within_s=SOON_S)
    for color in ("blue", "red"):
        assert aws.ask(name, "ingress-gw", "/headers", color_header=color) == (200, color)


@calls
def test_outlier_detection(aws: Walkthroughs) -> None:
    name = "howto-k8s-outlier-detection"

    def attack(count: int) -> Counter[int]:
        return Counter(aws.ask(name, "front-forwarded", "/color/get").status for _ in range(count))

    eventually(lambda: attack(1) == {200: 1}, within_s=SOON_S)
    assert attack(40) == {200: 40}
    assert len(json.loads(aws.ask(name, "front-forwarded", "/stats").body)) == 4
    told = aws.ask(name, "front-forwarded", "/color/fault").body
    # It answers five requests with an error; then it is left out, for ten seconds.
    assert attack(60) == {200: 55, 500: 5}
    counts = json.loads(aws.ask(name, "front-forwarded", "/stats").body)
    assert {server: one["500"] for server, one in counts.items() if "500" in one} == {told.split()[1]: 5}


@edges
def test_connection_pools(aws: Walkthroughs) -> None:
    name = "howto-k8s-connection-pools"
    eventually(lambda: aws.ask(name, "ingress-gw-forwarded", "/paths/red") == (200, "red"), within_s=SOON_S)
    port, ends = aws.port(name, "ingress-gw-forwarded"), time.monotonic() + SOON_S
    seen: list[dict[str, str]] = []

    def is_full() -> bool:
        return bool(seen) and "1" in (value for key, value in seen[-1].items() if key.endswith("default.cx_open"))

    def load(_: int) -> Counter[int]:
        statuses: Counter[int] = Counter()
        connection = HTTPConnection("127.0.0.1", port, timeout=5)
        while not is_full() and time.monotonic() < ends:
            connection.request("GET", "/paths/red")
            response = connection.getresponse()
            response.read()
            statuses[response.status] += 1
        connection.close()
        return statuses

    with ThreadPoolExecutor(10) as pool:
        results = [pool.submit(load, number) for number in range(10)]
        while not is_full() and time.monotonic() < ends:
            seen.append(stats(aws, name, "ingress-gw"))
        statuses = sum((one.result() for one in results), Counter[int]())
    assert is_full(), seen[-1]
    assert statuses.keys() <= {200, 503}
    red = f"cluster.cds_egress_{name}_red_{name}_http_8080.upstream_cx_active"
    assert int(seen[-1][red]) <= 5, seen[-1]


@calls
def test_timeout_policy(aws: Walkthroughs) -> None:
    """Sixteen seconds: a route has fifteen where its timeout is not written. The others run meanwhile."""
    assert aws.slow_answer is not None
    answer = aws.slow_answer.result(timeout=60)
    assert answer.status == 200
    assert answer.body in ("blue", "red")
