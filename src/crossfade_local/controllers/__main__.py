"""`python -m crossfade_local.controllers --kubeconfig FILE`: the controllers alone, against any server, for tests."""

import argparse
import asyncio
import contextlib
from pathlib import Path

from crossfade_kube.client import Client
from crossfade_kube.kubeconfig import load_kubeconfig
from crossfade_kube.logging import configure
from crossfade_local.controllers.run import run_controllers


async def _main(kubeconfig: Path) -> None:
    async with Client(load_kubeconfig(kubeconfig), user_agent="kube-controller-manager") as client:
        await run_controllers(client)


if __name__ == "__main__":
    configure()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, required=True)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_main(parser.parse_args().kubeconfig))
