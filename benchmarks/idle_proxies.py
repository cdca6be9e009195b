"""What an idle proxy and its launcher take: memory, and processor time until it is ready.

    python -m benchmarks.idle_proxies [--proxies 5] [--of /another/checkout]

Starts sidecars, then gateways, as a pod does, with a small configuration each, and prints the mean of their shares of
memory (PSS, of which what several processes use counts in parts). With `--of`, the same of that checkout, in turns.
Ends by itself, within two minutes.
"""

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.processes import children, cpu_seconds_of_all, memory, run_bounded
from tests.support.models import local_cluster, proxy_model, route_to
from tests.support.ports import free_ports

from crossfade.envoy.resources import resources_from_model
from crossfade.envoy.settings import EnvoyOptions
from crossfade.xds.auth import always
from crossfade.xds.publisher import Publisher
from crossfade.xds.server import AdsServer

HERE: Final = Path(__file__).resolve().parent.parent
SETTLED_S: Final = 12.0
READY_WITHIN_S: Final = 120.0
LONGEST_S: Final = 240.0


class Taken(NamedTuple):
    """Of one proxy: MiB of the launcher and of Envoy; until it was ready, seconds, and of them the processor's."""

    launcher: float
    envoy: float
    ready_after_s: float
    processor_s: float


@asynccontextmanager
async def started(checkout: Path, ads_port: int, *, gateway: bool, folder: Path) -> AsyncIterator[tuple[int, float]]:
    """The launcher's process id, and the seconds until it was ready."""
    admin, status = free_ports(2)
    state = folder / f"state-{admin}"
    environment = {
        "PYTHONPATH": str(checkout / "src"),
        "CROSSFADE_ADS_ADDRESS": f"127.0.0.1:{ads_port}",
        "CROSSFADE_STATE_FOLDER": str(state),
        "CROSSFADE_STATUS_PORT": str(status),
        "ENVOY_ADMIN_ACCESS_PORT": str(admin),
        "ENVOY_CONCURRENCY": "1",
        "ENVOY_LOG_LEVEL": "critical",
        "POD_NAME": "pod",
        "POD_NAMESPACE": "ns",
        "TMPDIR": str(folder),
    }
    command = (sys.executable, "-m", "crossfade.cli", "proxy", *(("--gateway",) if gateway else ()))
    begun = time.monotonic()
    process = await asyncio.create_subprocess_exec(*command, env=os.environ | environment)
    try:
        while not (state / "ready").exists():
            if process.returncode is not None or time.monotonic() > begun + READY_WITHIN_S:
                raise RuntimeError(f"{' '.join(command)} was not ready")
            await asyncio.sleep(0.002)
        yield process.pid, time.monotonic() - begun
    finally:
        process.kill()
        await process.wait()


async def taken(checkout: Path, *, gateway: bool, proxies: int) -> list[Taken]:
    publisher = Publisher()
    server = await AdsServer.start(publisher=publisher, address="127.0.0.1:0", authenticate=always("p"))
    (backend,) = free_ports(1)
    with tempfile.TemporaryDirectory() as folder:
        async with AsyncExitStack() as stack:
            found = []
            for _ in range(proxies):
                (port,) = free_ports(1)
                model = proxy_model(route_to("a"), clusters=(local_cluster("a", backend),), port=port)
                publisher.publish("p", resources_from_model(model, options=EnvoyOptions()))
                one = started(checkout, server.port, gateway=gateway, folder=Path(folder))
                pid, ready_after_s = await stack.enter_async_context(one)
                (envoy,) = children(pid)
                found.append((pid, envoy, ready_after_s, cpu_seconds_of_all((pid, envoy))))
            await asyncio.sleep(SETTLED_S)
            made = [Taken(memory(pid).pss, memory(envoy).pss, *times) for pid, envoy, *times in found]
    await server.stop()
    return made


async def measured(checkouts: list[Path], proxies: int) -> None:
    print(
        "| checkout | proxy | launcher | Envoy | in all | ready after | processor time |\n|---|---|---|---|---|---|---|"
    )
    for gateway in (False, True):
        for checkout in checkouts:
            found = await taken(checkout, gateway=gateway, proxies=proxies)
            launcher, envoy, ready, processor = map(statistics.fmean, zip(*found, strict=True))
            sizes = " | ".join(f"{size:.1f} MiB" for size in (launcher, envoy, launcher + envoy))
            name = "gateway" if gateway else "sidecar"
            print(f"| {checkout.name} | {name} | {sizes} | {ready:.2f} s | {processor:.2f} s |", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--proxies", type=int, default=5)
    parser.add_argument("--of", type=Path, action="append", default=[])
    arguments = parser.parse_args()
    code = run_bounded("benchmarks.idle_proxies", LONGEST_S)
    if code is not None:
        return code
    asyncio.run(measured([HERE, *arguments.of] * 2, arguments.proxies))
    return 0


if __name__ == "__main__":
    sys.exit(main())
