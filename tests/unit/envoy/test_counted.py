"""Which listeners are other for proxies that count by the library, and when."""

import pytest
from msgspec import structs

from crossfade.compile.model import Direction, HttpHandler, ProxyModel, ReachedNode
from crossfade.envoy.names import (
    COUNTS_MODULE,
    MODULE_ACCESS_LOG,
    MODULE_NETWORK_FILTER,
    OPEN_CONNECTIONS,
    STATS_ACCESS_LOG,
    name_within,
    route_name,
)
from crossfade.envoy.proto import dynamic_log_v3, hcm_v3, listener_v3
from crossfade.envoy.resource_set import ResourceSet, ResourceType, decoded
from crossfade.envoy.resources import resources_from_model
from crossfade.envoy.settings import EnvoyOptions
from crossfade.envoy.telemetry.counted import CountedViews, node_in, tells_apart, with_library
from tests.support.models import local_cluster, proxy_model, route_to

HAS = {COUNTS_MODULE}
JAZZ = "cds_egress_m_jazz_music_http_9080"


def model(direction: Direction, aws_name: str = "jazz_music", cluster: str = JAZZ) -> ProxyModel:
    reached = structs.replace(local_cluster(cluster, 9080), reaches=ReachedNode("jazz", "music", aws_name))
    made = proxy_model(route_to(cluster), clusters=(reached,))
    return structs.replace(made, listeners=(structs.replace(made.listeners[0], direction=direction),))


def resources(made: ProxyModel) -> ResourceSet:
    return resources_from_model(made, options=EnvoyOptions())


def manager(found: ResourceSet) -> hcm_v3.HttpConnectionManager:
    listener = decoded(found.of(ResourceType.LISTENER)["listener"])
    assert isinstance(listener, listener_v3.Listener)
    chain = next(iter(listener.filter_chains), listener.default_filter_chain)
    return hcm_v3.HttpConnectionManager.FromString(chain.filters[0].typed_config.value)


@pytest.mark.parametrize(("direction", "side"), [(Direction.OUTBOUND, "caller"), (Direction.INBOUND, "callee")])
def test_the_library_takes_the_place_of_envoys_log_and_of_no_other(direction: Direction, side: str) -> None:
    before = resources(model(direction))
    after = with_library(before)
    kept, changed = manager(before), manager(after)
    assert [log.name for log in kept.access_log] == [STATS_ACCESS_LOG, STATS_ACCESS_LOG]
    if direction is Direction.OUTBOUND:
        unrouted = changed.access_log.pop()
        assert unrouted.filter.and_filter.filters[0].response_flag_filter.flags == ["NR"]
    assert [log.name for log in changed.access_log] == [MODULE_ACCESS_LOG, STATS_ACCESS_LOG]
    module = dynamic_log_v3.DynamicModuleAccessLog.FromString(changed.access_log[0].typed_config.value)
    assert module.logger_name == side
    assert changed.access_log[0].filter == kept.access_log[0].filter
    changed.access_log[0].CopyFrom(kept.access_log[0])
    assert changed == kept
    assert all(after.of(kind) == before.of(kind) for kind in ResourceType if kind is not ResourceType.LISTENER)


def test_what_takes_a_place_says_whose() -> None:
    before = resources(model(Direction.OUTBOUND))
    (own,) = before.of(ResourceType.LISTENER).values()
    (shown,) = with_library(before).of(ResourceType.LISTENER).values()
    assert shown.published == own
    assert shown.version != own.version


def test_what_counts_nothing_stays_as_it_is() -> None:
    made = model(Direction.OUTBOUND)
    (listener,) = made.listeners
    (chain,) = listener.chains
    assert isinstance(chain.handler, HttpHandler)
    telemetry = structs.replace(chain.handler.telemetry, counts_requests=False)
    quiet = structs.replace(chain, handler=structs.replace(chain.handler, telemetry=telemetry))
    before = resources(structs.replace(made, listeners=(structs.replace(listener, chains=(quiet,)),)))
    assert with_library(before) is before


@pytest.mark.parametrize(
    ("cluster", "node"),
    [
        (JAZZ, ("jazz", "music")),
        ("cds_egress_a_mesh_jazz_music_http2_1", ("jazz", "music")),
        ("cds_egress_m_mesh-allow-all", None),
        ("cds_egress_a_b_c_mesh-allow-all_http2", None),
        ("cds_egress_a_b_c_d_unresolved", None),
        ("cds_egress_m_domain:example.com:443", None),
        ("cds_egress_jazz_music_http_9080", None),
        ("cds_ingress_m_jazz_music_http_9080", None),
        ("", None),
    ],
)
def test_nodes_are_found_in_the_names_of_clusters(cluster: str, node: tuple[str, str] | None) -> None:
    """As in the library's own tests."""
    assert node_in(cluster) == node


def test_a_node_with_another_name_at_aws_is_counted_by_envoy() -> None:
    assert tells_apart(model(Direction.OUTBOUND))
    renamed = model(Direction.OUTBOUND, "my_jazz", "cds_egress_m_my_jazz_http_9080")
    assert not tells_apart(renamed)
    before = resources(renamed)
    assert CountedViews().of("p", renamed, before, HAS) is before


def test_nobody_reached_is_nobody_in_the_name_either() -> None:
    made = model(Direction.OUTBOUND)
    (cluster,) = made.clusters
    assert not tells_apart(structs.replace(made, clusters=(structs.replace(cluster, reaches=None),)))


def test_all_streams_of_a_proxy_see_the_same() -> None:
    made, views = model(Direction.OUTBOUND), CountedViews()
    before = resources(made)
    seen = views.of("p", made, before, HAS)
    assert views.of("p", made, before, HAS) is seen
    assert views.of("p", made, resources(made), HAS) == seen
    views.drop("p")
    assert views.of("p", made, before, HAS) == seen


def test_routes_are_named_within_their_service() -> None:
    assert route_name("jazz.music", "95/5") == "jazz.music/95/5"
    assert name_within("jazz.music/95/5") == "95/5"
    assert name_within("jazz") == "jazz"


@pytest.mark.parametrize("counts_connections", [True, False])
def test_open_connections_count_where_those_that_end_do(*, counts_connections: bool) -> None:
    made = model(Direction.INBOUND)
    (listener,) = made.listeners
    made = structs.replace(made, listeners=(structs.replace(listener, counts_connections=counts_connections),))
    before, views = resources(made), CountedViews()
    assert views.of("p", made, before, {OPEN_CONNECTIONS}) is before
    shown = views.of("p", made, before, {COUNTS_MODULE, OPEN_CONNECTIONS})
    (own,), (changed,) = before.of(ResourceType.LISTENER).values(), shown.of(ResourceType.LISTENER).values()
    assert changed.published == own
    found = decoded(changed)
    assert isinstance(found, listener_v3.Listener)
    names = [one.name for one in (*found.filter_chains, found.default_filter_chain)[0].filters]
    assert (names[0] == MODULE_NETWORK_FILTER) is counts_connections
    assert views.of("p", made, before, HAS) == with_library(before)
