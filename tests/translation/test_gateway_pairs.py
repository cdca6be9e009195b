"""One more object changes nothing of what a gateway answers, but in the ways that are declared here."""

from collections.abc import Callable
from itertools import product
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import UNSET, structs
from msgspec.structs import replace

from crossfade.api.kong.consumer import KongConsumer, KongConsumerGroup
from crossfade.api.kong.ingress import KongIngress
from crossfade.api.kong.plugin import KongClusterPlugin, KongPlugin
from crossfade.api.kong.stream_ingress import TcpIngress, UdpIngress
from crossfade.compile.gateway.annotations import PLUGINS, list_of, modernised
from crossfade.compile.gateway.authorities import CA_LABEL
from crossfade.compile.gateway.compiler import INPUT_KINDS, compile_gateway
from crossfade.compile.memo import Memo
from crossfade.compile.model import ProxyModel
from crossfade.compile.routing.tables import Consumer, Route, Row
from crossfade.policy_module.library import Request
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core.config_map import ConfigMap
from crossfade_kube.core.endpoint_slice import EndpointSlice
from crossfade_kube.core.ingress import Ingress
from crossfade_kube.core.secret import Secret
from crossfade_kube.core.service import Service, ServiceSpec
from crossfade_kube.meta import JsonObject
from crossfade_kube.registry import typed_ref
from tests.support.gateway_tables import compile_settings, gateway_of, one_table
from tests.support.hostile_kong import OLD, Hostile, good_objects, manifests_of, read

HOSTS: Final = ("shop.test", "a.shop.test", "shop.example", "elsewhere", "")
PATHS: Final = (
    "/",
    "/a",
    "/a/",
    "/a/b",
    "/ab",
    "/b",
    "/b/",
    "/f/x",
    "/v7/c",
    "/v7/cd",
    "/open",
    "/opened",
    "/far",
    "/gone/x",
    "/~",
)
SHAPES: Final[tuple[dict[str, Any], ...]] = (
    {},
    {"method": "POST", "headers": (("x-version", "v3"),)},
    {"scheme": "https", "sni": "shop.test", "headers": (("x-version", "v1"),)},
    {"scheme": "https", "sni": "other.test"},
)
REQUESTS: Final = [Request(path, host, **shape) for path, host, shape in product(PATHS, HOSTS, SHAPES)]
# Names that the good objects know by way of their own name.
NAMES: Final = {KongIngress: ("hostile", "front", "open")}
# Of the good KongServiceFacade: whose endpoints it has.
BEHIND: Final = {"shop.other-one.svc.facade": "one."}
SETTINGS: Final = compile_settings()

Answers = list[Row[Route] | None]


class Gateway:
    """A compiled snapshot and what it answers to `REQUESTS`."""

    def __init__(self, objects: list[Any], memo: Memo) -> None:
        compiled = compile_gateway(Snapshot.of(objects), SETTINGS, memo)
        self.model: ProxyModel = compiled.model
        self.diagnostics = compiled.diagnostics
        tables = gateway_of(self.model)
        # What records tell of them is there as soon as any plugin writes records.
        self.routes = {row.value.id: replace(row, value=replace(row.value, logged=UNSET)) for row in tables.routes}
        self.consumers = {row.value.id: replace(row.value, logged=UNSET) for row in tables.consumers}
        self.instances = {row.value.id: row.value for row in tables.instances}
        self.answers: Answers = [
            None if chosen is None else self.routes[chosen] for chosen in one_table(self.model).choose_all(REQUESTS)
        ]

    def certificates(self) -> dict[str, Any]:
        """By server name."""
        chains = [chain for listener in self.model.listeners[:2] for chain in listener.chains]
        names = [(chain, (*chain.server_names, *chain.one_label_names) or (chain.name,)) for chain in chains]
        return {name: chain.certificate for chain, found in names for name in found}


MEMO: Final = Memo()
GOOD: Final = good_objects()
BEFORE: Final = Gateway(list(GOOD.values()), MEMO)

Explains = Callable[[Any, Row[Route], Row[Route] | None], bool]


def _is_more_specific_route(added: Any, old: Row[Route], new: Row[Route] | None) -> bool:
    """A rule of the added Ingress, or its default backend where that is the oldest."""
    if new is not None and new.origin.ref == typed_ref(added) and new.origin.path.startswith("spec.rules"):
        return True
    # The gateway has one default backend, also for requests that its Ingress asks too much of.
    return _is_oldest(added) and old.origin.path == "spec.defaultBackend" and _takes_default(added, new)


def _takes_default(added: Any, new: Row[Route] | None) -> bool:
    given = added.spec.default_backend
    return given is not None and given.service is not None and (new is None or new.origin.ref == typed_ref(added))


def _is_oldest(added: Any) -> bool:
    return bool(added.metadata.creation_timestamp < OLD)


def _is_global_plugin(added: Any, old: Row[Route], new: Row[Route] | None) -> bool:
    """It runs besides the others, or closes the route when it cannot run."""
    if new is None or not added.is_global:
        return False
    if new.value.refusal is not None and old.value.refusal is None:
        return f"KongClusterPlugin {added.metadata.name} " in new.value.refusal
    # What Envoy does with a request on its way may be the plugin's doing.
    return replace(_without(new.value, {f"/{added.metadata.name}"}), action=old.value.action) == old.value


def _is_carried_plugin(added: Any, old: Row[Route], new: Row[Route] | None) -> bool:
    """A plugin that routes and a consumer or group share runs for that consumer or group only (kong.md §4.3)."""
    names = _named_plugins(added)
    return new is not None and _without(new.value, names) == _without(old.value, names)


def _is_override_of_that_ingress(added: Any, old: Row[Route], new: Row[Route] | None) -> bool:
    """Its routes may ask for more, and win or lose requests by that."""
    return added.metadata.name in {row.origin.ref.name for row in (old, new) if row is not None}


def _takes_an_id(added: Any) -> bool:
    """Of several authorities with one id the oldest has it."""
    return isinstance(added, Secret | ConfigMap) and CA_LABEL in added.metadata.labels and _is_oldest(added)


EXPLANATIONS: Final[dict[type[Any], Explains]] = {
    Ingress: _is_more_specific_route,
    KongClusterPlugin: _is_global_plugin,
    KongConsumer: _is_carried_plugin,
    KongConsumerGroup: _is_carried_plugin,
    KongIngress: _is_override_of_that_ingress,
    Secret: lambda added, _old, _new: _takes_an_id(added),
    ConfigMap: lambda added, _old, _new: _takes_an_id(added),
}


def _named_plugins(added: Any) -> set[str]:
    """Ids of the instances that the object's annotation may mean."""
    noted, _ = modernised(added.metadata.annotations)
    names = list_of(noted, PLUGINS)
    return {f"{namespace}/{name}" for name in names for namespace in (added.metadata.namespace, "")}


def _without(route: Route, instances: set[str]) -> Route:
    steps = [
        replace(step, candidates=tuple(item for item in step.candidates if item.instance not in instances))
        for step in route.steps
    ]
    return replace(route, steps=tuple(step for step in steps if step.candidates))


def _is_told_plugin_change(added: Any, old: Consumer, new: Consumer) -> bool:
    """What only a consumer carries follows it anywhere, until a route refers to it too (kong.md §4.3)."""
    names = _named_plugins(added)
    ours, theirs = (
        replace(
            one,
            own=tuple(item for item in one.own if item.instance not in names),
            carries=tuple(item for item in one.carries if item not in names),
        )
        for one in (old, new)
    )
    return isinstance(added, Ingress | TcpIngress | UdpIngress) and ours == theirs


def _has_conflict(added: Any, old: Consumer) -> bool:
    """Credentials with the same value are nobody's; a name is the oldest consumer's."""
    if not isinstance(added, KongConsumer):
        return False
    has_name = _is_oldest(added) and (added.username == old.username or added.custom_id == old.custom_id)
    return has_name or (bool({"ann-key", "bob-key"} & {*added.credentials}) and bool(old.credentials))


def _added() -> st.SearchStrategy[Hostile]:
    return st.one_of(*[manifests_of(kind, NAMES.get(kind, ("hostile",))) for kind in INPUT_KINDS])


def _aged(document: JsonObject, *, is_oldest: bool) -> JsonObject:
    created = "2025-12-31T00:00:00Z" if is_oldest else document["metadata"]["creationTimestamp"]
    return {**document, "metadata": {**document["metadata"], "creationTimestamp": created}}


@settings(max_examples=max(1000, settings.default.max_examples), deadline=None, suppress_health_check=list(HealthCheck))
@given(_added(), st.booleans())
def test_one_more_object_changes_only_what_is_declared(world: Hostile, is_oldest: bool) -> None:
    kind, document = world
    added = read(kind, _aged(document, is_oldest=is_oldest))
    if added is None:
        return
    after = Gateway([*GOOD.values(), added], MEMO)
    for request, old, new in zip(REQUESTS, BEFORE.answers, after.answers, strict=True):
        if new != old:
            assert old is not None
            assert kind in EXPLANATIONS, f"{request}: {old}\n{new}"
            assert EXPLANATIONS[kind](added, old, new), f"{request}: {old}\n{new}"
    for one, consumer in BEFORE.consumers.items():
        now = after.consumers.get(one)
        if now != consumer and not _has_conflict(added, consumer):
            assert now is not None, f"{consumer} is gone"
            assert _is_told_plugin_change(added, consumer, now), f"{consumer}\n{now}"
    for one, instance in BEFORE.instances.items():
        assert after.instances.get(one) == instance or _takes_an_id(added)
    _assert_targets_stay(added, after)


def _assert_targets_stay(added: Any, after: Gateway) -> None:
    clusters = {cluster.name: cluster for cluster in after.model.clusters}
    for cluster in BEFORE.model.clusters:
        names = (cluster.name, BEHIND.get(cluster.name, ""))
        is_extended = isinstance(added, EndpointSlice) and any(
            name.startswith(f"{added.service_name}.") for name in names
        )
        # Of a Service that does not exist the origin is who names it first.
        found = clusters.get(cluster.name)
        if found is None and isinstance(added, KongIngress):
            # What it asks for cannot be matched, which closes that Ingress.
            continue
        if found is None and isinstance(added, TcpIngress | UdpIngress) and _is_oldest(added):
            # Its rules have the ports that they name.
            continue
        assert found is not None
        now = replace(found, origin=cluster.origin)
        assert now == cluster or is_extended
    has_tls = isinstance(added, Ingress | TcpIngress)
    claimed = {name.lower() for tls in added.spec.tls for name in tls.hosts} if has_tls else set()
    for name, certificate in BEFORE.certificates().items():
        # A name is served with the certificate of the oldest Ingress that claims it.
        assert after.certificates()[name] == certificate or (_is_oldest(added) and name in claimed)
    if not isinstance(added, KongIngress | KongClusterPlugin):
        assert gateway_of(BEFORE.model).actions.items() <= gateway_of(after.model).actions.items()


def test_an_ingress_that_matches_nothing_takes_nobodys_default_backend() -> None:
    """However old it is."""
    backend = {"service": {"name": "one", "port": {"number": 80}}}
    notes = {"konghq.com/headers.x-a": "~*(", "kubernetes.io/ingress.class": "kong"}
    metadata = {
        "name": "hostile",
        "namespace": "shop",
        "creationTimestamp": "2020-01-01T00:00:00Z",
        "annotations": notes,
    }
    added = read(Ingress, {"metadata": metadata, "spec": {"defaultBackend": backend}})
    assert Gateway([*GOOD.values(), added], MEMO).answers == BEFORE.answers


# Structs are not checked when they are made, so this brings lines of the compiler to their knees.
CORRUPT: Final[tuple[tuple[type[Any], str, dict[str, Any]], ...]] = (
    (Ingress, "front", {"spec": structs.replace(GOOD[Ingress, "front"].spec, rules=(None,))}),
    (KongConsumer, "ann", {"username": "new", "custom_id": "new", "credentials": (None,)}),
    (KongConsumer, "ann", {"username": ("new",), "custom_id": "new", "credentials": ()}),
    (KongPlugin, "limit", {"protocols": 1}),
    (KongPlugin, "limit", {"config": {1: None}}),
    (KongClusterPlugin, "wide", {"protocols": (object(),), "config": 5}),
)


@pytest.mark.parametrize(("kind", "name", "fields"), CORRUPT, ids=range(len(CORRUPT)))
def test_a_fault_in_one_object_costs_that_object_alone(kind: type[Any], name: str, fields: dict[str, Any]) -> None:
    good = GOOD[kind, name]
    metadata = structs.replace(good.metadata, name="corrupt", uid="u", creation_timestamp="2026-03-01T00:00:00Z")
    corrupt = structs.replace(good, metadata=metadata, **fields)
    after = Gateway([*GOOD.values(), corrupt], Memo())
    assert after.answers == BEFORE.answers
    assert BEFORE.consumers.items() <= after.consumers.items()
    concerned = [item for item in after.diagnostics if item not in set(BEFORE.diagnostics)]
    assert {item.ref for item in concerned} == {typed_ref(corrupt)}
    assert {fault.ref for fault in after.diagnostics.faults} <= {typed_ref(corrupt)}


@pytest.mark.parametrize(
    ("kind", "fields"),
    [(Service, {"spec": ServiceSpec(ports=(None,))}), (EndpointSlice, {"endpoints": (None,)})],  # type: ignore[arg-type]
    ids=["service", "slice"],
)
def test_a_fault_in_what_a_route_goes_to_closes_that_route_alone(kind: type[Any], fields: dict[str, Any]) -> None:
    slices = [item for (found, _), item in GOOD.items() if found is EndpointSlice and item.service_name == "two"]
    (two,) = slices if kind is EndpointSlice else (GOOD[Service, "two"],)
    after = Gateway([*{**GOOD, (kind, two.metadata.name): structs.replace(two, **fields)}.values()], Memo())
    assert {fault.ref.name for fault in after.diagnostics.faults} == {"two"}
    for old, new in zip(BEFORE.answers, after.answers, strict=True):
        if old != new:
            assert old is not None
            assert new is not None
            assert old.value.backends[0].cluster.startswith("two.")
            assert new.value.refusal == "its Service cannot be used"


def test_the_good_gateway_answers_in_every_way() -> None:
    """So that there is something to disturb."""
    chosen = {answer.value.id for answer in BEFORE.answers if answer is not None}
    assert chosen == set(BEFORE.routes)
    assert BEFORE.certificates().keys() == {"http", "shop.test", "lines.shop.test", "default"}
