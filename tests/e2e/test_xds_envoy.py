"""A real Envoy takes what the control plane publishes, follows changes, and survives what it refuses."""

import random
from pathlib import Path

import pytest

from crossfade.compile.model import Cluster, Discovery, Endpoint, ProxyModel
from crossfade.compile.routing.matches import PathMatchKind, RouteMatch
from crossfade.compile.routing.routes import Destination, Forward, Route
from crossfade.envoy.resource_set import ResourceType
from tests.support.envoy import backend, running_envoy, until
from tests.support.models import ORIGIN, answer, local_cluster, proxy_model, route_to
from tests.unit.envoy.test_route_matcher import first_in_list

pytestmark = pytest.mark.envoy


async def test_routes_endpoints_and_clusters_follow_what_is_published(tmp_path: Path) -> None:
    async with running_envoy(tmp_path) as envoy, backend("one") as one, backend("two") as two:
        for cluster, target in (("a", one), ("a", two), ("b", one)):
            clusters = (local_cluster(cluster, target.port),)
            envoy.publish(proxy_model(route_to(cluster), clusters=clusters, port=envoy.port))
            await envoy.until_body("one" if target is one else "two")
        envoy.publish(ProxyModel())
        await envoy.until_status(0)
        assert envoy.rejections == []


async def test_counters_of_a_cluster_come_with_its_first_request_and_outlive_its_changes(tmp_path: Path) -> None:
    async with running_envoy(tmp_path) as envoy, backend("one") as one, backend("two") as two:

        async def publish(port: int) -> None:
            clusters = tuple(local_cluster(name, port, Discovery.STATIC) for name in ("used", "unused"))
            envoy.publish(proxy_model(route_to("used"), clusters=clusters, port=envoy.port))

            async def is_there() -> bool:
                return f"used::127.0.0.1:{port}::" in (await envoy.ask_admin("/clusters"))

            await until(is_there)

        await publish(one.port)
        await envoy.until_body("one")
        for _ in range(20):
            await envoy.get()
        for port in (two.port, one.port, two.port):
            await publish(port)
        assert (await envoy.get()).body == "two"
        assert (await envoy.statistic("cluster.used.upstream_rq_total") or 0) > 21
        assert await envoy.statistic("cluster.unused.membership_total") == 1
        assert await envoy.statistic("cluster.unused.upstream_rq_total") is None


async def test_no_request_fails_while_clusters_come_and_go(tmp_path: Path) -> None:
    """Routes move to clusters that did not exist a moment ago, and the old ones go, under constant requests."""
    async with running_envoy(tmp_path) as envoy, backend("ok") as target:

        def publish(number: int) -> None:
            name = f"generation-{number}"
            cluster = local_cluster(name, target.port, (Discovery.EDS, Discovery.STATIC)[number % 2])
            envoy.publish(proxy_model(route_to(name), clusters=(cluster,), port=envoy.port))

        publish(0)
        await envoy.until_body("ok")
        for number in range(1, 20):
            publish(number)
            for _ in range(10):
                assert (await envoy.get()).status == 200


async def test_what_envoy_refuses_leaves_the_rest_alone(tmp_path: Path) -> None:
    async with running_envoy(tmp_path) as envoy, backend("one") as one, backend("two") as two:
        good = proxy_model(route_to("a"), clusters=(local_cluster("a", one.port),), port=envoy.port)
        envoy.publish(good)
        await envoy.until_body("one")
        bad_cluster = Cluster("bad", Discovery.STATIC, (Endpoint("not an address", 1),), ORIGIN)
        bad_route = Route("bad", RouteMatch("(", PathMatchKind.REGEX), Forward((Destination("a"),)), ORIGIN)
        clusters = (local_cluster("a", two.port), local_cluster("other", two.port, Discovery.STATIC), bad_cluster)
        envoy.publish(proxy_model(bad_route, clusters=clusters, port=envoy.port))
        await envoy.until_body("two")

        async def both_are_reported() -> bool:
            return len(envoy.rejections) == 2

        await until(both_are_reported)
        found = {(one.rejected.kind, one.rejected.name) for one in envoy.rejections}
        assert found == {(ResourceType.CLUSTER, "bad"), (ResourceType.ROUTES, "table")}
        assert all(one.node == "test/envoy" and one.rejected.reason for one in envoy.rejections)
        envoy.publish(good)
        await envoy.until_body("one")


async def test_traffic_flows_while_the_control_plane_is_away(tmp_path: Path) -> None:
    """And what changed meanwhile is taken once it is back."""
    async with running_envoy(tmp_path) as envoy, backend("one") as one, backend("two") as two:
        envoy.publish(proxy_model(route_to("a"), clusters=(local_cluster("a", one.port),), port=envoy.port))
        await envoy.until_body("one")
        await envoy.stop_control_plane()
        assert (await envoy.get()).body == "one"
        await envoy.start_control_plane()
        envoy.publish(proxy_model(route_to("b"), clusters=(local_cluster("b", two.port),), port=envoy.port))
        await envoy.until_body("two")
        assert envoy.rejections == []


async def test_a_proxy_that_starts_while_a_resource_is_refused_gets_the_last_good_one(tmp_path: Path) -> None:
    async with running_envoy(tmp_path) as envoy, backend("one") as one:
        clusters = (local_cluster("a", one.port),)
        envoy.publish(proxy_model(route_to("a"), clusters=clusters, port=envoy.port))
        await envoy.until_body("one")
        bad_route = Route("bad", RouteMatch("(", PathMatchKind.REGEX), Forward((Destination("a"),)), ORIGIN)
        envoy.publish(proxy_model(bad_route, clusters=clusters, port=envoy.port))

        async def is_reported() -> bool:
            return len(envoy.rejections) == 1

        await until(is_reported)
        await envoy.restart_envoy()
        await envoy.until_body("one")


async def test_the_tree_answers_like_the_list(tmp_path: Path) -> None:
    """Random routes, enough for a tree, asked for paths with and without query; the list is computed here."""
    chooser = random.Random(7)

    def path() -> str:
        return "/" + "/".join(chooser.choices(["a", "b", "ab", "abc", "x1"], k=chooser.randint(2, 4)))

    kinds = (PathMatchKind.PREFIX, PathMatchKind.EXACT, PathMatchKind.EXACT)
    matches = [RouteMatch(path(), chooser.choice(kinds)) for _ in range(300)]
    matches += [RouteMatch(text, PathMatchKind.REGEX) for text in (r"/a/\w+/b.*", "/b?/x.*", "/(ab|abc)/.*")]
    chooser.shuffle(matches)
    routes = [answer(f"r{index}", match) for index, match in enumerate(matches)]
    targets = [path() + suffix for suffix in ("", "?q=/a", "/", "c") for _ in range(25)]
    async with running_envoy(tmp_path) as envoy:
        envoy.publish(proxy_model(*routes, answer("none", RouteMatch()), port=envoy.port))
        await envoy.until_status(200)
        found = [(await envoy.get(target)).body for target in targets]
    expected = [first_in_list(matches, target) for target in targets]
    assert found == ["none" if index is None else f"r{index}" for index in expected]
    assert len(set(found)) > 15
