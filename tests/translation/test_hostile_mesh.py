"""Whatever can be stored compiles, Envoy takes what comes out, and nothing else changes.

`pytest --hypothesis-profile=nightly` tries many more objects.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from msgspec import structs

from crossfade.api.appmesh import (
    BackendGroup,
    GatewayRoute,
    Mesh,
    VirtualGateway,
    VirtualNode,
    VirtualRouter,
    VirtualService,
)
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.isolate import INTERNAL_FAULT
from crossfade.compile.memo import Memo
from crossfade.compile.mesh import ArnScope, ClusterView, MeshModel, compile_with_fallback
from crossfade.compile.mesh.pipeline import compile_routing
from crossfade.compile.model import ProxyModel
from crossfade.compile.routing.routes import Route
from crossfade.envoy.settings import EnvoyOptions
from crossfade.status.appmesh import decide_changes
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core import Service
from crossfade_kube.registry import TypedObject, decode, typed_ref
from tests.support.envoy_batch import refusals
from tests.support.hostile_appmesh import Hostile, good_objects, manifests, objects_of, read, worlds

EXAMPLES: Final = max(600, settings.default.max_examples)
BATCH: Final = 100
NOW: Final = datetime(2026, 3, 2, tzinfo=UTC)


GATEWAY: Final = "mesh/m/virtualGateway/gate_prod"


def compiled(world: list[Hostile]) -> MeshModel:
    return compile_with_fallback(Snapshot.of(objects_of(world)), ArnScope(), {}).model


def shown(world: list[Hostile]) -> str:
    return yaml.safe_dump_all([obj for _, obj in world], allow_unicode=False)


@pytest.mark.envoy
@pytest.mark.timeout(3600)
def test_envoy_takes_what_hostile_objects_compile_to(tmp_path: Path) -> None:
    seen: list[tuple[list[Hostile], ProxyModel]] = []
    usual = compiled([]).proxies

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(worlds())
    def collect(world: list[Hostile]) -> None:
        model = compiled(world)
        assert not model.faults, f"{model.faults}\n{shown(world)}"
        seen.extend((world, proxy) for path, proxy in model.proxies.items() if proxy != usual.get(path))

    collect()
    refused = {}
    for start in range(0, len(seen), BATCH):
        batch = seen[start : start + BATCH]
        for index, text in refusals([proxy for _, proxy in batch], EnvoyOptions(), workdir=tmp_path).items():
            refused[text] = shown(batch[index][0])
    assert not refused, "\n".join(f"# {text}\n{world}" for text, world in refused.items())


def routes_of(proxy: ProxyModel, origin_kind: str, *, but: str) -> list[Route]:
    """The routes that GatewayRoutes, say, made, in order, without those of the object `but`."""
    hosts = (host for table in proxy.route_tables for host in table.virtual_hosts)
    routes = (route for host in hosts for route in host.routes)
    return [route for route in routes if route.origin.ref.kind == origin_kind and route.origin.ref.name != but]


@settings(max_examples=max(100, settings.default.max_examples), deadline=None, suppress_health_check=list(HealthCheck))
@given(manifests(st.just("hostile")))
def test_one_more_object_changes_nothing_for_the_others(added: Hostile) -> None:
    """But a GatewayRoute is one more route of its gateway."""
    good = good_objects()
    kind, obj = added
    before = compile_with_fallback(Snapshot.of(good.values()), ArnScope(), {}).model
    more = [read_object] if (read_object := read(kind, obj)) is not None else []
    after = compile_with_fallback(Snapshot.of([*good.values(), *more]), ArnScope(), {}).model
    for path, proxy in before.proxies.items():
        if kind is GatewayRoute and path == GATEWAY:
            expected = routes_of(proxy, "GatewayRoute", but="hostile")
            assert routes_of(after.proxies[path], "GatewayRoute", but="hostile") == expected
        else:
            assert after.proxies[path] == proxy
    for item in good.values():
        assert after.states.get(typed_ref(item)) == before.states.get(typed_ref(item))


@settings(max_examples=max(60, settings.default.max_examples), deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(manifests(st.sampled_from(["hostile", "other"])), st.booleans()), min_size=1, max_size=6))
def test_what_is_remembered_is_what_would_be_compiled_anew(steps: list[tuple[Hostile, bool]]) -> None:
    """Objects come, change and go; Services too, by which nodes are found."""
    jazz = {"metadata": {"name": "jazz", "namespace": "prod"}, "spec": {"clusterIP": "None"}}
    snapshot, memo, view = Snapshot.of(good_objects().values()), Memo(), ClusterView()
    compile_routing(snapshot, ArnScope(), view, memo)
    for (kind, obj), goes in steps:
        found = read(kind, obj)
        service = [decode(jazz, Service)]
        changed = [] if found is None or goes else [found]
        gone = [found] if found is not None and goes else []
        snapshot = snapshot.with_changes([*changed, *([] if goes else service)], [*gone, *(service if goes else [])])
        remembered = compile_routing(snapshot, ArnScope(), view, memo)
        anew = compile_routing(snapshot, ArnScope(), view, Memo())
        assert remembered == anew


CORRUPT: Final[tuple[tuple[type[TypedObject], dict[str, Any]], ...]] = (
    (Mesh, {"aws_name": 1}),
    (VirtualNode, {"listeners": (None,)}),
    (VirtualNode, {"backends": (None,)}),
    (VirtualService, {"provider": 1}),
    (VirtualRouter, {"routes": (None,)}),
    (VirtualRouter, {"listeners": (None,)}),
    (VirtualGateway, {"listeners": (None,)}),
    (GatewayRoute, {"http_route": 1}),
    (BackendGroup, {"mesh_ref": 1}),
)


@pytest.mark.parametrize(("kind", "fields"), CORRUPT, ids=lambda value: getattr(value, "__name__", ""))
def test_a_fault_in_one_object_costs_that_object_alone(kind: type[TypedObject], fields: dict[str, Any]) -> None:
    """Structs are not checked when they are made, so this brings any line of the compiler to its knees."""
    good = good_objects()
    before = compile_with_fallback(Snapshot.of(good.values()), ArnScope(), {}).model
    template: Any = next(item for (found, _), item in good.items() if found is kind)
    metadata = structs.replace(template.metadata, name="corrupt", uid="u", creation_timestamp="2026-03-01T00:00:00Z")
    names = {} if "aws_name" in fields or kind is BackendGroup else {"aws_name": "corrupt"}
    corrupt = structs.replace(template, metadata=metadata, spec=structs.replace(template.spec, **names, **fields))
    after = compile_with_fallback(Snapshot.of([*good.values(), corrupt]), ArnScope(), {}).model
    assert after.faults
    assert {fault.ref for fault in after.faults} == {typed_ref(corrupt)}
    assert {path: after.proxies[path] for path in before.proxies} == before.proxies
    told = [one.ref for one in after.diagnostics if one.code == INTERNAL_FAULT]
    assert set(told) == {typed_ref(corrupt)}
    changed = decide_changes(Snapshot.of([*good.values(), corrupt]), after.states, now=NOW, diagnostics=Diagnostics())
    assert before.states.keys() <= {change.ref for change in changed}
