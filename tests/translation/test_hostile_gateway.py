"""Whatever can be stored compiles for the gateway, Envoy and the policy module take what comes out of it.

`pytest --hypothesis-profile=nightly` tries many more objects.
"""

from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from crossfade.admission.kong import verdict_on
from crossfade.compile.gateway.compiler import INPUT_KINDS, CompiledGateway, compile_gateway
from crossfade.compile.gateway.listeners import ROUTES
from crossfade.compile.model import ProxyModel, RouteTable
from crossfade.compile.routing import tables
from crossfade.compile.routing.tables import Action, GatewayTables
from crossfade.envoy.gateway import GatewayBuilder
from crossfade.envoy.resource_set import ResourceType
from crossfade.envoy.resources import MOST_RETIRED, resources_from_model
from crossfade.envoy.settings import EnvoyOptions
from crossfade.envoy.validate import validate
from crossfade.policy_module.path import policy_library_path
from crossfade.store.snapshot import Snapshot
from tests.support.envoy_batch import refusals
from tests.support.gateway_tables import compile_settings, gateway_of, tables_of
from tests.support.hostile_kong import Hostile, Key, good_documents, good_objects, objects_of, read, shown, worlds

EXAMPLES: Final = max(400, settings.default.max_examples)
BATCH: Final = 100
SETTINGS: Final = compile_settings()
OPTIONS: Final = EnvoyOptions(policy_library_path())


def compiled(objects: dict[Any, Any]) -> CompiledGateway:
    return compile_gateway(Snapshot.of(objects.values()), SETTINGS)


def test_the_good_gateway_uses_every_kind() -> None:
    assert {kind for kind, _ in good_documents()} == set(INPUT_KINDS)
    model, diagnostics, _ = compiled(good_objects())
    gateway = gateway_of(model)
    assert {item.code for item in diagnostics} <= {"backend.service-not-found", "credential.unused-type"}
    assert len(gateway.routes) == 9
    assert len(gateway.consumers) == 2
    assert len(gateway.instances) == 5
    assert tables_of(model).problems() == []


class _Taken:
    """What Envoy is still to be asked about: each thing once."""

    def __init__(self) -> None:
        self.actions: dict[str, Action] = {}
        self.models: list[tuple[list[Hostile], ProxyModel]] = []
        self._seen: set[Any] = set()

    def add(self, world: list[Hostile], model: ProxyModel) -> None:
        self.actions |= gateway_of(model).actions
        clusters = tuple(cluster for cluster in model.clusters if cluster not in self._seen)
        listeners = tuple(listener for listener in model.listeners if listener not in self._seen)
        self._seen.update((*clusters, *listeners))
        if clusters or listeners:
            self.models.append((world, ProxyModel(listeners, (RouteTable(ROUTES, ()),), clusters)))


@pytest.mark.envoy
@pytest.mark.timeout(3600)
def test_envoy_takes_what_hostile_objects_compile_to(tmp_path: Path) -> None:
    taken = _Taken()

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(worlds())
    def collect(world: list[Hostile]) -> None:
        model, diagnostics, _ = compiled(objects_of(world))
        assert not diagnostics.faults, f"{diagnostics.faults}\n{shown(world)}"
        resources_from_model(model, options=OPTIONS)
        assert tables_of(model).problems() == [], shown(world)
        taken.add(world, model)

    collect()
    refused = {}
    for start in range(0, len(taken.models), BATCH):
        batch = taken.models[start : start + BATCH]
        for index, text in refusals([model for _, model in batch], OPTIONS, workdir=tmp_path).items():
            refused[text] = shown(batch[index][0])
    assert not refused, "\n".join(f"# {text}\n{world}" for text, world in refused.items())
    plain = compiled(good_objects()).model.listeners[:1]
    actions = GatewayTables(tables.Settings("kong-3", ""), actions=taken.actions)
    validate(resources_from_model(ProxyModel(plain, gateway=actions), options=OPTIONS), workdir=tmp_path)


@settings(max_examples=max(200, settings.default.max_examples), deadline=None, suppress_health_check=list(HealthCheck))
@given(worlds())
def test_admission_has_an_answer_for_every_object(world: list[Hostile]) -> None:
    snapshot = Snapshot.of(objects_of(world).values())
    for _, obj in world:
        assert isinstance(verdict_on(obj, {}, snapshot).denial, str)


@settings(
    max_examples=max(40, settings.default.max_examples // 20), deadline=None, suppress_health_check=list(HealthCheck)
)
@given(st.lists(worlds(), min_size=2, max_size=6))
def test_what_a_builder_remembers_changes_no_byte(changes: list[list[Hostile]]) -> None:
    """Only the table of actions keeps what lately was in use."""
    builder, good = GatewayBuilder(SETTINGS, OPTIONS), good_objects()
    hostile: dict[Key, Any] = {}
    for world in changes:
        # Some of what was there stays, the very same objects; the rest is mended or goes.
        kept = list(hostile.items())[::2]
        found = {(kind, obj["metadata"]["name"]): read(kind, obj) for kind, obj in world}
        hostile = {**dict(kept), **{key: item for key, item in found.items() if item is not None}}
        objects = {**good, **hostile}
        remembering = builder.build(Snapshot.of(objects.values()))
        fresh = GatewayBuilder(SETTINGS, OPTIONS).build(Snapshot.of(objects.values()))
        assert remembering.model == fresh.model
        assert list(remembering.diagnostics) == list(fresh.diagnostics)
        for kind in ResourceType:
            if kind is not ResourceType.ROUTES:
                assert dict(remembering.resources.of(kind)) == dict(fresh.resources.of(kind)), shown(world)
        ours, theirs = (resources.resources.of(ResourceType.ROUTES) for resources in (remembering, fresh))
        assert ours.keys() == theirs.keys()


def test_actions_that_were_in_use_stay_for_a_while() -> None:
    builder = GatewayBuilder(SETTINGS, OPTIONS)
    before = builder.build(Snapshot.of(good_objects().values()))
    after = builder.build(Snapshot.of([]))
    assert gateway_of(after.model).actions == {}
    (table,) = after.resources.of(ResourceType.ROUTES).values()
    for name in gateway_of(before.model).actions:
        assert name.encode() in table.framed
    assert len(gateway_of(before.model).actions) <= MOST_RETIRED
