"""Which cluster a command asks, as its options and the environment say."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crossfade_kube.kubeconfig import ClusterConfig


def add_cluster_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--kubeconfig",
        metavar="FILE",
        type=Path,
        help="default: $KUBECONFIG, else the embedded cluster that runs, else ~/.kube/config",
    )
    parser.add_argument("-n", "--namespace", metavar="NS", help="default: the kubeconfig's")
    parser.add_argument("-A", "--all-namespaces", action="store_true", help="those of all namespaces")


def cluster_config(arguments: argparse.Namespace) -> "ClusterConfig":
    """Raises ConfigError."""
    from crossfade.cli.local import DEFAULT_DATA_DIR
    from crossfade_kube.errors import ConfigError
    from crossfade_kube.kubeconfig import load_kubeconfig
    from crossfade_local.data_dir import DataDir

    given: Path | None = arguments.kubeconfig
    if given is None and (listed := os.environ.get("KUBECONFIG", "").split(os.pathsep)[0]):
        given = Path(listed)
    embedded, usual = DataDir(DEFAULT_DATA_DIR), Path("~/.kube/config").expanduser()
    if given is None and embedded.is_held() and embedded.kubeconfig.exists():
        given = embedded.kubeconfig
    if given is None and not usual.exists():
        raise ConfigError(
            "there is no cluster to ask\n"
            "hint: give --kubeconfig FILE, or --status URL of a gateway alone; `crossfade up` starts a cluster"
        )
    return load_kubeconfig(given or usual)


def namespaces_of(arguments: argparse.Namespace, config: "ClusterConfig") -> Sequence[str]:
    """None of them: all."""
    return () if arguments.all_namespaces else (arguments.namespace or config.namespace,)
