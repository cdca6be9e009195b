"""What an idle proxy and its launcher take: memory, and processor time until it is ready.

    python -m benchmarks.sidecar_memory [--proxies 5] [--of /another/checkout]

Starts sidecars, then gateways, as a pod does, with a small configuration each, and prints the mean of their shares of
memory (PSS, of which what several processes use counts in parts). With `--of`, the same of that checkout, in turns.
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

from tests.support.models import local_cluster, proxy_model, route_to
from tests.support.ports import free_ports

from crossfade.envoy.resources import resources_from_model
from crossfade.envoy.settings import EnvoyOptions
from crossfade.xds.auth import always
from crossfade.xds.publisher import Publisher
from crossfade.xds.server import AdsServer

HERE: Final = Path(__file__).resolve().parent.parent
SETTLED_S: Final = float(os.environ.get("ST", "12"))
READY_WITHIN_S: Final = 120.0
TICKS_A_SECOND: Final = os.sysconf("SC_CLK_TCK")


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
                found.append((pid, ready_after_s, processor_s(pid) + processor_s(child_of(pid))))
            await asyncio.sleep(SETTLED_S)
            made = [Taken(pss(pid), pss(child_of(pid)), ready, used) for pid, ready, used in found]
    await server.stop()
    return made


def child_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def pss(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def processor_s(pid: int) -> float:
    """Its own, and that of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / TICKS_A_SECOND


def mean(values: list[float]) -> float:
    return statistics.fmean(values)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--proxies", type=int, default=5)
    parser.add_argument("--of", type=Path, action="append", default=[])
    arguments = parser.parse_args()
    print(
        "| checkout | proxy | launcher | Envoy | in all | ready after | processor time |\n|---|---|---|---|---|---|---|"
    )
    for gateway in (False, True):
        for checkout in (HERE, *arguments.of, HERE, *arguments.of):
            found = await taken(checkout, gateway=gateway, proxies=arguments.proxies)
            launcher, envoy, ready, processor = (mean(list(column)) for column in zip(*found, strict=True))
            sizes = " | ".join(f"{size:.1f} MiB" for size in (launcher, envoy, launcher + envoy))
            name = "gateway" if gateway else "sidecar"
            print(f"| {checkout.name} | {name} | {sizes} | {ready:.2f} s | {processor:.2f} s |", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
