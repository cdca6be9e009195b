"""From a model to bytes, and from bytes to many proxies.

    python -m benchmarks.push_resources [--routers 1000] [--proxies 200] [--clusters 200]

First: a model of that many virtual hosts with five routes each to hashed Envoy bytes. Then: one publisher, one server,
many fake proxies in a process of their own that acknowledge at once; the time until the last one has the change, and
the server's CPU time for each push. Ends by itself.
"""

import argparse
import asyncio
import statistics
import sys
import time
from typing import Any

import grpc.aio
from tests.support.models import ORIGIN, TABLE, local_cluster

from crossfade.compile.model import (
    Cluster,
    Dialect,
    Direction,
    Discovery,
    Endpoint,
    FilterChain,
    HttpHandler,
    Listener,
    ProxyModel,
)
from crossfade.compile.routing.matches import RouteMatch
from crossfade.compile.routing.retry import RetryPolicy
from crossfade.compile.routing.routes import Destination, Forward, Route, RouteTable, VirtualHost
from crossfade.envoy.proto import discovery_v3
from crossfade.envoy.resource_set import ResourceType
from crossfade.envoy.resources import resources_from_model
from crossfade.envoy.settings import EnvoyOptions
from crossfade.xds.auth import always
from crossfade.xds.publisher import Publisher
from crossfade.xds.server import AdsServer

METHOD = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"
ROUNDS = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--routers", type=int, default=1000)
    parser.add_argument("--proxies", type=int, default=200)
    parser.add_argument("--clusters", type=int, default=200)
    parser.add_argument("--connect", metavar="PORT", type=int, help="internal: be the fake proxies")
    arguments = parser.parse_args()
    if arguments.connect is not None:
        asyncio.run(be_proxies(arguments.connect, arguments.proxies))
        return
    measure_encoding(arguments.routers)
    asyncio.run(measure_pushes(arguments.proxies, arguments.clusters))


def measure_encoding(routers: int) -> None:
    model = large_model(routers)
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        resources_from_model(model, options=EnvoyOptions())
        times.append(time.perf_counter() - started)
    print(f"{routers} virtual hosts, {5 * routers} routes, {2 * routers} clusters to bytes: {median_ms(times)} ms")


def large_model(routers: int) -> ProxyModel:
    clusters = tuple(
        Cluster(f"node-{number}-{version}", Discovery.EDS, (Endpoint("10.0.0.1", 8080),), ORIGIN)
        for number in range(routers)
        for version in (1, 2)
    )
    retry = RetryPolicy(("connect-failure", "refused-stream", "reset", "retriable-status-codes"), 2, (503,))
    hosts = tuple(_virtual_host(number, retry) for number in range(routers))
    chain = FilterChain("9080", HttpHandler(TABLE, "egress", Dialect.APP_MESH), destination_port=9080)
    listener = Listener("egress", "0.0.0.0", 15001, Direction.OUTBOUND, (chain,), restores_original_destination=True)
    return ProxyModel((listener,), (RouteTable(TABLE, hosts),), clusters)


def _virtual_host(number: int, retry: RetryPolicy) -> VirtualHost:
    action = Forward((Destination(f"node-{number}-1", 95), Destination(f"node-{number}-2", 5)), retry=retry)
    name = f"service-{number}.prod.svc.cluster.local"
    routes = tuple(Route(f"r{index}", RouteMatch(f"/path-{index}"), action, ORIGIN) for index in range(5))
    return VirtualHost(name, (name, f"{name}:9080"), routes)


async def measure_pushes(proxies: int, clusters: int) -> None:
    publisher = Publisher()
    server = await AdsServer.start(publisher=publisher, address="127.0.0.1:0", authenticate=always("p"))

    def publish(port: int, changed: int) -> None:
        models = [local_cluster(f"c{number}", port if number < changed else 1) for number in range(clusters)]
        publisher.publish("p", resources_from_model(ProxyModel(clusters=tuple(models)), options=EnvoyOptions()))

    publish(1, 0)
    arguments = (sys.executable, "-m", "benchmarks.push_resources", "--connect", str(server.port))
    process = await asyncio.create_subprocess_exec(
        *arguments, "--proxies", str(proxies), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    started = time.perf_counter()
    await received(process.stdout, proxies)
    print(f"{proxies} proxies connect and get {clusters} clusters and endpoints: {time.perf_counter() - started:.2f} s")
    for changed in (1, clusters):
        times, cpu = [], time.process_time()
        for number in range(ROUNDS):
            started = time.perf_counter()
            publish(number + 2, changed)
            await received(process.stdout, proxies)
            times.append(time.perf_counter() - started)
        per_push_us = (time.process_time() - cpu) / ROUNDS / proxies * 1e6
        what = f"{changed} changed endpoints to {proxies} proxies"
        print(f"{what}: {median_ms(times)} ms, {per_push_us:.0f} us CPU a push")
    process.terminate()
    await process.wait()
    await server.stop()


async def received(lines: asyncio.StreamReader, count: int) -> None:
    for _ in range(count):
        await lines.readline()


async def be_proxies(port: int, count: int) -> None:
    """Each prints a line when it got endpoints."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        await asyncio.gather(*(_be_proxy(channel) for _ in range(count)))


async def _be_proxy(channel: grpc.aio.Channel) -> None:
    call: Any = channel.stream_stream(
        METHOD,
        request_serializer=discovery_v3.DeltaDiscoveryRequest.SerializeToString,
        response_deserializer=discovery_v3.DeltaDiscoveryResponse.FromString,
    )
    stream = call()
    await stream.write(discovery_v3.DeltaDiscoveryRequest(type_url=ResourceType.CLUSTER))
    while (response := await stream.read()) is not grpc.aio.EOF:
        kind = ResourceType(response.type_url)
        answer = discovery_v3.DeltaDiscoveryRequest(type_url=kind, response_nonce=response.nonce)
        if kind is ResourceType.CLUSTER:
            names = [entry.name for entry in response.resources]
            await stream.write(
                discovery_v3.DeltaDiscoveryRequest(type_url=ResourceType.ENDPOINTS, resource_names_subscribe=names)
            )
        else:
            print("got", flush=True)
        await stream.write(answer)


def median_ms(times: list[float]) -> str:
    return f"{statistics.median(times) * 1000:.1f}"


if __name__ == "__main__":
    main()
