"""A virtual node behind a Service of the cluster: its endpoints reach a real Envoy from EndpointSlices."""

from collections import Counter
from pathlib import Path

import pytest

from crossfade.api.appmesh import Mesh
from tests.support.envoy import backend, until
from tests.support.mesh_envoy import MeshGateway, mesh_gateway

pytestmark = pytest.mark.envoy

LOOPBACK = "127.0.0.1"
PORT = 9080


async def answers(gateway: MeshGateway, count: int) -> Counter[str]:
    return Counter([(await gateway.get("/jazz")).body for _ in range(count)])


async def test_requests_go_to_all_endpoints_of_a_service_in_turn(tmp_path: Path) -> None:
    async with mesh_gateway(tmp_path) as gateway, backend("one") as one, backend("two") as two:
        gateway.put_gateway()
        gateway.objects.put_endpoints("jazz", (LOOPBACK, one.port), (LOOPBACK, two.port), port=PORT)
        gateway.put_service("jazz", PORT, host="jazz.prod.svc.cluster.local")
        await gateway.start()
        await gateway.until("/jazz")
        shares = await answers(gateway, 40)
        # One connection to the gateway: with a ClusterIP all would go to one pod.
        assert shares == {"one": 20, "two": 20}


async def test_endpoints_come_and_go_without_touching_anything_else(tmp_path: Path) -> None:
    async with mesh_gateway(tmp_path) as gateway, backend("one") as one, backend("two") as two:
        gateway.put_gateway()
        gateway.objects.put_endpoints("jazz", (LOOPBACK, one.port), port=PORT)
        gateway.objects.put_endpoints("metal", (LOOPBACK, one.port), port=PORT)
        for name in ("jazz", "metal"):
            gateway.put_service(name, PORT, host=f"{name}.prod")
        await gateway.start()
        for name in ("jazz", "metal"):
            await gateway.until(f"/{name}", "one")
        assert (before := gateway.control.loop.model) is not None

        gateway.objects.put_endpoints("jazz", (LOOPBACK, two.port), port=PORT)
        await gateway.until("/jazz", "two")
        gateway.objects.put_endpoints("jazz", port=PORT)
        await gateway.until("/jazz", "no healthy upstream", status=503)
        gateway.objects.put_endpoints("jazz", (LOOPBACK, one.port), port=PORT)
        await gateway.until("/jazz", "one")
        assert (await gateway.get("/metal")).body == "one"
        assert (after := gateway.control.loop.model) is not None
        assert after.proxies == before.proxies


async def test_an_endpoint_that_was_removed_is_left_although_probes_find_it_well(tmp_path: Path) -> None:
    probe = {
        "protocol": "http",
        "path": "/",
        "healthyThreshold": 2,
        "unhealthyThreshold": 2,
        "timeoutMillis": 2000,
        "intervalMillis": 5000,
    }
    async with mesh_gateway(tmp_path) as gateway, backend("one") as one, backend("two") as two:
        gateway.put_gateway()
        gateway.objects.put_endpoints("jazz", (LOOPBACK, one.port), (LOOPBACK, two.port), port=PORT)
        gateway.put_service("jazz", PORT, host="jazz.prod.svc", listener={"healthCheck": probe})
        await gateway.start()

        async def answered_by(*names: str) -> bool:
            return set(await answers(gateway, 10)) == set(names)

        await until(lambda: answered_by("one", "two"))
        gateway.objects.put_endpoints("jazz", (LOOPBACK, two.port), port=PORT)
        await until(lambda: answered_by("two"))


async def test_callers_take_their_own_zone_first_where_the_node_wants_it(tmp_path: Path) -> None:
    async with mesh_gateway(tmp_path) as gateway, backend("one") as one, backend("two") as two:
        both = (LOOPBACK, one.port), (LOOPBACK, two.port)

        async def only(name: str) -> None:
            async def is_so() -> bool:
                return await answers(gateway, 10) == {name: 10}

            await until(is_so)

        async def takes_both() -> bool:
            return len(await answers(gateway, 10)) == 2

        gateway.put_gateway()
        gateway.objects.put_endpoints("jazz", *both, port=PORT, zones=("a", "b"))
        gateway.put_service("jazz", PORT, host="jazz.prod.svc.cluster.local")
        await gateway.start()
        await until(takes_both)

        gateway.put(Mesh, "m", {}, {"crossfade.dev/zones": "prefer-own"})
        # Nobody knows where the caller is.
        await until(takes_both)
        gateway.objects.put_endpoints("gate", (LOOPBACK, 1), port=80, zones=("b",), pods=("gate-1",))
        await only("two")
        gateway.objects.put_endpoints("jazz", both[0], port=PORT, zones=("a",))
        await only("one")
        gateway.objects.put_endpoints("jazz", *both, port=PORT, zones=("a", "b"))
        await only("two")
        gateway.objects.put_endpoints("gate", (LOOPBACK, 1), port=80, zones=("a",), pods=("gate-1",))
        await only("one")
        gateway.put(Mesh, "m", {})
        await until(takes_both)
