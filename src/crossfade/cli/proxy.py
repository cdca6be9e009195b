"""`crossfade proxy`: the data plane of one pod."""

import argparse
import os
from collections.abc import Mapping


def add_parsers(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    proxy = commands.add_parser("proxy", help="run Envoy with a bootstrap for this pod", description=__doc__)
    proxy.add_argument("--gateway", action="store_true", help="the gateway's proxy, its control plane beside it")
    proxy.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from crossfade.proxy.run import run_proxy

    return run_proxy(is_gateway=arguments.gateway or is_of_kongs_chart(os.environ))


def is_of_kongs_chart(environment: Mapping[str, str]) -> bool:
    """Which starts its image without arguments. A sidecar is always told its control plane, whatever else its pod's
    author tells it."""
    return "CROSSFADE_ADS_ADDRESS" not in environment and any(name.startswith("KONG_") for name in environment)
