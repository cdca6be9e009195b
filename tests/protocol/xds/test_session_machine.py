"""The session against a model of Envoy: whatever happens in whatever order, it ends with the published set.

And on the way there no route ever names a cluster that the proxy lacks.
"""

from collections import deque
from typing import Any

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from crossfade.envoy.proto import cluster_v3, discovery_v3, endpoint_v3, route_v3
from crossfade.envoy.resource_set import ResourceSet, ResourceType, encoded
from crossfade.xds.session import Rejected, Session

CLUSTER, ENDPOINTS, ROUTES = ResourceType.CLUSTER, ResourceType.ENDPOINTS, ResourceType.ROUTES
NAMES = st.sampled_from(["a", "b", "c", "d"])
BAD = "bad"
"""An alternative statistics name that the model of Envoy refuses."""


def resource_set(clusters: dict[str, str], endpoints: dict[str, int], targets: set[str]) -> ResourceSet:
    """Clusters with a variant each, the port of their endpoint, and one route table that names `targets`."""
    table = route_v3.RouteConfiguration(name="t", virtual_hosts=[route_v3.VirtualHost(name="v", domains=["*"])])
    for target in sorted(targets):
        table.virtual_hosts[0].routes.add(name=target).route.cluster = target
    return ResourceSet(
        {
            CLUSTER: {
                name: encoded(name, cluster_v3.Cluster(name=name, alt_stat_name=variant))
                for name, variant in clusters.items()
            },
            ENDPOINTS: {name: encoded(name, _assignment(name, endpoints[name])) for name in clusters},
            ROUTES: {"t": encoded("t", table)},
        }
    )


def _assignment(name: str, port: int) -> endpoint_v3.ClusterLoadAssignment:
    message = endpoint_v3.ClusterLoadAssignment(cluster_name=name)
    message.endpoints.add().lb_endpoints.add().endpoint.address.socket_address.port_value = port
    return message


class ModelEnvoy:
    """As far as configuration goes: warming, subscriptions, partial refusals; not one word of the session's code."""

    def __init__(self) -> None:
        self.versions: dict[ResourceType, dict[str, str]] = {CLUSTER: {}, ENDPOINTS: {}, ROUTES: {}}
        self.targets: set[str] = set()
        self.reset_stream()

    def reset_stream(self) -> None:
        self.warming: set[str] = set()
        self.held_acks: list[Any] = []
        self.requests: deque[Any] = deque()
        self._ask(CLUSTER, [])
        self._ask(ROUTES, ["t"])
        if self.versions[CLUSTER]:
            self._ask(ENDPOINTS, sorted(self.versions[CLUSTER]))

    def _ask(self, kind: ResourceType, names: list[str]) -> None:
        self.requests.append(
            discovery_v3.DeltaDiscoveryRequest(
                type_url=kind, resource_names_subscribe=names, initial_resource_versions=self.versions[kind]
            )
        )

    def take(self, raw: bytes) -> None:
        response = discovery_v3.DeltaDiscoveryResponse.FromString(raw)
        kind = ResourceType(response.type_url)
        answer = discovery_v3.DeltaDiscoveryRequest(type_url=kind, response_nonce=response.nonce)
        refused = [entry.name for entry in response.resources if not self._apply(kind, entry)]
        for name in response.removed_resources:
            self._remove(kind, name)
        if refused:
            answer.error_detail.message = f"refused {refused}"
        if kind is CLUSTER:
            self.held_acks.append(answer)
        else:
            self.requests.append(answer)
        if not self.warming:
            self.requests.extend(self.held_acks)
            self.held_acks.clear()

    def _apply(self, kind: ResourceType, entry: Any) -> bool:
        if kind is CLUSTER:
            return self._apply_cluster(entry)
        if kind is ENDPOINTS:
            self.warming.discard(entry.name)
        if kind is ROUTES:
            table = route_v3.RouteConfiguration.FromString(entry.resource.value)
            self.targets = {route.route.cluster for route in table.virtual_hosts[0].routes}
            assert self.targets <= self.versions[CLUSTER].keys() - self.warming, (
                "a route names a cluster that is not there"
            )
        self.versions[kind][entry.name] = entry.version
        return True

    def _apply_cluster(self, entry: Any) -> bool:
        if cluster_v3.Cluster.FromString(entry.resource.value).alt_stat_name == BAD:
            return False
        known = self.versions[CLUSTER].get(entry.name)
        self.versions[CLUSTER][entry.name] = entry.version
        if known is None:
            self.requests.append(
                discovery_v3.DeltaDiscoveryRequest(type_url=ENDPOINTS, resource_names_subscribe=[entry.name])
            )
        if known != entry.version:
            self.warming.add(entry.name)
        return True

    def _remove(self, kind: ResourceType, name: str) -> None:
        self.versions[kind].pop(name, None)
        if kind is CLUSTER:
            assert name not in self.targets, "a cluster went away that a route still names"
            self.warming.discard(name)
            self.versions[ENDPOINTS].pop(name, None)
            self.requests.append(
                discovery_v3.DeltaDiscoveryRequest(type_url=ENDPOINTS, resource_names_unsubscribe=[name])
            )


class SessionMachine(RuleBasedStateMachine):
    @initialize()
    def start(self) -> None:
        self.envoy = ModelEnvoy()
        self.session = Session()
        self.on_wire: deque[bytes] = deque()
        self.wanted: ResourceSet | None = None
        self.bad: set[str] = set()
        self.rejected: set[tuple[str, str]] = set()

    @rule(
        variants=st.dictionaries(NAMES, st.sampled_from(["1", "2"]), min_size=1),
        ports=st.lists(st.integers(1, 3), min_size=6, max_size=6),
        routed=st.sets(NAMES),
        bad=st.sets(st.sampled_from(["x", "y"])),
    )
    def publish(self, variants: dict[str, str], ports: list[int], routed: set[str], bad: set[str]) -> None:
        clusters = variants | dict.fromkeys(sorted(bad), BAD)
        endpoints = dict(zip(sorted(clusters), ports, strict=False))
        self.bad = bad
        self.wanted = resource_set(clusters, endpoints, routed & variants.keys())
        self.session.update(self.wanted)
        self.on_wire.extend(self.session.due())

    @precondition(lambda self: self.on_wire)
    @rule()
    def deliver_response(self) -> None:
        self.envoy.take(self.on_wire.popleft())

    @precondition(lambda self: self.envoy.requests)
    @rule()
    def deliver_request(self) -> None:
        for verdict in self.session.receive(self.envoy.requests.popleft()):
            if isinstance(verdict, Rejected):
                assert (verdict.name, verdict.resource.version) not in self.rejected, "sent again what was refused"
                self.rejected.add((verdict.name, verdict.resource.version))
        self.on_wire.extend(self.session.due())

    @rule()
    def reconnect(self) -> None:
        """Responses on the wire are lost; the proxy keeps what it has."""
        self.on_wire.clear()
        self.rejected.clear()
        self.envoy.reset_stream()
        self.session = Session()
        if self.wanted is not None:
            self.session.update(self.wanted)

    @rule()
    def settle(self) -> None:
        for _ in range(500):
            if self.on_wire:
                self.deliver_response()
            elif self.envoy.requests:
                self.deliver_request()
            else:
                break
        else:
            raise AssertionError("the two never stop talking")
        self._has_what_is_wanted()

    def _has_what_is_wanted(self) -> None:
        if self.wanted is None:
            return
        assert not self.session.is_holding
        for kind in (CLUSTER, ENDPOINTS, ROUTES):
            wanted = {name: one.version for name, one in self.wanted.of(kind).items() if name not in self.bad}
            assert self.envoy.versions[kind] == wanted
        assert {name for name, _ in self.rejected} <= {"x", "y"}

    @invariant()
    def nothing_is_said_before_something_is_published(self) -> None:
        if getattr(self, "wanted", None) is None:
            assert not getattr(self, "on_wire", None)


TestSession = SessionMachine.TestCase
TestSession.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
