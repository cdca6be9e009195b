"""What a real Envoy refuses in the mesh is found, told, and costs nobody else anything.

The Envoy here takes only short patterns, which no compiler knows.
"""

from pathlib import Path

import pytest

from crossfade.api.appmesh import VirtualNode, VirtualRouter
from crossfade.compile.mesh import MeshModel, ObjectState
from crossfade_kube.meta import ObjectRef
from tests.support.envoy import backend, until
from tests.support.mesh_envoy import Json, MeshGateway, mesh_gateway, names_of, pattern_route, to_node

pytestmark = pytest.mark.envoy

TOO_LONG = "/(a{10}|b{20}|c{30}|d{40})+"
SERVICES = ("dj", "jazz", "metal", "pop", "rock", "soul", "swing")


def state_of(gateway: MeshGateway, name: str) -> ObjectState:
    model = gateway.control.loop.model
    assert isinstance(model, MeshModel)
    resource = VirtualRouter.RESOURCE
    return model.states[ObjectRef(resource.api_version, resource.kind, "prod", name)]


async def test_a_refused_router_keeps_its_last_version_and_others_go_on(tmp_path: Path) -> None:
    async with mesh_gateway(tmp_path) as gateway, backend("one") as one, backend("two") as two:
        gateway.put_gateway()
        for name in SERVICES:
            gateway.put_service(name, one.port)
        await gateway.start()
        for name in SERVICES:
            await gateway.until(f"/{name}", "one")

        gateway.put_router("metal", pattern_route(TOO_LONG, "metal"))
        finding = await gateway.until_found()
        assert names_of(finding.culprits) == ["metal"]
        assert finding.culprits[0].reason.startswith("regex '/(a{10}")

        gateway.put(
            VirtualNode,
            "other",
            {
                "listeners": [{"portMapping": {"port": two.port, "protocol": "http"}}],
                "serviceDiscovery": {"dns": {"hostname": "127.0.0.1"}},
            },
        )
        gateway.put_router("jazz", node="other")
        await gateway.until("/jazz", "two")
        assert (await gateway.get("/metal")).body == "one"
        state = state_of(gateway, "metal")
        assert not state.is_active
        assert "the last working version stays in force: proxies refuse it: " in state.message
        assert state_of(gateway, "jazz").is_active

        gateway.put_router("metal", node="other")
        await gateway.until("/metal", "two")
        assert state_of(gateway, "metal").is_active


async def test_a_fresh_start_with_refused_routers_serves_all_others(tmp_path: Path) -> None:
    async with mesh_gateway(tmp_path) as gateway, backend("one") as one:
        gateway.put_gateway()
        for name in SERVICES:
            gateway.put_service(name, one.port)
        for name in ("metal", "soul"):
            gateway.put_router(name, pattern_route(TOO_LONG, name))
        await gateway.start()
        for name in sorted({*SERVICES} - {"metal", "soul"}):
            await gateway.until(f"/{name}", "one")
        for name in ("metal", "soul"):
            assert (await gateway.get(f"/{name}")).status == 404
            assert "proxies refuse it" in state_of(gateway, name).message
        gateway.put_router("metal")
        await gateway.until("/metal", "one")


async def test_a_control_plane_that_starts_anew_disturbs_no_request(tmp_path: Path) -> None:
    """Though it has to ask again which object is refused."""
    async with mesh_gateway(tmp_path) as gateway, backend("one") as one:
        gateway.put_gateway()
        for name in SERVICES:
            gateway.put_service(name, one.port)
        await gateway.start()
        for name in SERVICES:
            await gateway.until(f"/{name}", "one")
        gateway.put_router("metal", pattern_route(TOO_LONG, "metal"))
        await gateway.until_found()
        await gateway.restart_control_plane()

        async def is_found() -> bool:
            assert (await gateway.get("/jazz")).body == "one"
            return bool(gateway.control.findings)

        await until(is_found)
        for _ in range(20):
            assert (await gateway.get("/jazz")).body == "one"


async def test_a_log_that_cannot_be_opened_is_told_of_its_owner(tmp_path: Path) -> None:
    async with mesh_gateway(tmp_path) as gateway, backend("one") as one:
        gateway.put_gateway()
        gateway.put_service("jazz", one.port)
        await gateway.start()
        await gateway.until("/jazz", "one")
        gateway.put_gateway(logging={"accessLog": {"file": {"path": "/no/such/folder/access.log"}}})
        finding = await gateway.until_found()
        assert names_of(finding.culprits) == ["gate"]
        assert "/no/such/folder" in finding.reason
        assert (await gateway.get("/jazz")).body == "one"


SECONDS = {"unit": "s", "value": 10_000_000_000}
NOW = {"unit": "s", "value": 0}
CHECK = {
    "protocol": "http",
    "healthyThreshold": 2,
    "unhealthyThreshold": 2,
    "intervalMillis": 0,
    "timeoutMillis": 0,
}
OUTLIERS = {"maxServerErrors": 2**40, "maxEjectionPercent": 101, "interval": NOW, "baseEjectionDuration": SECONDS}
LISTENERS: dict[str, Json] = {
    "too-many-connections": {"connectionPool": {"http": {"maxConnections": 5_000_000_000}}},
    "too-long-timeout": {"timeout": {"http": {"perRequest": SECONDS, "idle": SECONDS}}},
    "too-short-check": {"healthCheck": CHECK},
    "check-in-another-language": {"healthCheck": {**CHECK, "protocol": "grpc"}},
    "odd-check-path": {"healthCheck": {**CHECK, "path": "/\r\n"}},
    "too-short-interval": {"outlierDetection": OUTLIERS},
}
ROUTES: dict[str, Json] = {
    "too-long-route-timeout": {"timeout": {"perRequest": SECONDS}},
    "too-many-retries": {"retryPolicy": {"maxRetries": 2**40, "perRetryTimeout": SECONDS}},
    "no-regex": {"match": {"path": {"regex": "("}}},
    "huge-regex": {"match": {"path": {"regex": "(a{1,1000}){1,1}"}}},
    "no-header-name": {"match": {"prefix": "/", "headers": [{"name": "", "match": {"exact": "a"}}]}},
    "header-of-two-lines": {"match": {"prefix": "/", "headers": [{"name": "a", "match": {"exact": "b\r\nc: d"}}]}},
}
LOGS: dict[str, Json] = {
    "unknown-operator": {"path": "/dev/stdout", "format": {"text": "%FOO%"}},
    "no-path": {"path": ""},
    "folder": {"path": "/"},
}


def put_bad_objects(gateway: MeshGateway, port: int) -> None:
    """One service for each row, which answers on its name as far as it can."""
    for name, more in LISTENERS.items():
        gateway.put_service(name, port, listener=more)
    for name, more in ROUTES.items():
        body = {"match": {"prefix": "/"}, "action": to_node(name), **more}
        gateway.put_service(name, port, {"name": "bad", "priority": 0, "httpRoute": body})
    gateway.put_service("odd-host", port, host="no..host")


async def test_bad_objects_delay_no_change_of_a_good_one(tmp_path: Path) -> None:
    async with mesh_gateway(tmp_path, pattern_limit=32_768) as gateway, backend("one") as one, backend("two") as two:
        gateway.put_gateway()
        gateway.put_service("jazz", one.port)
        await gateway.start()
        await gateway.until("/jazz", "one")
        put_bad_objects(gateway, one.port)
        gateway.put_service("jazz", two.port)
        await gateway.until("/jazz", "two")
        for name in (*LISTENERS, *ROUTES):
            await gateway.until(f"/{name}", "one")
        await gateway.until("/odd-host", status=503)
        for log in LOGS.values():
            gateway.put_gateway(logging={"accessLog": {"file": log}})
            for server in (one, two):
                gateway.put_service("jazz", server.port)
                await gateway.until("/jazz", "one" if server is one else "two")
        assert gateway.control.findings == []


async def test_a_fresh_start_with_bad_objects_serves_all_that_can_be(tmp_path: Path) -> None:
    async with mesh_gateway(tmp_path, pattern_limit=32_768) as gateway, backend("one") as one:
        gateway.put_gateway(logging={"accessLog": {"file": LOGS["unknown-operator"]}})
        put_bad_objects(gateway, one.port)
        gateway.put_service("jazz", one.port)
        await gateway.start()
        for name in ("jazz", *LISTENERS, *ROUTES):
            await gateway.until(f"/{name}", "one")
        assert gateway.control.findings == []
