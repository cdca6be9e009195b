"""`python -m tests.local.reliability --kills N --seed S`: the long form. Exit code 1 where something did not hold."""

import argparse
import statistics
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from tests.local.reliability.load import at_work
from tests.local.reliability.trouble import FAULTS, Report, Trouble
from tests.support.cluster import crossfade, embedded_cluster
from tests.support.ports import free_ports


def main() -> int:
    parser = argparse.ArgumentParser(prog="make reliability", description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="crossfade-reliability-") as folder:
        report = _run(Path(folder, "data"), arguments.kills, arguments.seed)
    _print(report)
    return 1 if report.problems else 0


def _run(data_dir: Path, kills: int, seed: int) -> Report:
    (api_port,) = free_ports(1)
    with embedded_cluster(data_dir, "--bare", api_port=api_port) as cluster:
        # A container that is killed often waits for its back-off: five minutes at most.
        trouble = Trouble(cluster, api_port=api_port, seed=seed, patience_s=360.0)
        trouble.prepare()
        before = trouble.measure()
        writer, traffic = trouble.writer(), trouble.calm_traffic()
        with at_work(writer, traffic):
            for number in range(kills):
                fault = trouble.draw()
                trouble.do(fault, traffic, before)
                print(f"{number + 1}/{kills} {fault}: {trouble.report.done[-1][1]:.1f} s", flush=True)
                for problem in trouble.report.problems:
                    print(f"  {problem}", flush=True)
        trouble.report.lost = writer.lost()
        print(f"{len(writer.acknowledged)} writes acknowledged, {traffic.answered} requests answered")
        crossfade("down", "--data-dir", str(data_dir))
    return trouble.report


def _print(report: Report) -> None:
    times: dict[str, list[float]] = defaultdict(list)
    for fault, seconds in report.done:
        times[str(fault)].append(seconds)
    for name in map(str, FAULTS):
        if found := times.get(name):
            print(f"{name:24} {len(found):4} times, ready again after {statistics.median(found):.1f} s (median)")
    print(f"lost writes: {len(report.lost)}; disturbed: {len(report.disturbed)}; left over: {len(report.left_over)}")
    for problem in report.problems:
        print(problem)


if __name__ == "__main__":
    sys.exit(main())
