"""Single rules of the delta protocol that the state machine does not show by name."""

from crossfade.envoy.proto import cluster_v3, discovery_v3, route_v3, tls_v3
from crossfade.envoy.resource_set import EMPTY, ResourceSet, ResourceType, encoded
from crossfade.xds.session import Accepted, Rejected, Session

CLUSTER, ROUTES = ResourceType.CLUSTER, ResourceType.ROUTES


def resources(*clusters: str, routes: int = 0) -> ResourceSet:
    return ResourceSet(
        {
            CLUSTER: {name: encoded(name, cluster_v3.Cluster(name=name)) for name in clusters},
            ROUTES: {
                f"t{number}": encoded(f"t{number}", route_v3.RouteConfiguration(name=f"t{number}"))
                for number in range(routes)
            },
        }
    )


def ask(session: Session, kind: ResourceType, *names: str) -> list[discovery_v3.DeltaDiscoveryResponse]:
    session.receive(discovery_v3.DeltaDiscoveryRequest(type_url=kind, resource_names_subscribe=names))
    return written(session)


def written(session: Session) -> list[discovery_v3.DeltaDiscoveryResponse]:
    return [discovery_v3.DeltaDiscoveryResponse.FromString(raw) for raw in session.due()]


def reply(response: discovery_v3.DeltaDiscoveryResponse, error: str = "") -> discovery_v3.DeltaDiscoveryRequest:
    request = discovery_v3.DeltaDiscoveryRequest(type_url=response.type_url, response_nonce=response.nonce)
    if error:
        request.error_detail.message = error
    return request


def names(response: discovery_v3.DeltaDiscoveryResponse) -> list[str]:
    return [entry.name for entry in response.resources]


def session_with(wanted: ResourceSet) -> Session:
    session = Session()
    session.update(wanted)
    return session


def test_a_first_wildcard_request_is_answered_even_with_nothing() -> None:
    session = session_with(EMPTY)
    (response,) = ask(session, CLUSTER)
    assert (response.type_url, names(response)) == (CLUSTER, [])
    assert written(session) == []


def test_before_anything_is_published_nothing_is_answered() -> None:
    assert ask(Session(), CLUSTER) == []


def test_asking_for_what_does_not_exist_is_answered() -> None:
    (response,) = ask(session_with(EMPTY), ROUTES, "gone")
    assert response.removed_resources == ["gone"]


def test_asking_again_sends_again() -> None:
    session = session_with(resources(routes=1))
    assert [names(one) for one in ask(session, ROUTES, "t0")] == [["t0"]]
    assert [names(one) for one in ask(session, ROUTES, "t0")] == [["t0"]]


def test_an_unknown_type_is_no_error() -> None:
    session = session_with(resources("a"))
    assert session.receive(discovery_v3.DeltaDiscoveryRequest(type_url="type.googleapis.com/x.Y")) == []
    assert written(session) == []


def test_what_a_proxy_has_from_an_earlier_stream_is_not_sent_again() -> None:
    wanted = resources("a", "b")
    session = session_with(wanted)
    known = {"a": wanted.of(CLUSTER)["a"].version, "old": "1"}
    session.receive(discovery_v3.DeltaDiscoveryRequest(type_url=CLUSTER, initial_resource_versions=known))
    (addition,) = written(session)
    assert names(addition) == ["b"]
    session.receive(reply(addition))
    (removal,) = written(session)
    assert removal.removed_resources == ["old"]


def test_routes_wait_for_clusters_but_not_for_ever() -> None:
    session = session_with(resources("a"))
    (first,) = ask(session, CLUSTER)
    ask(session, ROUTES, "t0")
    session.receive(reply(first))
    session.update(resources("a", "b", routes=1))
    (clusters,) = written(session)
    assert names(clusters) == ["b"]
    assert session.is_holding
    assert written(session) == []
    session.stop_holding()
    assert [names(one) for one in written(session)] == [["t0"]]


def test_of_several_refused_together_the_bad_one_is_found() -> None:
    session = session_with(resources("bad", "good"))
    (together,) = ask(session, CLUSTER)
    assert session.receive(reply(together, "no")) == []
    bad, good = written(session)
    assert (names(bad), names(good)) == (["bad"], ["good"])
    (rejected,) = session.receive(reply(bad, "no, because"))
    assert isinstance(rejected, Rejected)
    assert (rejected.kind, rejected.name, rejected.reason) == (CLUSTER, "bad", "no, because")
    (accepted,) = session.receive(reply(good))
    assert isinstance(accepted, Accepted)
    assert list(accepted.resources) == ["good"]
    assert written(session) == []


def test_a_refused_resource_is_sent_again_once_it_changed() -> None:
    session = session_with(resources("a"))
    (first,) = ask(session, CLUSTER)
    session.receive(reply(first, "no"))
    session.update(ResourceSet({CLUSTER: {"a": encoded("a", cluster_v3.Cluster(name="a", alt_stat_name="new"))}}))
    assert [names(one) for one in written(session)] == [["a"]]


def secrets(*names: str) -> ResourceSet:
    return ResourceSet({ResourceType.SECRET: {name: encoded(name, tls_v3.Secret(name=name)) for name in names}})


def test_who_asks_for_secrets_alone_waits_for_them_and_keeps_them() -> None:
    session = Session(secrets_alone=True)
    session.update(resources("c"))
    assert ask(session, CLUSTER) == []
    assert ask(session, ResourceType.SECRET, "identity") == [], "to say that there is none would end the waiting"
    session.update(secrets("another", "identity"))
    (response,) = written(session)
    assert names(response) == ["identity"]
    session.receive(reply(response))
    assert session.is_settled
    session.update(EMPTY)
    assert written(session) == []
