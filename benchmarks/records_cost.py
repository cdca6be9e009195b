"""What records of requests cost a gateway: CPU of Envoy and of the control plane for each request, at full load.

    python -m benchmarks.records_cost [--rounds 6] [--seconds 3] [--connections 32]

Three gateways with one Envoy worker each are measured one after another, in changing order: `off` keeps no records,
`on` as many as at any time, `watched` is one that `crossfade tap` looks at, which shows 20 a second. Medians of the
rounds, and ratios of those that ran next to each other. Needs wrk.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.load import Upstream, missing_programs, requests_answered, started
from benchmarks.processes import cpu_seconds
from tests.e2e.policy_module.harness import tables
from tests.support.gateway import RunningGateway, ingress, running_gateway, service

SHAPES: Final = ("off", "on", "watched")


class Cost(NamedTuple):
    """Microseconds of CPU for a request, and requests in a second."""

    envoy: float
    control_plane: float
    rate: float


@contextmanager
def watched(gateway: RunningGateway, runtime: str) -> Iterator[None]:
    command = [sys.executable, "-m", "crossfade.cli", "tap", "--gateway", str(gateway.process.pid)]
    environ = os.environ | {"XDG_RUNTIME_DIR": runtime}
    with subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as tap:
        assert tap.stderr is not None
        tap.stderr.readline()
        try:
            yield
        finally:
            tap.kill()


def measured(rounds: int, seconds: int, connections: int) -> dict[str, list[Cost]]:
    results: dict[str, list[Cost]] = {shape: [] for shape in SHAPES}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        upstream = stack.enter_context(started(Upstream(folder, 1, tables([]))))
        (folder / "manifests").mkdir()
        text = service("one", upstream.port) + ingress("plain", "/plain", "one")
        (folder / "manifests/all.yaml").write_text(text)
        own = {"XDG_RUNTIME_DIR": str(folder)}
        gateways = {
            shape: stack.enter_context(
                running_gateway(folder / "manifests", "--records", "off" if shape == "off" else "on", settings=own)
            )
            for shape in SHAPES
        }
        for number in range(rounds + 1):
            first = number % len(SHAPES)
            for shape in SHAPES[first:] + SHAPES[:first]:
                with ExitStack() as looking:
                    if shape == "watched":
                        looking.enter_context(watched(gateways[shape], str(folder)))
                    cost = _cost(gateways[shape], seconds, connections)
                # The first round warms up.
                results[shape] += [cost] if number else []
    return results


def _cost(gateway: RunningGateway, seconds: int, connections: int) -> Cost:
    (envoy,) = gateway.children()
    before, own_before = cpu_seconds(envoy), cpu_seconds(gateway.process.pid)
    url = f"http://127.0.0.1:{gateway.port}/plain/x"
    count = requests_answered(url, seconds=seconds, connections=connections)
    spent, own = cpu_seconds(envoy) - before, cpu_seconds(gateway.process.pid) - own_before
    return Cost(spent / count * 1e6, own / count * 1e6, count / seconds)


def report(results: dict[str, list[Cost]]) -> Iterator[str]:
    off = results["off"]
    for shape, costs in results.items():
        envoy = statistics.median(cost.envoy for cost in costs)
        control_plane = statistics.median(cost.control_plane for cost in costs)
        rate = statistics.median(cost.rate for cost in costs)
        added = statistics.median(one.envoy - other.envoy for one, other in zip(costs, off, strict=True))
        ratio = statistics.median(one.envoy / other.envoy for one, other in zip(costs, off, strict=True))
        yield (
            f"{shape:<8} envoy {envoy:6.2f} us, {added:+.2f} us, ratio {ratio:.3f}; control plane"
            f" {control_plane:.2f} us, {control_plane * rate / 1e4:.1f} % of a processor; {rate:.0f} requests a second"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=32)
    options = parser.parse_args()
    if missing := missing_programs():
        print(missing, file=sys.stderr)
        return 2
    print("\n".join(report(measured(options.rounds, options.seconds, options.connections))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
