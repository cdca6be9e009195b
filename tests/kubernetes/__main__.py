"""`python -m tests.kubernetes`: a real Kubernetes, the walkthrough on it, and what callers lose while things happen."""

import argparse
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import CalledProcessError

from crossfade.demo.replay import shell
from crossfade.shipped import examples_root
from tests.kubernetes import authority, faults
from tests.kubernetes.add_ons import CERT_MANAGER, METRICS_SERVER, add_images, build_add_ons, install
from tests.kubernetes.autoscaled import AUTOSCALED
from tests.kubernetes.build import VARIABLE, Cache, build, cache_folder
from tests.kubernetes.certified import CERTIFIED, set_up
from tests.kubernetes.cluster import Cluster
from tests.kubernetes.images import add_archives
from tests.kubernetes.load import Tally
from tests.kubernetes.memory import memory
from tests.kubernetes.registry import Store
from tests.kubernetes.releases import DEFAULT, release_of
from tests.kubernetes.report import Report, json_of, text_of
from tests.kubernetes.start import cluster_here
from tests.kubernetes.walkthrough import Replayed, replay


def main(arguments: argparse.Namespace) -> int:
    """0 only where the walkthrough showed what it must and no request was lost."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    seconds: dict[str, float] = {}
    begun = time.monotonic()
    try:
        with _cluster(arguments, seconds) as cluster:
            report = _report(cluster, arguments, seconds)
            seconds["everything"] = time.monotonic() - begun
            print(text_of(report), flush=True)
            if arguments.json:
                arguments.json.write_text(json_of(report))
            if arguments.stay:
                _stay(cluster)
    except (RuntimeError, FileNotFoundError, ValueError, CalledProcessError) as error:
        print(f"test-kubernetes: {error}", file=sys.stderr)
        return 2
    return 0 if report.is_fine else 1


@contextmanager
def _cluster(arguments: argparse.Namespace, seconds: dict[str, float]) -> Iterator[Cluster]:
    if arguments.kubeconfig:
        yield Cluster(arguments.kubeconfig, is_ours=False)
        return
    cache, release = Cache(cache_folder()), release_of(arguments.version)
    seconds["building Kubernetes"] = build(cache, release)
    if arguments.add_ons:
        build_add_ons(cache)

    def fill(store: Store) -> None:
        add_archives(store, arguments.images)
        if arguments.add_ons:
            add_images(store, cache)

    begun = time.monotonic()
    with cluster_here(cache, release, nodes=arguments.nodes, fill=fill) as cluster:
        seconds["cluster to Ready"] = time.monotonic() - begun
        yield cluster


def _report(cluster: Cluster, arguments: argparse.Namespace, seconds: dict[str, float]) -> Report:
    version = cluster.raw("/version")["gitVersion"]
    replayed = _replayed(cluster)
    seconds |= replayed.seconds
    if replayed.failure:
        print(replayed.failure, file=sys.stderr, flush=True)
    held = memory(cluster)
    lost, disturbances = list[faults.Result](), list[authority.Disturbance]()
    if not replayed.failure and not arguments.only_walkthrough:
        for result in _events(cluster, arguments, replayed.gateway):
            _tell(result.name, result.tally)
            lost.append(result)
        for disturbance in _disturbances(cluster, arguments, f"{replayed.gateway}/"):
            _tell(disturbance.name, disturbance.tally)
            disturbances.append(disturbance)
    return Report(version, seconds, replayed.steps, replayed.shown, lost, disturbances, held)


def _events(cluster: Cluster, arguments: argparse.Namespace, gateway: str) -> Iterator[faults.Result]:
    more = [AUTOSCALED] if arguments.add_ons else []
    cells = [(count, event) for event in more for count in event.replicas]
    if any(
        faults.is_chosen(cell, arguments.only, is_meshed=is_meshed) for cell in cells for is_meshed in (True, False)
    ):
        install(cluster, Cache(cache_folder()), METRICS_SERVER)
    return faults.lost_requests(cluster, gateway, arguments.only, *more)


def _disturbances(cluster: Cluster, arguments: argparse.Namespace, url: str) -> Iterator[authority.Disturbance]:
    happen = authority.chosen(authority.DISTURBANCES, arguments.only)
    yield from authority.disturbances(cluster, url, faults.MESHED, happen)
    if arguments.add_ons and (happen := authority.chosen(CERTIFIED, arguments.only)):
        install(cluster, Cache(cache_folder()), CERT_MANAGER)
        set_up(cluster)
        yield from authority.disturbances(cluster, url, faults.MESHED, happen)


def _tell(name: str, tally: Tally) -> None:
    print(f"{name}: {tally.lost_count} of {tally.sent} lost", file=sys.stderr, flush=True)


def _replayed(cluster: Cluster) -> Replayed:
    root = examples_root()
    with shell(kubeconfig=cluster.kubeconfig, gateway_url="", examples_root=root) as session:
        return replay(cluster, session)


def _stay(cluster: Cluster) -> None:
    print(f"export KUBECONFIG={cluster.kubeconfig}; Ctrl-C ends the cluster", flush=True)
    signal.sigwait({signal.SIGINT, signal.SIGTERM})


def arguments_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make test-kubernetes ARGS=…",
        description=f"Kubernetes is compiled once a release, in the folder {VARIABLE} (~/.cache/crossfade-kubernetes).",
    )
    parser.add_argument("--version", default=DEFAULT, help="release of Kubernetes (default: %(default)s)")
    parser.add_argument("--nodes", type=int, choices=(1, 2, 3), default=2, help="(default: %(default)s)")
    parser.add_argument(
        "--images",
        type=Path,
        default=Path("build/images"),
        help="folder with the archives of `make images` (default: %(default)s)",
    )
    parser.add_argument(
        "--kubeconfig", type=Path, help="a cluster that is there, which has the images, in place of one of ours"
    )
    parser.add_argument("--only-walkthrough", action="store_true", help="nothing happens to the gateway")
    parser.add_argument(
        "--only",
        nargs="+",
        default=[],
        metavar="WORD",
        help='of what happens all whose names have all of the words, as "eviction meshed 2"',
    )
    parser.add_argument(
        "--add-ons",
        action="store_true",
        help="metrics-server and cert-manager are there too, compiled like the cluster, and what happens with them",
    )
    parser.add_argument("--stay", action="store_true", help="leave the cluster running until Ctrl-C")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    return parser


if __name__ == "__main__":
    sys.exit(main(arguments_parser().parse_args()))
