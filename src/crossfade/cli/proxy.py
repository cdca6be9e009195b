"""`crossfade proxy`: the data plane of one pod."""

import argparse


def add_parsers(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    proxy = commands.add_parser("proxy", help="run Envoy with a bootstrap for this pod", description=__doc__)
    proxy.add_argument("--gateway", action="store_true", help="the gateway's proxy, its control plane beside it")
    proxy.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from crossfade.proxy.run import run_proxy

    return run_proxy(is_gateway=arguments.gateway)
