"""A gateway that a VirtualNode selects behaves the same with a sidecar and without one."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import pytest

from tests.e2e.test_walkthrough import binomial_interval
from tests.support.envoy import until
from tests.support.mesh_gateway import MeshGateway, Shape, mesh_gateway
from tests.support.ports import free_ports
from tests.support.span_sink import span_sink
from tests.support.upstreams import Upstream, upstreams

pytestmark = pytest.mark.envoy

Json = dict[str, Any]
MESH: Final = {"meshRef": {"name": "m"}}
APPMESH: Final = "appmesh.k8s.aws/v1beta2"


def mesh_object(kind: str, name: str, spec: Json, **metadata: Any) -> Json:
    namespace = {} if kind == "Mesh" else {"namespace": "prod"}
    own = spec if kind == "Mesh" else {**MESH, **spec}
    return {"apiVersion": APPMESH, "kind": kind, "metadata": {"name": name, **namespace, **metadata}, "spec": own}


def fqdn(name: str) -> str:
    return f"{name}.prod.svc.cluster.local"


class Scene:
    """A mesh with the virtual service jazz, whose routes a test chooses, and a gateway that may call it and `none`.

    `routes` are those of jazz's router.
    """

    def __init__(self, gateway: MeshGateway, apps: dict[str, Upstream]) -> None:
        self.gateway = gateway
        self.apps = apps
        self.routes: list[Json] = []
        self.service_annotations: dict[str, str] = {}
        self.ingress_annotations: dict[str, str] = {}
        self.plugins: list[Json] = []
        self.node_annotations: dict[str, str] = {}

    async def apply(self, **settled: int) -> None:
        """By name of a Service: the status of its path `/<name>/settled`."""
        paths = {f"/{name}/settled": status for name, status in settled.items()}
        await self.gateway.apply(self._objects(), paths)

    async def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, str, dict[str, str]]:
        return await self.gateway.ask(path, method, **headers)

    def to(self, *targets: tuple[str, int], match: Json | None = None, **rest: Any) -> Json:
        weighted = [{"virtualNodeRef": {"name": name}, "weight": weight} for name, weight in targets]
        body = {"match": match or {"prefix": "/"}, "action": {"weightedTargets": weighted}, **rest}
        return {"name": f"r{len(self.routes)}", "httpRoute": body}

    def _objects(self) -> list[Json]:
        backends = [{"virtualService": {"virtualServiceRef": {"name": name}}} for name in ("jazz", "none")]
        listeners = [{"portMapping": {"port": 9080, "protocol": "http"}}]
        provider = {"virtualRouter": {"virtualRouterRef": {"name": "jazz"}}}
        return [
            mesh_object("Mesh", "m", {"namespaceSelector": {}}),
            mesh_object("VirtualNode", "kong", {"backends": backends}, annotations=self.node_annotations),
            *(self._node(name, app.port) for name, app in self.apps.items()),
            self._node("nobody", _NOBODY),
            mesh_object("VirtualRouter", "jazz", {"listeners": listeners, "routes": self.routes}),
            mesh_object("VirtualService", "jazz", {"awsName": fqdn("jazz"), "provider": provider}),
            mesh_object("VirtualService", "none", {"awsName": fqdn("none")}),
            mesh_object("VirtualService", "metal", {"awsName": fqdn("metal"), "provider": provider}),
            *(one for name, port in _SERVICES.items() for one in self._behind(name, port)),
            *self.plugins,
        ]

    def _node(self, name: str, port: int) -> Json:
        spec = {
            "listeners": [{"portMapping": {"port": port, "protocol": "http"}}],
            "serviceDiscovery": {"dns": {"hostname": "127.0.0.1"}},
        }
        return mesh_object("VirtualNode", name, spec)

    def _behind(self, name: str, port: int) -> list[Json]:
        """A Service without pods, as in the walkthrough, and an Ingress at `/<name>`."""
        annotations = {
            "ingress.kubernetes.io/service-upstream": "true",
            "konghq.com/host-header": fqdn(name),
            **self.service_annotations,
        }
        path = {
            "path": f"/{name}",
            "pathType": "ImplementationSpecific",
            "backend": {"service": {"name": name, "port": {"number": port}}},
        }
        noted = {"konghq.com/strip-path": "true", "konghq.com/preserve-host": "false", **self.ingress_annotations}
        return [
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": name, "namespace": "prod", "annotations": annotations},
                "spec": {"ports": [{"name": "http", "port": port}]},
            },
            {
                "apiVersion": "networking.k8s.io/v1",
                "kind": "Ingress",
                "metadata": {"name": name, "namespace": "prod", "annotations": noted},
                "spec": {"ingressClassName": "kong", "rules": [{"http": {"paths": [path]}}]},
            },
        ]


# `metal` is no backend, `far` is at a port that no backend has.
_SERVICES: Final = {"jazz": 9080, "none": 9080, "metal": 9080, "far": 9999}
(_NOBODY,) = free_ports(1)


@pytest.fixture(params=list(Shape))
async def scene(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Scene]:
    with ExitStack() as stack:
        names = ("v1", "v2")
        apps = dict(zip(names, stack.enter_context(upstreams(*names)), strict=True))
        async with mesh_gateway(request.param, tmp_path) as gateway:
            yield Scene(gateway, apps)


async def test_weights_split_requests(scene: Scene) -> None:
    scene.routes = [scene.to(("v1", 95), ("v2", 5))]
    await scene.apply(jazz=200)
    count = 1200
    answers = await asyncio.gather(*(_many(scene, count // 8) for _ in range(8)))
    found: Counter[str] = sum(answers, Counter())
    low, high = binomial_interval(count, 0.05, confidence=0.999999)
    assert set(found) == {"v1", "v2"}
    assert low <= found["v2"] <= high


async def _many(scene: Scene, count: int) -> Counter[str]:
    return Counter([(await scene.ask("/jazz"))[1] for _ in range(count)])


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/jazz/x", 200, "v1"),
        # Neither a backend nor provided: a sidecar's own answer, which Kong hands on.
        ("/metal/x", 404, ""),
        ("/none/x", 404, ""),
        # A port of no backend: the sidecar closes the connection, on which Kong has its say.
        ("/far/x", 502, "An invalid response was received from the upstream server"),
        ("/elsewhere", 404, "no Route matched with those values"),
    ],
)
async def test_the_mesh_decides_what_may_be_called(scene: Scene, path: str, status: int, body: str) -> None:
    scene.routes = [scene.to(("v1", 1))]
    await scene.apply(jazz=200, far=502)
    found = await scene.ask(path)
    assert found[0] == status
    assert body in found[1] if body else found[1] == ""
    is_from_upstream = status == 200 or (status == 404 and body == "")
    assert ("x-kong-upstream-latency" in found[2]) == (is_from_upstream or status == 502)
    if status == 404 and is_from_upstream:
        assert found[2]["server"] == "envoy"


async def test_routes_match_what_goes_upstream(scene: Scene) -> None:
    scene.routes = [
        scene.to(("v2", 1), match={"prefix": "/beta"}),
        scene.to(("v2", 1), match={"path": {"exact": "/exact"}}),
        scene.to(("v2", 1), match={"prefix": "/", "headers": [{"name": "x-added", "match": {"exact": "yes"}}]}),
        scene.to(("v2", 1), match={"prefix": "/", "method": "DELETE"}),
        scene.to(("v1", 1), match={"prefix": "/"}),
    ]
    await scene.apply(jazz=200)
    for path, headers, body in (
        ("/jazz/beta/x", {}, "v2"),
        ("/jazz//beta/x", {}, "v2"),
        ("/jazz/exact", {}, "v2"),
        ("/jazz/exact/x", {}, "v1"),
        ("/jazz/x", {"x-added": "yes"}, "v2"),
        ("/jazz/x", {}, "v1"),
    ):
        assert (await scene.ask(path, **headers))[:2] == (200, body), path
    assert (await scene.ask("/jazz/x", "DELETE"))[0] == 501, "the application's answer to another method"


async def test_many_routes_are_a_tree_that_answers_as_a_list(scene: Scene) -> None:
    exact = [scene.to(("v2", 1), match={"path": {"exact": f"/n{number}"}}) for number in range(40)]
    scene.routes = [*exact, scene.to(("v1", 1), match={"prefix": "/settled"})]
    await scene.apply(jazz=200)
    for path, status in (("/jazz/n7", 200), ("/jazz/n39", 200), ("/jazz/n40", 404), ("/jazz/other", 404)):
        assert (await scene.ask(path))[0] == status, path


async def test_plugins_have_changed_what_the_mesh_matches(scene: Scene) -> None:
    scene.plugins = [
        {
            "apiVersion": "configuration.konghq.com/v1",
            "kind": "KongPlugin",
            "metadata": {"name": "mark", "namespace": "prod"},
            "plugin": "request-transformer",
            "config": {"add": {"headers": ["x-added:yes"]}, "replace": {"uri": "/beta/./x"}},
        }
    ]
    scene.ingress_annotations = {"konghq.com/plugins": "mark"}
    marked = [{"name": "x-added", "match": {"exact": "yes"}}]
    scene.routes = [scene.to(("v2", 1), match={"prefix": "/beta/x", "headers": marked}), scene.to(("v1", 1))]
    await scene.apply(jazz=200)
    assert (await scene.ask("/jazz/a"))[1] == "v2"
    assert scene.apps["v2"].seen[-1][0] == "/beta/x"


async def test_traces_go_on_and_who_was_asked_is_counted(scene: Scene) -> None:
    """What the gateway itself answers, or no route of the mesh takes, was asked of nobody."""
    trace = "0af7651916cd43dd8448eb211c80319c"
    scene.routes = [scene.to(("v1", 1), match={"prefix": "/a"})]
    scene.ingress_annotations = {"konghq.com/plugins": "traced"}
    async with span_sink() as sink:
        scene.plugins = [_traced(sink.port)]
        await scene.apply(jazz=404)
        sent = {"traceparent": f"00-{trace}-b7ad6b7169203331-01"}
        for path, status in (("/jazz/a", 200), ("/unknown", 404)):
            assert (await scene.ask(path, **sent))[0] == status
        spans = await sink.until(lambda found: len(found) >= 2)
    assert {span["traceId"] for span in spans} == {trace}
    _, got, span, _ = scene.apps["v1"].seen[-1][1]["traceparent"].split("-")
    assert got == trace
    assert span in {span["id"] for span in spans}
    counted = await scene.gateway.metrics()
    ((labels, count),) = re.findall(
        r'^envoy_crossfade_requests_total\{(.*target="v1".*)\} (\d+)$', counted, re.MULTILINE
    )
    found = dict(re.findall(r'(\w+)="([^"]*)"', labels))
    assert (found["reporter"], found["service"], found["target_namespace"]) == ("source", fqdn("jazz"), "prod")
    assert (found["code_class"], found["flags"], count) == ("2xx", "-", "1")
    assert 'service=""' not in counted


def _traced(port: int) -> Json:
    queue = {"max_batch_size": 10, "max_coalescing_delay": 0.1}
    endpoint = f"http://127.0.0.1:{port}/api/v2/spans"
    return {
        "apiVersion": "configuration.konghq.com/v1",
        "kind": "KongPlugin",
        "metadata": {"name": "traced", "namespace": "prod"},
        "plugin": "zipkin",
        "config": {"http_endpoint": endpoint, "sample_ratio": 0, "queue": queue},
    }


async def test_no_header_of_ours_reaches_an_application(scene: Scene) -> None:
    scene.routes = [scene.to(("v1", 1))]
    await scene.apply(jazz=200)
    await scene.ask("/jazz/x", **{"x-crossfade-mesh-host": "forged", "x-crossfade-action": "forged"})
    path, headers = scene.apps["v1"].seen[-1]
    assert path == "/x"
    assert headers["host"] == f"{fqdn('jazz')}:9080"
    assert not [name for name in headers if name.startswith("x-crossfade")]


async def test_the_callers_host_counts_where_it_is_kept(scene: Scene) -> None:
    scene.routes = [scene.to(("v1", 1))]
    scene.ingress_annotations = {"konghq.com/preserve-host": "true"}
    await scene.apply(jazz=404)
    for host, status in ((fqdn("jazz"), 200), (f"{fqdn('JAZZ')}:9080", 200), (fqdn("metal"), 404), ("jazz", 404)):
        assert (await scene.ask("/jazz/x", Host=host))[0] == status, host


async def test_domains_outside_of_the_mesh(scene: Scene) -> None:
    scene.node_annotations = {"crossfade.dev/egress-domains": "http://*.invalid:9080"}
    scene.ingress_annotations = {"konghq.com/preserve-host": "true"}
    scene.routes = [scene.to(("v1", 1))]
    await scene.apply(jazz=403)
    for host, status in (
        (fqdn("jazz"), 200),
        ("a.example.com", 403),
        ("a.invalid:9080", 503),
        ("b.a.invalid:9080", 503),
    ):
        assert (await scene.ask("/jazz/x", Host=host))[0] == status, host


async def test_retries_are_the_meshs(scene: Scene) -> None:
    policy = {
        "maxRetries": 3,
        "perRetryTimeout": {"unit": "s", "value": 5},
        "httpRetryEvents": ["server-error"],
    }
    scene.routes = [scene.to(("v1", 1), retryPolicy=policy)]
    await scene.apply(jazz=200)
    scene.apps["v1"].statuses["/bad"] = 500
    before = len(scene.apps["v1"].seen)
    assert (await scene.ask("/jazz/bad"))[0] == 500
    assert len(scene.apps["v1"].seen) - before == 4


async def test_without_a_policy_errors_are_handed_on_at_once(scene: Scene) -> None:
    scene.routes = [scene.to(("v1", 1), retryPolicy={"maxRetries": 0, "httpRetryEvents": ["server-error"]})]
    await scene.apply(jazz=200)
    scene.apps["v1"].statuses["/bad"] = 500
    before = len(scene.apps["v1"].seen)
    assert (await scene.ask("/jazz/bad"))[0] == 500
    assert len(scene.apps["v1"].seen) - before == 1


async def test_the_meshs_timeout_is_told_in_its_words(scene: Scene) -> None:
    scene.routes = [scene.to(("v1", 1), timeout={"perRequest": {"unit": "ms", "value": 200}})]
    await scene.apply(jazz=200)
    scene.apps["v1"].gate.clear()
    status, body, headers = await scene.ask("/jazz/wait")
    assert (status, body) == (504, "upstream request timeout")
    assert "x-kong-upstream-latency" in headers


async def test_kongs_timeout_is_told_in_kongs_words(scene: Scene) -> None:
    scene.service_annotations = {"konghq.com/read-timeout": "300", "konghq.com/retries": "0"}
    scene.routes = [scene.to(("v1", 1))]
    await scene.apply(jazz=200)
    scene.apps["v1"].gate.clear()
    status, body, _ = await scene.ask("/jazz/wait")
    assert status == 504
    assert "The upstream server is timing out" in body


async def test_nobody_listens(scene: Scene) -> None:
    scene.routes = [scene.to(("nobody", 1), match={"prefix": "/gone"}), scene.to(("v1", 1))]
    await scene.apply(jazz=200)
    status, body, _ = await scene.ask("/jazz/gone")
    assert status == 503
    assert body.startswith("upstream connect error or disconnect/reset before headers")


async def test_changes_on_either_side_count_at_once(scene: Scene) -> None:
    scene.routes = [scene.to(("v1", 1))]
    await scene.apply(jazz=200)
    assert (await scene.ask("/jazz/x"))[1] == "v1"
    scene.routes = [scene.to(("v2", 1)), scene.to(("v2", 1), match={"prefix": "/second"})]
    await scene.apply(jazz=200)

    async def follows() -> bool:
        return (await scene.ask("/jazz/x"))[1] == "v2"

    await until(follows)
    scene.service_annotations = {"konghq.com/path": "/base"}
    await scene.apply(jazz=200)

    async def has_base() -> bool:
        await scene.ask("/jazz/x")
        return scene.apps["v2"].seen[-1][0] == "/base/x"

    await until(has_base)
