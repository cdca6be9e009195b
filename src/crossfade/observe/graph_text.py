"""A graph for people, and for Graphviz. Pure."""

from collections.abc import Iterator
from typing import Final

from crossfade.observe import table
from crossfade.observe.graph import Edge, Graph, Node
from crossfade.observe.words import shown

_ARROWS: Final = {"used": "→", "unused": "┄", "undeclared": "⇒", "uncounted": "→"}
_REMARKS: Final = {
    "unused": "declared, unused",
    "undeclared": "not declared",
    "uncounted": "TCP: requests are not counted",
}
_COLOURS: Final = {"green": "darkgreen", "red": "red", "grey": "grey40"}


def lines_of(graph: Graph) -> Iterator[str]:
    if not graph.edges:
        return
    rate = "REQUESTS" if graph.window is None else "RPS"
    header = ("SOURCE → TARGET", "SERVICE", rate, "SUCCESS", "P50", "P95", "WEIGHT", "HEALTH", "")
    nodes = {node.id: node for node in graph.nodes}
    rows = [_row(edge, nodes) for edge in graph.edges]
    yield from table.lines_of(header, rows, numbers=frozenset({2, 3, 4, 5, 6}))


def _row(edge: Edge, nodes: dict[str, Node]) -> tuple[str, ...]:
    remarks = [_REMARKS.get(edge.use, ""), "mTLS" if edge.mtls else "", _missing(nodes[edge.target])]
    return (
        f"{_name(edge.source)} {_ARROWS[edge.use]} {_name(edge.target)}",
        edge.service or table.ABSENT,
        str(edge.requests) if edge.rps is None else table.amount(edge.rps),
        table.share(None if edge.error_share is None else 1 - edge.error_share),
        table.milliseconds(edge.p50),
        table.milliseconds(edge.p95),
        table.share(edge.weight),
        edge.health,
        ", ".join(filter(None, remarks)),
    )


def _missing(node: Node) -> str:
    if node.ready is None or node.desired is None or (node.ready == node.desired and node.desired):
        return ""
    return f"{node.ready} of {node.desired} pods ready"


def _name(node: str) -> str:
    kind, slash, rest = node.partition("/")
    return {"client": "(clients)", "external": f"(outside) {rest}"}.get(kind, rest if slash else node)


def dot_lines_of(graph: Graph) -> Iterator[str]:
    yield "digraph crossfade {"
    yield '  rankdir=LR; node [shape=box, fontname="sans-serif"]; edge [fontname="sans-serif", fontsize=10];'
    for node in graph.nodes:
        pods = "" if node.desired is None else f"\n{node.ready}/{node.desired}"
        yield f"  {_quoted(node.id)} [label={_quoted(_name(node.id) + pods)}, color={_COLOURS[node.health]}];"
    for edge in graph.edges:
        style = "dashed" if edge.use == "unused" else "bold" if edge.mtls else "solid"
        head = "odiamond" if edge.use == "undeclared" else "normal"
        facts = f"label={_quoted(_label(edge))}, color={_COLOURS[edge.health]}, style={style}, arrowhead={head}"
        yield f"  {_quoted(edge.source)} -> {_quoted(edge.target)} [{facts}];"
    yield "}"


def _label(edge: Edge) -> str:
    parts = [] if edge.weight is None else [f"weight {table.share(edge.weight)}"]
    if edge.requests:
        plural = "" if edge.requests == 1 else "s"
        parts.append(f"{edge.requests} request{plural}" if edge.rps is None else f"{table.amount(edge.rps)}/s")
        parts.append(f"{table.share(edge.error_share)} errors")
    return "\n".join([*parts, *([_REMARKS[edge.use]] if edge.use in _REMARKS else [])])


def _quoted(text: str) -> str:
    """A string of DOT: line ends of ours are its own, and nothing else that does not print stands in it."""
    lines = (shown(line).replace("\\", "\\\\").replace('"', '\\"') for line in text.split("\n"))
    return '"' + "\\n".join(lines) + '"'
