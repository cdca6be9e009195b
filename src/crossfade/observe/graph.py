"""Who calls whom: what objects declare beside what proxies count. Pure.

One error of three requests paints nothing red: health goes by the interval in which the true share of errors lies.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final, Literal, NamedTuple, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from crossfade.observe.counts import wilson
from crossfade.observe.declared import Declared
from crossfade.observe.scrape import Sampled
from crossfade.observe.traffic import Flow, Hop, hops_of, routes_of

Kind: TypeAlias = Literal["virtualNode", "gateway", "service", "external", "client"]
Health: TypeAlias = Literal["green", "red", "grey"]
Use: TypeAlias = Literal["used", "unused", "undeclared", "uncounted"]

CLIENTS: Final = "client"
_FEWEST: Final = 20
_RED_SHARE: Final = 0.05
_RED_AT_LEAST: Final = 0.01


class Node(Struct, frozen=True, kw_only=True, rename="camel"):
    """`ready` of `desired`, the pods that there are; null where that is not known."""

    id: str
    kind: Kind
    namespace: str | None = None
    mesh: str | None = None
    health: Health = "grey"
    ready: int | None = None
    desired: int | None = None


class Edge(Struct, frozen=True, kw_only=True, rename="camel"):
    """Numbers are null where nobody counts them. `weight` is the share that the route gives the target.

    `explain` is the command that says why requests go this way.
    """

    source: str
    target: str
    service: str
    use: Use
    health: Health
    requests: int = 0
    rps: float | None = None
    error_share: float | None = None
    p50: float | None = None
    p95: float | None = None
    bytes: int | None = None
    mtls: bool | None = None
    weight: float | None = None
    reported_by: Literal["source", "destination", "gateway"] | None = None
    explain: str | None = None


class Graph(Struct, frozen=True, kw_only=True, rename="camel"):
    """`window` is in seconds; null: since the proxies' start. `failed` are proxies without numbers, and why."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    as_of: str
    window: float | None
    failed: dict[str, str] = {}

    def around(self, namespaces: Collection[str]) -> "Graph":
        """What is in these, and who calls it or is called by it."""
        inside = {node.id for node in self.nodes if node.namespace in namespaces}
        edges = tuple(edge for edge in self.edges if edge.source in inside or edge.target in inside)
        named = inside.union(*((edge.source, edge.target) for edge in edges))
        return replace(self, nodes=tuple(node for node in self.nodes if node.id in named), edges=edges)


class Workload(NamedTuple):
    """Whose pods a proxy belongs to; `ready` and `desired` are None outside of a cluster."""

    kind: Kind
    namespace: str
    name: str
    mesh: str | None = None
    ready: int | None = None
    desired: int | None = None

    @property
    def id(self) -> str:
        return node_id(self.kind, self.namespace, self.name)


def node_id(kind: Kind, namespace: str, name: str) -> str:
    return f"{kind}/{namespace}/{name}" if namespace else f"{kind}/{name}" if name else kind


def health_of(failed: int, requests: int) -> Health:
    if requests < _FEWEST:
        return "grey"
    return "red" if failed / requests > _RED_SHARE and wilson(failed, requests)[0] > _RED_AT_LEAST else "green"


def graph_of(
    sample: Sampled,
    declared: Mapping[Hop, Declared] | None,
    workloads: Iterable[Workload],
    gateways: Mapping[str, Workload],
    *,
    as_of: str,
) -> Graph:
    """`declared` is None where nobody knows: then every call counts as a use. `gateways` are the pods,
    by name, of gateways without a sidecar; those with one are nodes of their mesh alone.
    """
    known = {(one.namespace, one.name): one for one in workloads}
    edges = [
        *_of_mesh(hops_of(sample.of("sidecar")), declared, known, sample.seconds),
        *_of_gateways(sample, gateways),
    ]
    edges.sort(key=lambda edge: (edge.source, edge.target, edge.service))
    nodes = _nodes(edges, [*known.values(), *gateways.values()])
    window = None if sample.seconds is None else round(sample.seconds, 3)
    return Graph(
        nodes=nodes, edges=tuple(edges), as_of=as_of, window=window, failed=dict(sorted(sample.failed.items()))
    )


def _of_mesh(
    hops: Mapping[Hop, Flow],
    declared: Mapping[Hop, Declared] | None,
    known: Mapping[tuple[str, str], Workload],
    seconds: float | None,
) -> Iterator[Edge]:
    known_hops = declared or {}
    for hop in hops.keys() | known_hops.keys():
        flow, meant = hops.get(hop, Flow()), known_hops.get(hop)
        is_from_outside = not hop.source
        is_expected = declared is None or is_from_outside
        yield _edge(
            flow,
            seconds,
            source=CLIENTS if is_from_outside else _id(known, hop.source_namespace, hop.source),
            target=_id(known, hop.target_namespace, hop.target) if hop.target else node_id("external", "", hop.service),
            service=hop.service,
            use=_use(flow, meant, is_expected=is_expected),
            mtls=None if meant is None else meant.is_mutual,
            weight=None if meant is None else meant.weight,
            reported_by=("destination" if is_from_outside else "source") if flow.requests else None,
            explain=None if meant is None or meant.is_tcp else _explained(hop, meant.port),
        )


def _use(flow: Flow, meant: Declared | None, *, is_expected: bool) -> Use:
    """`is_expected`: although nothing declares it."""
    if flow.requests:
        return "used" if meant is not None or is_expected else "undeclared"
    return "uncounted" if meant is not None and meant.is_tcp else "unused"


def _explained(hop: Hop, port: int) -> str:
    return f"crossfade explain GET http://{hop.service}:{port}/ --node {hop.source_namespace}/{hop.source}"


def _id(known: Mapping[tuple[str, str], Workload], namespace: str, name: str) -> str:
    found = known.get((namespace, name))
    return found.id if found is not None else node_id("virtualNode", namespace, name)


def _of_gateways(sample: Sampled, gateways: Mapping[str, Workload]) -> Iterator[Edge]:
    flows: dict[tuple[str, str], Flow] = {}
    for target, counts in sample.pages.items():
        gateway = gateways.get(target.name)
        if target.kind != "gateway" or gateway is None:
            continue
        for key, flow in routes_of(counts).items():
            # Where it is a node of a mesh, that has counted whom it asked.
            services = [(gateway.id, _service_id(key.service))] if key.service and gateway.mesh is None else []
            for edge in ((CLIENTS, gateway.id), *services):
                _merge(flows.setdefault(edge, Flow()), flow)
    for (source, target_id), flow in flows.items():
        service = target_id.partition("/")[2] if source != CLIENTS else ""
        yield _edge(
            flow, sample.seconds, source=source, target=target_id, service=service, use="used", reported_by="gateway"
        )


def _service_id(service: str) -> str:
    """Of Kong's name, `NAMESPACE.NAME.PORT`."""
    namespace, _, rest = service.partition(".")
    name, _, _ = rest.rpartition(".")
    return node_id("service", namespace, name or rest)


def _merge(into: Flow, flow: Flow) -> None:
    into.classes.update(flow.classes)
    into.buckets.update(flow.buckets)
    into.refusals.update(flow.refusals)


def _edge(flow: Flow, seconds: float | None, **facts: object) -> Edge:
    return Edge(
        requests=flow.requests,
        rps=None if not seconds else round(flow.requests / seconds, 3),
        error_share=flow.failed / flow.requests if flow.requests else None,
        p50=flow.quantile_ms(0.5),
        p95=flow.quantile_ms(0.95),
        health=health_of(flow.failed, flow.requests),
        **facts,  # type: ignore[arg-type] # the names of its fields
    )


def _nodes(edges: Iterable[Edge], workloads: Iterable[Workload]) -> tuple[Node, ...]:
    """All workloads, and what edges name besides; a node is as well as what it answers."""
    asked: dict[str, tuple[int, int]] = {}
    named: set[str] = set()
    for edge in edges:
        failed, requests = asked.get(edge.target, (0, 0))
        asked[edge.target] = failed + round((edge.error_share or 0) * edge.requests), requests + edge.requests
        named |= {edge.source, edge.target}
    known = {one.id: one for one in workloads}
    return tuple(_node(one, known.get(one), health_of(*asked.get(one, (0, 0)))) for one in sorted(named | known.keys()))


def _node(name: str, workload: Workload | None, health: Health) -> Node:
    if workload is None:
        kind, _, rest = name.partition("/")
        namespace = rest.partition("/")[0] if "/" in rest else None
        return Node(id=name, kind=kind, namespace=namespace, health=health)  # type: ignore[arg-type] # made by node_id
    return Node(
        id=name,
        kind=workload.kind,
        namespace=workload.namespace or None,
        mesh=workload.mesh,
        health=health,
        ready=workload.ready,
        desired=workload.desired,
    )
