"""Settings of the proxy's container, as Kong's chart has them, carried out by the controller beside it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.envoy import backend, get, until
from tests.support.gateway import ingress
from tests.support.gateway_role import kong_api, running
from tests.support.ports import free_ports

pytestmark = pytest.mark.envoy
SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: here}
spec: {type: ExternalName, externalName: 127.0.0.1}
---
"""


@pytest.fixture
async def kubeconfig(tmp_path: Path) -> AsyncIterator[Path]:
    async with kong_api(tmp_path / "api") as found:
        yield found


async def is_closed(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return True
    writer.close()
    return False


async def test_the_proxys_settings_count_from_its_first_configuration_on(kubeconfig: Path, tmp_path: Path) -> None:
    (told_port,) = free_ports(1)
    told = {"proxy_listen": f"127.0.0.1:{told_port}", "headers": "off", "nginx_http_client_max_body_size": "4"}
    async with running(kubeconfig, tmp_path, told=told) as lab, backend("one") as one:
        await lab.apply(SERVICE + ingress("route", "/", "here").replace("number: 80", f"number: {one.port}"))

        async def serves() -> bool:
            assert await is_closed(lab.port), "the controller's own address, which the proxy's settings replace"
            return not await is_closed(told_port) and (await get(lab.http, told_port, "/")).status == 200

        await until(serves)
        url = f"http://127.0.0.1:{told_port}/"
        async with lab.http.get(url) as answer:
            assert "Via" not in answer.headers
        async with lab.http.post(url, data=b"12345") as answer:
            assert answer.status == 413


async def test_what_the_controller_was_given_itself_counts(kubeconfig: Path, tmp_path: Path) -> None:
    (told_port,) = free_ports(1)
    told, names = {"proxy_listen": f"127.0.0.1:{told_port}"}, frozenset({"proxy_listen"})
    async with running(kubeconfig, tmp_path, told=told, names=names) as lab:

        async def serves() -> bool:
            return not await is_closed(lab.port) and (await lab.get("/")).status == 404

        await until(serves)
        assert await is_closed(told_port)
