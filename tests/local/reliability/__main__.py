"""`python -m tests.local.reliability --kills N --seed S`: the long form. Exit code 1 where something did not hold."""

import argparse
import contextlib
import random
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterator

from tests.local.reliability.churn import Churn, describe
from tests.local.reliability.faults import EMBEDDED, PARTS, faults
from tests.local.reliability.load import Api, at_work
from tests.local.reliability.many_pods import run_many
from tests.local.reliability.trouble import Report, Trouble
from tests.local.reliability.victims import Victims
from tests.support.cluster import EmbeddedCluster
from tests.support.cluster_owner import NAMES, OWN, cluster_owner
from tests.support.dj import ingress, put_dj_behind_the_gateway, wait_for_status
from tests.support.ports import free_ports

HOST = "reliable.test"


def main() -> int:
    parser = argparse.ArgumentParser(prog="make reliability", description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--churn", type=float, metavar="SECONDS", help="no kills: objects come and go, and nothing may grow"
    )
    parser.add_argument("--pods", type=int, metavar="COUNT", help="no kills: so many pods at once, their time and cost")
    parser.add_argument("--as", dest="user", choices=NAMES, default=OWN, help="whose the cluster is (%(default)s)")
    parser.add_argument("--bare", action="store_true", help="without a mesh, a gateway and their Envoys")
    arguments = parser.parse_args()
    if arguments.churn is not None:
        return _churn(arguments.user, arguments.churn)
    if arguments.pods is not None:
        return _many(arguments.user, arguments.pods)
    with _cluster(arguments.user, meshed=not arguments.bare) as (cluster, api_port):
        trouble = _trouble(cluster, api_port, arguments.seed, bare=arguments.bare)
        _run(trouble, arguments.kills, bare=arguments.bare)
        cluster.crossfade("down", "--data-dir", str(cluster.data_dir))
        trouble.check_database()
    _print(trouble.report)
    return 1 if trouble.report.problems else 0


def _churn(user: str, seconds: float) -> int:
    with _cluster(user, meshed=True) as (cluster, api_port):
        put_dj_behind_the_gateway(cluster)
        victims = Victims(cluster.data_dir, random.Random(0))
        churn = Churn(cluster, Api(api_port, cluster.data_dir / "pki"), victims)
        churn.run(seconds, say=lambda text: print(text, flush=True))
        found = list(churn.found())
    print(f"{len(churn.samples)} samples; medians of the first and of the last third:")
    for key, one in found:
        print(describe(key, one))
    return 1 if any(one.is_too_much for _, one in found) else 0


def _many(user: str, pods: int) -> int:
    with _cluster(user, meshed=False) as (cluster, api_port):
        victims = Victims(cluster.data_dir, random.Random(0))
        (port,) = free_ports(1)
        for line in run_many(cluster, Api(api_port, cluster.data_dir / "pki"), victims, pods=pods, port=port):
            print(line, flush=True)
    return 0


@contextlib.contextmanager
def _cluster(user: str, *, meshed: bool) -> Iterator[tuple[EmbeddedCluster, int]]:
    """With its API server's port."""
    options = () if meshed else ("--bare",)
    (api_port,) = free_ports(1)
    with (
        cluster_owner(user, meshed=meshed) as owner,
        owner.cluster(owner.folder("cluster"), *options, api_port=api_port) as cluster,
    ):
        yield cluster, api_port


def _trouble(cluster: EmbeddedCluster, api_port: int, seed: int, *, bare: bool) -> Trouble:
    if not bare:
        put_dj_behind_the_gateway(cluster)
        cluster.kubectl("apply", "-f", "-", stdin=ingress("reliable", host=HOST))
        wait_for_status(cluster, 200, "/jazz", host=HOST)
    first, second = free_ports(2)
    # A container that is killed often waits for its back-off: five minutes at most.
    trouble = Trouble(
        cluster,
        api_port=api_port,
        app_ports=(first, second),
        seed=seed,
        patience_s=360.0,
        options=("--bare",) if bare else (),
        host="" if bare else HOST,
    )
    trouble.prepare()
    return trouble


def _run(trouble: Trouble, kills: int, *, bare: bool) -> None:
    before, report = trouble.measure(), trouble.report
    writer, traffic = trouble.writer(), trouble.traffic()
    possible = faults(EMBEDDED if bare else PARTS)
    with at_work(writer, *traffic.values()):
        for number in range(kills):
            known = len(report.problems)
            trouble.do(fault := trouble.random.choice(possible), traffic, before)
            print(f"{number + 1}/{kills} {fault}: {report.done[-1][1]:.1f} s", flush=True)
            for problem in report.problems[known:]:
                print(f"  {problem}", flush=True)
    report.lost = writer.lost()
    answered = ", ".join(f"{one.answered} requests of traffic {kind}" for kind, one in traffic.items())
    print(f"{len(writer.acknowledged)} writes acknowledged; {answered} answered")


def _print(report: Report) -> None:
    times: dict[str, list[float]] = defaultdict(list)
    for fault, seconds in report.done:
        times[str(fault)].append(seconds)
    for name, found in sorted(times.items()):
        worst = max(found)
        print(
            f"{name:32} {len(found):4} times, ready again after {statistics.median(found):.1f} s, at most {worst:.1f}"
        )
    print(f"lost writes: {len(report.lost)}; disturbed: {len(report.disturbed)}; left over: {len(report.left_over)}")
    for problem in report.problems:
        print(problem)


if __name__ == "__main__":
    sys.exit(main())
