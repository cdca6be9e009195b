"""`crossfade graph`: who calls whom in the mesh, as declared and as counted."""

import argparse
from collections.abc import Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from crossfade.cli.clusters import add_cluster_options, cluster_config, namespaces_of
from crossfade.cli.proxies import (
    add_status_option,
    add_window_options,
    exit_code,
    failed,
    proxies,
    samples,
    say,
    tell_failed,
)

if TYPE_CHECKING:
    from crossfade.observe.graph import Graph
    from crossfade.observe.scrape import Sampled
    from crossfade_kube.meta import JsonObject

_EPILOG: Final = """\
Numbers come from the callers' sidecars; what only callees have counted came from clients outside the mesh. Health is
red where more than 5 % of the requests failed and chance does not explain it, grey where there were fewer than 20.

exit codes:
  0  shown
  1  no proxy could be read, or the objects of the mesh could not
  2  wrong usage

examples:
  crossfade graph -A
  crossfade graph -n prod --window 1m --output json
  crossfade graph --total --output dot | dot -Tsvg > mesh.svg
"""


def add_parsers(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    graph = commands.add_parser(
        "graph",
        help="show who calls whom in the mesh, as declared and as counted",
        description="Shows who calls whom: backends that objects of the mesh declare, beside what proxies counted.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_cluster_options(graph)
    add_status_option(graph)
    add_window_options(graph)
    graph.add_argument("--output", choices=("text", "json", "dot"), default="text", help="default: %(default)s")
    graph.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    return exit_code("graph", arguments, _shown)


async def _shown(arguments: argparse.Namespace) -> int:
    from crossfade.observe.pods import NotAllowed

    try:
        # Who calls from another namespace is no stranger: all proxies are read, what is shown is chosen afterwards.
        sample, pods = await _sampled(arguments, everywhere=True)
    except NotAllowed as problem:
        if arguments.all_namespaces:
            raise
        sample, pods = await _sampled(arguments, everywhere=False)
        say("graph", f"{problem}\nwho calls from other namespaces is not told apart")
    tell_failed("graph", sample.failed)
    if not sample.pages:
        return failed("graph", "no proxy could be read", 1)
    _print(await _graph(sample, pods, arguments), arguments.output)
    return 0


async def _sampled(arguments: argparse.Namespace, *, everywhere: bool) -> "tuple[Sampled, Sequence[JsonObject]]":
    """With the pods that were found."""
    async with proxies(arguments, everywhere=everywhere) as source, aclosing(samples(source, arguments)) as found:
        return await anext(found), source.pods


async def _graph(sample: "Sampled", pods: "Sequence[JsonObject]", arguments: argparse.Namespace) -> "Graph":
    from crossfade.observe.graph import Workload, graph_of

    as_of = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    if arguments.status:
        alone = {target.name: Workload("gateway", "", target.name.partition("://")[2]) for target in sample.pages}
        return graph_of(sample, {}, (), alone, as_of=as_of)
    from crossfade.controller.mesh.once import compiled_cluster
    from crossfade.observe.declared import declared_in
    from crossfade.observe.pods import granting
    from crossfade.observe.workloads import workloads_of
    from crossfade_kube.errors import Forbidden

    config = cluster_config(arguments)
    try:
        model = await compiled_cluster(config, may_lack_secrets=True)
    except Forbidden as problem:
        remark = f"what is declared is not shown, only what was counted; {granting(None)} prints what allows it"
        say("graph", f"{problem.message}\n{remark}")
        nodes, gateways = workloads_of(pods, {})
        whole = graph_of(sample, None, nodes, gateways, as_of=as_of)
    else:
        nodes, gateways = workloads_of(pods, model.owners)
        whole = graph_of(sample, declared_in(model), nodes, gateways, as_of=as_of)
    return whole if arguments.all_namespaces else whole.around(namespaces_of(arguments, config))


def _print(graph: "Graph", output: str) -> None:
    import msgspec

    from crossfade.observe.graph_text import dot_lines_of, lines_of

    if output == "json":
        print(msgspec.json.format(msgspec.json.encode(graph), indent=2).decode())
        return
    lines = list(dot_lines_of(graph) if output == "dot" else lines_of(graph))
    print("\n".join(lines) or "nobody calls anybody: no backend is declared, and no request was counted")
