"""Encoded sets: content, versions, determinism, and what must not leak."""

import yaml

from crossfade.compile.model import (
    Dialect,
    Direction,
    FilterChain,
    HttpHandler,
    Listener,
    ProxyModel,
    ServerCertificate,
)
from crossfade.envoy.dump import plain_resources
from crossfade.envoy.proto import discovery_v3
from crossfade.envoy.resource_set import EMPTY, ResourceSet, ResourceType, decoded, varint
from crossfade.envoy.resources import resources_from_model
from crossfade.envoy.settings import EnvoyOptions
from tests.support.models import local_cluster, proxy_model, route_to

OPTIONS = EnvoyOptions()


def resources(model: ProxyModel) -> ResourceSet:
    return resources_from_model(model, options=OPTIONS)


def test_every_type_is_there() -> None:
    model = proxy_model(
        route_to("a", policy=b"{}"),
        clusters=(local_cluster("a", 80),),
        dialect=Dialect.KONG,
        consumers=b'{"name":"default"}',
    )
    found = {kind.name: list(resources(model).of(kind)) for kind in ResourceType}
    assert found == {
        "CLUSTER": ["a"],
        "ENDPOINTS": ["a"],
        "LISTENER": ["listener"],
        "EXTENSION": ["consumers"],
        "ROUTES": ["table"],
    }


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
