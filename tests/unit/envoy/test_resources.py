"""Encoded sets: content, versions, determinism, and what must not leak."""

import yaml
from msgspec.structs import replace

from crossfade.compile.model import (
    Dialect,
    Direction,
    FilterChain,
    HttpHandler,
    Listener,
    ProxyModel,
    ServerCertificate,
)
from crossfade.compile.routing.matches import PathMatchKind
from crossfade.compile.routing.tables import Action, GatewayTables, Match, PathMatch, Route, Row, Settings
from crossfade.envoy.dump import plain_resources
from crossfade.envoy.proto import discovery_v3
from crossfade.envoy.resource_set import EMPTY, ResourceSet, ResourceType, decoded, varint
from crossfade.envoy.resources import MOST_RETIRED, Encoded, resources_from_model
from crossfade.envoy.settings import EnvoyOptions
from crossfade.envoy.shards import SHARDS, shard_of
from tests.support.models import ORIGIN, local_cluster, proxy_model, route_to

OPTIONS = EnvoyOptions()


def tables(*routes: str) -> GatewayTables:
    match = Match((PathMatch("", PathMatchKind.PREFIX, "/"),), ("http",))
    rows = tuple(Row(ORIGIN, Route(name, match)) for name in routes)
    return GatewayTables(Settings("kong-3", "kong/3.9.1", ""), rows)


def resources(model: ProxyModel) -> ResourceSet:
    return resources_from_model(model, options=OPTIONS)


def test_every_type_is_there() -> None:
    model = proxy_model(route_to("a"), clusters=(local_cluster("a", 80),), dialect=Dialect.KONG, gateway=tables())
    certificate = ServerCertificate("CHAIN", "KEY", name="acme.a.test")
    chain = FilterChain("a", HttpHandler("t", "s", Dialect.KONG), server_names=("a.test",), certificate=certificate)
    (listener,) = model.listeners
    model = replace(model, listeners=(replace(listener, chains=(*listener.chains, chain)),))
    # Buckets are the publisher's, not a model's.
    kinds = [kind for kind in ResourceType if kind is not ResourceType.BUCKET]
    found = {kind.name: list(resources(model).of(kind)) for kind in kinds}
    assert found == {
        "CLUSTER": ["a"],
        "ENDPOINTS": ["a"],
        "SECRET": ["acme.a.test"],
        "LISTENER": ["gateway_tables", "listener"],
        "EXTENSION": ["gateway-root", *(f"gateway-shard-{number:03}" for number in range(SHARDS))],
        "ROUTES": ["gateway", "table"],
    }


def test_a_certificate_with_a_name_changes_by_itself() -> None:
    def made(key: str) -> ResourceSet:
        certificate = ServerCertificate("CHAIN", key, name="acme.a.test")
        chain = FilterChain("a", HttpHandler("t", "s", Dialect.KONG), server_names=("a.test",), certificate=certificate)
        return resources(ProxyModel((Listener("https", "0.0.0.0", 8443, Direction.INBOUND, (chain,)),)))

    before, after = made("OLD"), made("NEW")
    assert before.of(ResourceType.LISTENER) == after.of(ResourceType.LISTENER)
    assert before.of(ResourceType.SECRET) != after.of(ResourceType.SECRET)


def test_one_changed_route_changes_one_shard_and_the_root() -> None:
    before, after = resources(ProxyModel(gateway=tables("a", "b"))), resources(ProxyModel(gateway=tables("a", "c")))
    changed = {
        name for name, one in after.of(ResourceType.EXTENSION).items() if before.of(ResourceType.EXTENSION)[name] != one
    }
    assert changed == {"gateway-root", *(f"gateway-shard-{shard_of(route):03}" for route in ("b", "c"))}
    assert before.of(ResourceType.ROUTES) == after.of(ResourceType.ROUTES)


def test_what_did_not_change_is_not_encoded_again() -> None:
    memory = Encoded()
    model = proxy_model(clusters=(local_cluster("a", 80), local_cluster("b", 80)), gateway=tables("a"))
    before = resources_from_model(model, options=OPTIONS, before=memory)
    changed = replace(model, clusters=(local_cluster("a", 80), local_cluster("b", 81)))
    after = resources_from_model(changed, options=OPTIONS, before=memory)
    assert after == resources(changed)
    for kind in ResourceType:
        for name, resource in after.of(kind).items():
            assert (resource == before.of(kind)[name]) is ((kind, name) != (ResourceType.ENDPOINTS, "b"))
            assert name == "b" or resource is before.of(kind)[name]


def test_an_action_outlives_its_last_route_for_a_while() -> None:
    memory = Encoded()
    first, second = ({name: Action(idle_timeout_s=seconds)} for name, seconds in (("one", 1.0), ("two", 2.0)))
    assert memory.with_retired(first) == first
    assert memory.with_retired(second) == {**first, **second}
    for number in range(MOST_RETIRED):
        memory.with_retired({f"n{number}": Action()})
    assert "one" not in memory.with_retired({})


def test_equal_models_give_equal_sets() -> None:
    def once(port: int) -> ResourceSet:
        return resources(proxy_model(route_to("a"), clusters=(local_cluster("a", port),)))

    assert once(80) == once(80)
    assert once(80) != once(81)
    assert once(80).of(ResourceType.CLUSTER) == once(81).of(ResourceType.CLUSTER)


def test_a_resource_is_a_ready_part_of_a_response() -> None:
    (resource,) = resources(proxy_model(clusters=(local_cluster("a", 80),))).of(ResourceType.CLUSTER).values()
    (entry,) = discovery_v3.DeltaDiscoveryResponse.FromString(resource.framed).resources
    assert (entry.name, entry.version) == ("a", resource.version)
    assert decoded(resource).DESCRIPTOR.name == "Cluster"


def test_private_keys_show_nowhere() -> None:
    chain = FilterChain("tls", HttpHandler("t", "s", Dialect.KONG), certificate=ServerCertificate("CHAIN", "PRIVATE"))
    found = resources(ProxyModel((Listener("l", "127.0.0.1", 1, Direction.INBOUND, (chain,)),)))
    listener = found.of(ResourceType.LISTENER)["l"]
    assert b"PRIVATE" in listener.framed
    assert "PRIVATE" not in repr(found) + repr(listener) + yaml.dump(plain_resources(found))


def test_nothing_is_nothing() -> None:
    assert resources(ProxyModel()) == EMPTY


def test_length_prefixes() -> None:
    assert [varint(number) for number in (0, 127, 128, 300)] == [b"\x00", b"\x7f", b"\x80\x01", b"\xac\x02"]
