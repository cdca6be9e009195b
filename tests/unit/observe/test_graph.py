"""Who calls whom: declared and counted put together."""

import msgspec
import pytest

from crossfade.observe.declared import Declared
from crossfade.observe.graph import Graph, Workload, graph_of, health_of
from crossfade.observe.graph_text import dot_lines_of, lines_of
from crossfade.observe.scrape import Sampled
from crossfade.observe.targets import Target
from crossfade.observe.traffic import Hop
from tests.unit.observe.pages import gateway, hop

GATEWAY, SIDECAR, CALLEE = (Target("gateway", "kong/gw"), Target("sidecar", "prod/dj-1"), Target("sidecar", "prod/j-1"))
JAZZ, METAL, FEED = (Hop("prod", "dj", f"{name}.prod", "prod", f"{name}-v1") for name in ("jazz", "metal", "feed"))
DECLARED = {
    JAZZ: Declared(is_mutual=True, port=9080, weight=0.95),
    METAL: Declared(is_mutual=False, weight=1.0),
    FEED: Declared(is_mutual=False, is_tcp=True, weight=1.0),
}
NODES = (
    Workload("virtualNode", "prod", "dj", mesh="dj-app", ready=1, desired=1),
    Workload("virtualNode", "prod", "jazz-v1", mesh="dj-app", ready=1, desired=2),
)
ALONE = {"kong/gw": Workload("gateway", "kong", "kong-kong", ready=1, desired=1)}


def graph(seconds: float | None = 10.0) -> Graph:
    asked = hop("source", "prod/dj", "prod/jazz-v1", 36) | hop("source", "prod/dj", "prod/jazz-v1", 4, "5xx")
    asked |= hop("source", "prod/dj", "other/rock-v1", 5)
    pages = {GATEWAY: gateway(), SIDECAR: asked, CALLEE: hop("destination", "", "prod/jazz-v1", 100)}
    return graph_of(Sampled(pages, {}, seconds), DECLARED, NODES, ALONE, as_of="2026-01-01T00:00:00Z")


def test_edges_say_what_is_declared_and_what_is_used() -> None:
    found = {(edge.source, edge.target): edge for edge in graph().edges}
    jazz = found["virtualNode/prod/dj", "virtualNode/prod/jazz-v1"]
    assert (jazz.use, jazz.requests, jazz.rps, jazz.error_share, jazz.health) == ("used", 40, 4.0, 0.1, "red")
    assert (jazz.mtls, jazz.weight, jazz.reported_by) == (True, 0.95, "source")
    assert jazz.explain == "crossfade explain GET http://jazz.prod:9080/ --node prod/dj"
    assert {key: (edge.use, edge.reported_by) for key, edge in found.items()} == {
        ("client", "gateway/kong/kong-kong"): ("used", "gateway"),
        ("client", "virtualNode/prod/jazz-v1"): ("used", "destination"),
        ("gateway/kong/kong-kong", "service/shop/web"): ("used", "gateway"),
        ("virtualNode/prod/dj", "virtualNode/other/rock-v1"): ("undeclared", "source"),
        ("virtualNode/prod/dj", "virtualNode/prod/feed-v1"): ("uncounted", None),
        ("virtualNode/prod/dj", "virtualNode/prod/jazz-v1"): ("used", "source"),
        ("virtualNode/prod/dj", "virtualNode/prod/metal-v1"): ("unused", None),
    }


def test_where_nobody_knows_what_is_declared_a_call_is_a_use() -> None:
    page = hop("source", "prod/dj", "prod/jazz-v1", 3)
    (edge,) = graph_of(Sampled({SIDECAR: page}, {}, 1.0), None, (), {}, as_of="").edges
    assert (edge.target, edge.use, edge.mtls, edge.weight) == ("virtualNode/prod/jazz-v1", "used", None, None)


def test_what_leaves_the_mesh_goes_outside() -> None:
    page = hop("source", "prod/dj", "/", 3)
    (edge,) = graph_of(Sampled({SIDECAR: page}, {}, 1.0), {}, (), {}, as_of="").edges
    assert (edge.target, edge.use) == ("external/.", "undeclared")


def test_the_shape_is_json() -> None:
    found = msgspec.json.decode(msgspec.json.encode(graph()))
    assert list(found) == ["nodes", "edges", "asOf", "window", "failed"]
    assert found["nodes"][4] == {
        "id": "virtualNode/prod/dj",
        "kind": "virtualNode",
        "namespace": "prod",
        "mesh": "dj-app",
        "health": "grey",
        "ready": 1,
        "desired": 1,
    }
    wanted = {"source", "target", "service", "rps", "errorShare", "p50", "p95", "bytes", "mtls", "weight", "reportedBy"}
    assert wanted | {"explain", "use", "health", "requests"} == set(found["edges"][0])


@pytest.mark.parametrize(
    ("failed", "requests", "health"),
    [(1, 3, "grey"), (19, 19, "grey"), (1, 20, "green"), (2, 20, "red"), (1, 100, "green"), (0, 20, "green")],
)
def test_health_goes_by_evidence(failed: int, requests: int, health: str) -> None:
    assert health_of(failed, requests) == health


def test_a_namespace_is_shown_with_its_neighbours() -> None:
    found = graph().around(["kong"])
    assert [node.id for node in found.nodes] == ["client", "gateway/kong/kong-kong", "service/shop/web"]
    assert len(found.edges) == 2


def test_text_is_readable_without_colour() -> None:
    lines = [" ".join(line.split()) for line in lines_of(graph())]
    assert lines[0] == "SOURCE → TARGET SERVICE RPS SUCCESS P50 P95 WEIGHT HEALTH"
    assert lines[2] == "(clients) → prod/jazz-v1 - 6.4 100.0 % - - - green 1 of 2 pods ready"
    assert lines[4] == "prod/dj ⇒ other/rock-v1 rock.other 0.5 100.0 % 2.5 4.8 - grey not declared"
    assert lines[7] == "prod/dj ┄ prod/metal-v1 metal.prod 0.0 - - - 100.0 % grey declared, unused"


def test_a_gateway_outside_of_a_cluster_has_no_pods() -> None:
    alone = {"kong/gw": Workload("gateway", "", "127.0.0.1:8100")}
    found = graph_of(Sampled({GATEWAY: gateway()}, {}, None), {}, (), alone, as_of="")
    assert any("127.0.0.1:8100" in line for line in lines_of(found))
    assert not any("pods ready" in line for line in lines_of(found))


def test_dot_is_quoted() -> None:
    strange = hop("source", 'prod/d"j\x1b\n', "prod/jazz-v1", 5)
    found = graph_of(Sampled({SIDECAR: strange}, {}, 1.0), {JAZZ: DECLARED[JAZZ]}, (), {}, as_of="")
    text = "\n".join(dot_lines_of(found))
    assert r'"virtualNode/prod/d\"j\\x1b\n" -> "virtualNode/prod/jazz-v1"' in text
    assert "style=bold" in text or "style=dashed" in text
    assert text.count("\n") == len(found.nodes) + len(found.edges) + 2
