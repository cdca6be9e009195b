"""Load reports over real gRPC: who may report, and when somebody is asked."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import pytest

from crossfade.envoy.proto import discovery_v3, endpoint_v3, load_stats_v3
from crossfade.envoy.resource_set import ResourceType
from crossfade.xds.auth import NotAuthenticatedError
from crossfade.xds.load_reports import SERVICE, Load, LoadReports
from crossfade.xds.proven import Proven
from crossfade.xds.publisher import Publisher
from crossfade.xds.server import AdsServer
from tests.protocol.xds.test_server import METHOD, only_p
from tests.support.waiting import eventually

GOOD = (("authorization", "Bearer good"),)


class Scene:
    def __init__(self) -> None:
        self.wanted: frozenset[str] = frozenset()
        self.reported: list[tuple[str, Mapping[str, Load]]] = []
        self.reports = LoadReports(lambda _: self.wanted, lambda *found: self.reported.append(found))
        self.publisher = Publisher()

    def want(self, *clusters: str) -> None:
        self.wanted = frozenset(clusters)
        self.reports.look_again()

    @asynccontextmanager
    async def channel(self) -> AsyncIterator[grpc.aio.Channel]:
        server = await AdsServer.start(
            publisher=self.publisher, address="127.0.0.1:0", authenticate=only_p, load_reports=self.reports
        )
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            yield channel
        await server.stop()


def reporting(channel: grpc.aio.Channel, metadata: Any = GOOD) -> Any:
    return channel.stream_stream(
        f"/{SERVICE}/StreamLoadStats",
        request_serializer=load_stats_v3.LoadStatsRequest.SerializeToString,
        response_deserializer=load_stats_v3.LoadStatsResponse.FromString,
    )(metadata=metadata)


async def connected(channel: grpc.aio.Channel) -> Any:
    """An ADS stream."""
    stream = channel.stream_stream(
        METHOD,
        request_serializer=discovery_v3.DeltaDiscoveryRequest.SerializeToString,
        response_deserializer=discovery_v3.DeltaDiscoveryResponse.FromString,
    )(metadata=GOOD)
    await stream.write(discovery_v3.DeltaDiscoveryRequest(type_url=ResourceType.CLUSTER))
    return stream


def report(**failed: int) -> load_stats_v3.LoadStatsRequest:
    """From endpoints of two zones, each with one request that succeeded."""
    request = load_stats_v3.LoadStatsRequest()
    for name, number in failed.items():
        # As without the statuses of clusters: an answer of 5xx is no error of its endpoint.
        zone = endpoint_v3.UpstreamLocalityStats(total_issued_requests=number + 1, total_successful_requests=1)
        request.cluster_stats.append(endpoint_v3.ClusterStats(cluster_name=name, upstream_locality_stats=[zone, zone]))
    return request


async def test_a_proxy_is_asked_while_somebody_wants_to_know_and_only_that_counts() -> None:
    scene = Scene()
    async with scene.channel() as channel, asyncio.timeout(10):
        stream = reporting(channel)
        await stream.write(load_stats_v3.LoadStatsRequest())
        # Its ADS stream may come later.
        await connected(channel)
        scene.want("c", "d")
        asked = await stream.read()
        assert (list(asked.clusters), asked.load_reporting_interval.seconds) == (["c", "d"], 2)
        await stream.write(report(c=0))
        await stream.write(report(c=3, other=5))
        await eventually(lambda: len(scene.reported) == 2)
        assert scene.reported[1] == ("p", {"c": Load(2, 6)})
        scene.want()
        asked = await stream.read()
        assert list(asked.clusters) == []
        assert asked.load_reporting_interval.seconds > 3600
        await stream.write(report(c=3))
        scene.want("d")
        await stream.read()
        assert len(scene.reported) == 2


async def test_a_request_counts_when_it_has_ended() -> None:
    scene = Scene()
    scene.want("c")
    async with scene.channel() as channel, asyncio.timeout(10):
        await connected(channel)
        stream = reporting(channel)
        await stream.write(load_stats_v3.LoadStatsRequest())
        await stream.read()
        for issued, in_progress, succeeded in [(5, 5, 0), (1, 2, 1), (0, 0, 2)]:
            zone = endpoint_v3.UpstreamLocalityStats(
                total_issued_requests=issued,
                total_requests_in_progress=in_progress,
                total_successful_requests=succeeded,
            )
            stats = [endpoint_v3.ClusterStats(cluster_name="c", upstream_locality_stats=[zone])]
            await stream.write(load_stats_v3.LoadStatsRequest(cluster_stats=stats))
        await eventually(lambda: len(scene.reported) == 2)
        assert scene.reported == [("p", {"c": Load(1, 3)}), ("p", {"c": Load(2, 0)})]


async def test_where_nothing_can_be_issued_the_errors_count() -> None:
    zone = endpoint_v3.UpstreamLocalityStats(total_error_requests=7)
    stats = [endpoint_v3.ClusterStats(cluster_name="c", upstream_locality_stats=[zone])]
    scene = Scene()
    scene.want("c")
    async with scene.channel() as channel, asyncio.timeout(10):
        await connected(channel)
        stream = reporting(channel)
        await stream.write(load_stats_v3.LoadStatsRequest())
        await stream.read()
        await stream.write(load_stats_v3.LoadStatsRequest(cluster_stats=stats))
        await eventually(lambda: scene.reported == [("p", {"c": Load(0, 7)})])


async def test_who_has_no_open_ads_stream_is_nobody() -> None:
    proven, good = Proven(patience_s=0.01), dict(GOOD)
    with proven.known(good, "p"), proven.known(good, "p"):
        assert await proven.proxy_of(good) == "p"
        for other in ({}, {"authorization": "Bearer bad"}):
            with pytest.raises(NotAuthenticatedError, match="no ADS stream has shown this token"):
                await proven.proxy_of(other)
    with pytest.raises(NotAuthenticatedError):
        await proven.proxy_of(good)
