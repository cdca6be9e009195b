"""How an embedded cluster starts and tells of changes when it holds much.

    python -m benchmarks.embedded_cluster [--objects 5000] [--watchers 100] [--rate 20] [--seconds 20]

Prints how long `up` takes on an empty and on a full data directory, from the command to its return; the API server's
memory; and the time from the sending of a create to each watcher's event.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from tests.support.api_process import ApiClient
from tests.support.cluster import EmbeddedCluster, crossfade, embedded_cluster

MAPS: Final = "/api/v1/namespaces/default/configmaps"
AT_ONCE: Final = 16


async def _fill(cluster: EmbeddedCluster, count: int) -> None:
    client = ApiClient(cluster.kubeconfig)
    turns = asyncio.Semaphore(AT_ONCE)

    async def make(number: int) -> None:
        async with turns:
            await client.create(MAPS, {"metadata": {"name": f"full-{number}"}, "data": {"text": "x" * 1000}})

    await asyncio.gather(*map(make, range(count)))
    await client.close()


async def _event_times(cluster: EmbeddedCluster, watchers: int, rate: float, seconds: float) -> list[float]:
    client = ApiClient(cluster.kubeconfig)
    revision = (await client.get(f"{MAPS}?limit=1"))["metadata"]["resourceVersion"]
    sent: dict[str, float] = {}
    times: list[float] = []
    expected = int(rate * seconds)

    async with AsyncExitStack() as stack:

        async def watch(client: ApiClient) -> None:
            events = await stack.enter_async_context(client.watch(f"{MAPS}?watch=1&resourceVersion={revision}"))
            opened.release()
            for _ in range(expected):
                event = await anext(events)
                times.append(time.perf_counter() - sent[event["object"]["metadata"]["name"]])

        opened = asyncio.Semaphore(0)
        clients = [ApiClient(cluster.kubeconfig) for _ in range(watchers)]
        watching = [asyncio.create_task(watch(one)) for one in clients]
        for _ in watching:
            await opened.acquire()
        for number in range(expected):
            name = f"event-{number}"
            sent[name] = time.perf_counter()
            await client.create(MAPS, {"metadata": {"name": name}})
            await asyncio.sleep(max(0.0, 1 / rate - (time.perf_counter() - sent[name])))
        await asyncio.gather(*watching)
    for one in (*clients, client):
        await one.close()
    return times


def _restart_s(cluster: EmbeddedCluster) -> float:
    """From `up` to its return, on the data that is there."""
    crossfade("down", "--data-dir", str(cluster.data_dir))
    began = time.perf_counter()
    up = crossfade("up", "--detach", "--bare", "--data-dir", str(cluster.data_dir))
    assert up.returncode == 0, up.stderr
    return time.perf_counter() - began


def _memory_mib(data_dir: Path) -> int:
    for process in Path("/proc").iterdir():
        line = (process / "cmdline").read_bytes() if process.name.isdigit() else b""
        if b"crossfade_local.apiserver\0" in line and str(data_dir).encode() in line:
            fields = (process / "status").read_text().split("VmRSS:")[1].split()
            return int(fields[0]) // 1024
    raise ProcessLookupError("the API server")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=5000)
    parser.add_argument("--watchers", type=int, default=100)
    parser.add_argument("--rate", type=float, default=20.0)
    parser.add_argument("--seconds", type=float, default=20.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, embedded_cluster(Path(folder, "data"), "--bare") as cluster:
        empty = [_restart_s(cluster) for _ in range(3)]
        asyncio.run(_fill(cluster, arguments.objects))
        full = [_restart_s(cluster) for _ in range(3)]
        print(f"up, empty: {statistics.median(empty):.2f} s; with {arguments.objects} objects: "
              f"{statistics.median(full):.2f} s, API server {_memory_mib(cluster.data_dir)} MiB")  # fmt: skip
        times = asyncio.run(_event_times(cluster, arguments.watchers, arguments.rate, arguments.seconds))
        p95 = statistics.quantiles(times, n=20)[-1]
        print(f"create to event, {arguments.watchers} watchers, {arguments.rate:g} a second: "
              f"median {1000 * statistics.median(times):.0f} ms, p95 {1000 * p95:.0f} ms")  # fmt: skip


if __name__ == "__main__":
    main()
