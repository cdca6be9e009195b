"""Of random Ingresses the route that the policy module chooses is the one that Kong's rules choose, read afresh."""

from collections import Counter
from itertools import product
from typing import Any, Final

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crossfade.compile.gateway.compiler import compile_gateway
from crossfade.compile.gateway.settings import CompileSettings
from crossfade.policy_module.library import Request
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core.ingress import Ingress
from crossfade_kube.core.service import Service, ServicePort, ServiceSpec
from crossfade_kube.meta import ObjectMeta
from crossfade_kube.registry import decode
from tests.support.gateway_tables import gateway_of, one_table
from tests.support.slow_routes import Asked, best_routes, slow_routes

Json = dict[str, Any]

SERVICES: Final = ("s1", "s2", "s3")
HOSTS: Final = ("", "a.test", "b.a.test", "*.test", "*.a.test", "a.*")
PLAIN_PATHS: Final = ("/", "/a", "/a/", "/a/b", "/ab", "/b")
REGEX_PATHS: Final = (r"/~/a\d+$", "/~/[ab]", "/~/a(/b)?/c", "/~/(a|ab)$", "/~.*b", "/~/a/.", "/~/")
ASKED_HOSTS: Final = ("a.test", "b.a.test", "c.b.a.test", "a.example", "b.test", "A.test", "")
ASKED_PATHS: Final = ("/", "/a", "/a/", "/a/b", "/ab", "/abc", "/b", "/a7", "/a/c", "/a/b/c", "/c", "/a/b/")
ASKED_SHAPES: Final[tuple[Json, ...]] = (
    {},
    {"method": "POST", "headers": (("x-a", "v2"),)},
    {"scheme": "https", "sni": "a.test"},
    {"scheme": "https", "headers": (("x-a", "V1"), ("x-b", "yes"))},
)
ASKED: Final = [Asked(path, host, **more) for path, host, more in product(ASKED_PATHS, ASKED_HOSTS, ASKED_SHAPES)]
REQUESTS: Final = [Request(**asked._asdict()) for asked in ASKED]


def _backends() -> st.SearchStrategy[Json]:
    return st.sampled_from(SERVICES).map(lambda name: {"service": {"name": name, "port": {"number": 80}}})


def _entries() -> st.SearchStrategy[Json]:
    plain = st.fixed_dictionaries(
        {
            "path": st.sampled_from(PLAIN_PATHS),
            "pathType": st.sampled_from(("Prefix", "Exact", "ImplementationSpecific")),
            "backend": _backends(),
        }
    )
    regex = st.fixed_dictionaries(
        {
            "path": st.sampled_from(REGEX_PATHS),
            "pathType": st.just("ImplementationSpecific"),
            "backend": _backends(),
        }
    )
    return plain | regex


def _rules() -> st.SearchStrategy[Json]:
    def rule(host: str, paths: list[Json]) -> Json:
        return {"http": {"paths": paths}} | ({"host": host} if host else {})

    return st.builds(rule, st.sampled_from(HOSTS), st.lists(_entries(), min_size=1, max_size=3))


ANNOTATIONS: Final = st.fixed_dictionaries(
    {},
    optional={
        "konghq.com/methods": st.sampled_from(("GET", "POST", "GET,POST")),
        "konghq.com/headers.X-A": st.sampled_from(("v1", "v1,v2", "~*^v[12]$")),
        "konghq.com/headers.x-b": st.just("yes"),
        "konghq.com/protocols": st.sampled_from(("http", "https")),
        "konghq.com/regex-priority": st.sampled_from(("-1", "5", "100")),
        "konghq.com/snis": st.sampled_from(("a.test", "b.test,a.test")),
        "konghq.com/host-aliases": st.sampled_from(("c.b.a.test", "*.example")),
    },
)


@st.composite
def ingress_sets(draw: Any) -> list[Json]:
    found = []
    for number in range(draw(st.integers(1, 6))):
        spec: Json = {"ingressClassName": "kong", "rules": draw(st.lists(_rules(), max_size=3))}
        if draw(st.integers(0, 4)) == 0:
            spec["defaultBackend"] = draw(_backends())
        # Few have conditions at all, else hardly any two meet.
        notes = draw(ANNOTATIONS) if draw(st.booleans()) else {}
        created = f"2026-01-0{draw(st.integers(1, 3))}T00:00:00Z"
        metadata = {"name": f"i{number}", "namespace": "shop", "creationTimestamp": created, "annotations": notes}
        found.append({"metadata": metadata, "spec": spec})
    return found


SERVICE_OBJECTS: Final = [
    Service(ObjectMeta(name=name, namespace="shop"), ServiceSpec(ports=(ServicePort(80),))) for name in SERVICES
]
EXPECTED: Final = {
    "ingress.default-backend-taken",
    "ingress.path-like-regex",
    "ingress.path-taken",
    "service.no-endpoints",
}
SETS: Final = max(120, settings.default.max_examples // 10)
DECISIONS: Final = 20_000
seen: Counter[str] = Counter()


@settings(max_examples=SETS, deadline=None, suppress_health_check=list(HealthCheck))
@given(ingress_sets())
def _decisions_agree(ingresses: list[Json]) -> None:
    objects = [decode(ingress, Ingress) for ingress in ingresses]
    model, diagnostics, _ = compile_gateway(Snapshot.of([*objects, *SERVICE_OBJECTS]), CompileSettings())
    assert {item.code for item in diagnostics} <= EXPECTED
    owners = {
        row.value.id: (row.origin.ref.name, row.value.backends[0].cluster.partition(".")[0])
        for row in gateway_of(model).routes
    }
    routes = slow_routes(ingresses)
    for asked, chosen in zip(ASKED, one_table(model).choose_all(REQUESTS), strict=True):
        expected = best_routes(routes, asked)
        seen["decisions"] += 1
        seen["none"] += not expected
        seen["contested"] += sum(route.takes(asked) for route in routes) > 1
        if chosen is None:
            assert not expected, f"{asked}: nothing, but {expected}"
        else:
            assert owners[chosen] in {route.owner for route in expected}, f"{asked}: {owners[chosen]}, but {expected}"


def test_exact_comes_before_prefix_whoever_is_older() -> None:
    def ingress(name: str, path_type: str, day: int) -> Json:
        backend = {"service": {"name": "s1" if path_type == "Exact" else "s2", "port": {"number": 80}}}
        rule = {"http": {"paths": [{"path": "/a", "pathType": path_type, "backend": backend}]}}
        created = f"2026-01-0{day}T00:00:00Z"
        metadata = {"name": name, "namespace": "shop", "creationTimestamp": created, "annotations": {}}
        return {"metadata": metadata, "spec": {"ingressClassName": "kong", "rules": [rule]}}

    for days in ((1, 2), (2, 1)):
        ingresses = [ingress("a", "Prefix", days[0]), ingress("b", "Exact", days[1])]
        found = [decode(each, Ingress) for each in ingresses]
        model, _, _ = compile_gateway(Snapshot.of([*found, *SERVICE_OBJECTS]), CompileSettings())
        clusters = {row.value.id: row.value.backends[0].cluster for row in gateway_of(model).routes}
        chosen = one_table(model).choose_all([Request("/a"), Request("/a/")])
        assert [clusters[str(one)].partition(".")[0] for one in chosen] == ["s1", "s2"]
        best = [best_routes(slow_routes(ingresses), Asked(path)) for path in ("/a", "/a/")]
        assert [[route.owner[1] for route in routes] for routes in best] == [["s1"], ["s2"]]


def test_the_module_chooses_what_the_rules_choose() -> None:
    seen.clear()
    _decisions_agree()
    assert seen["decisions"] >= DECISIONS
    # Else the sets are so thin that agreeing means nothing.
    assert seen["contested"] > seen["decisions"] // 5
    assert seen["none"] < seen["decisions"] * 3 // 4
