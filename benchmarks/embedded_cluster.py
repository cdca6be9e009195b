"""How an embedded cluster starts and tells of changes when it holds much.

    python -m benchmarks.embedded_cluster [--objects 5000] [--watchers 100] [--rate 20] [--seconds 20]

Prints how long `up` takes on an empty and on a full data directory, from the command to its return; the API server's
memory; the time from the sending of a create to each watcher's event, and what processor time a create costs the API
server with all of these watchers.
"""

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
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


class Watcher:
    """Notes when what came; it is read afterwards, so that reading delays nothing."""

    def __init__(self, expected: int) -> None:
        self.has_all = asyncio.Event()
        self._expected = expected
        self._came: list[tuple[float, bytes]] = []

    async def watch(self, client: ApiClient, revision: str, opened: asyncio.Semaphore) -> None:
        """Until cancelled."""
        path = f"{MAPS}?watch=1&resourceVersion={revision}"
        async with client.session.get(path, ssl=client.context) as response:
            assert response.status == 200, await response.text()
            opened.release()
            async for chunk in response.content.iter_any():
                self._came.append((time.perf_counter(), chunk))
                self._expected -= chunk.count(b"\n")
                if self._expected <= 0:
                    self.has_all.set()

    def times(self) -> dict[str, float]:
        """When each object's event was complete, by name."""
        found: dict[str, float] = {}
        rest = b""
        for moment, chunk in self._came:
            *lines, rest = (rest + chunk).split(b"\n")
            found |= {json.loads(line)["object"]["metadata"]["name"]: moment for line in lines}
        return found


async def _event_times(
    cluster: EmbeddedCluster, watchers: int, rate: float, seconds: float
) -> tuple[list[float], float]:
    """Of each event at each watcher; and the API server's processor time for a create."""
    client = ApiClient(cluster.kubeconfig)
    revision = (await client.get(f"{MAPS}?limit=1"))["metadata"]["resourceVersion"]
    count = int(rate * seconds)
    opened = asyncio.Semaphore(0)
    clients = [ApiClient(cluster.kubeconfig) for _ in range(watchers)]
    found = [Watcher(count) for _ in range(watchers)]
    watching = [asyncio.create_task(one.watch(its, revision, opened)) for one, its in zip(found, clients, strict=True)]
    for _ in watching:
        await opened.acquire()
    before = _cpu_s(cluster.data_dir)
    sent = await _create(client, count, rate)
    async with asyncio.timeout(60):
        for one in found:
            await one.has_all.wait()
    cost = (_cpu_s(cluster.data_dir) - before) / count
    for task in watching:
        task.cancel()
    await asyncio.gather(*watching, return_exceptions=True)
    for each in (*clients, client):
        await each.close()
    return [moment - sent[name] for one in found for name, moment in one.times().items()], cost


async def _create(client: ApiClient, count: int, rate: float) -> dict[str, float]:
    """When each was sent, by name."""
    sent = {}
    for number in range(count):
        name = f"event-{number}"
        sent[name] = time.perf_counter()
        await client.create(MAPS, {"metadata": {"name": name}})
        await asyncio.sleep(max(0.0, 1 / rate - (time.perf_counter() - sent[name])))
    return sent


def _restart_s(cluster: EmbeddedCluster) -> float:
    """From `up` to its return, on the data that is there."""
    crossfade("down", "--data-dir", str(cluster.data_dir))
    began = time.perf_counter()
    up = crossfade("up", "--detach", "--bare", "--data-dir", str(cluster.data_dir))
    assert up.returncode == 0, up.stderr
    return time.perf_counter() - began


def _api_server(data_dir: Path) -> Path:
    """Its folder in /proc."""
    for process in Path("/proc").iterdir():
        line = (process / "cmdline").read_bytes() if process.name.isdigit() else b""
        if b"crossfade_local.apiserver\0" in line and str(data_dir).encode() in line:
            return process
    raise ProcessLookupError("the API server")


def _memory_mib(data_dir: Path) -> int:
    return int((_api_server(data_dir) / "status").read_text().split("VmRSS:")[1].split()[0]) // 1024


def _cpu_s(data_dir: Path) -> float:
    fields = (_api_server(data_dir) / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


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
        times, cost = asyncio.run(_event_times(cluster, arguments.watchers, arguments.rate, arguments.seconds))
        p95 = statistics.quantiles(times, n=20)[-1]
        print(f"create to event, {arguments.watchers} watchers, {arguments.rate:g} a second: "
              f"median {1000 * statistics.median(times):.0f} ms, p95 {1000 * p95:.0f} ms, "
              f"{1000 * cost:.1f} ms of the API server's processor time for each")  # fmt: skip


if __name__ == "__main__":
    main()
