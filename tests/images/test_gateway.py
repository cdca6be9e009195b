"""Controller, proxy and application, each from its image, serve a request together."""

import asyncio
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

from crossfade_kube.client import Client
from crossfade_kube.kubeconfig import load_kubeconfig
from tests.images.containers import unpacked
from tests.support.gateway_role import RESOURCES, kong_api

FOLDER: Final = Path(os.environ.get("CROSSFADE_IMAGES", "build/images"))
DEADLINE_S: Final = 60
# Of the namespace's loopback device; the API takes no address of 127.0.0.0/8.
ADDRESS: Final = "192.0.2.1"
OBJECTS: Final[list[dict[str, Any]]] = [
    {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "dj", "namespace": "default"},
        "spec": {"ports": [{"name": "http", "port": 80, "targetPort": 9080}]},
    },
    {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "dj-1", "namespace": "default", "labels": {"kubernetes.io/service-name": "dj"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [ADDRESS], "conditions": {"ready": True}}],
        "ports": [{"name": "http", "port": 9080}],
    },
    {
        "apiVersion": "configuration.konghq.com/v1",
        "kind": "KongPlugin",
        "metadata": {"name": "who", "namespace": "default"},
        "plugin": "response-transformer",
        "config": {"add": {"headers": ["x-policy:module"]}},
    },
    {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "dj", "namespace": "default", "annotations": {"konghq.com/plugins": "who"}},
        "spec": {
            "ingressClassName": "kong",
            "rules": [
                {
                    "http": {
                        "paths": [
                            {
                                "path": "/dj",
                                "pathType": "Prefix",
                                "backend": {"service": {"name": "dj", "port": {"number": 80}}},
                            }
                        ]
                    }
                }
            ],
        },
    },
]


@pytest.mark.envoy
async def test_images_serve_a_request(tmp_path: Path) -> None:
    images = {name: unpacked(FOLDER / f"{name}.tar", tmp_path / name) for name in ("controller", "proxy", "djapp")}
    pod = {"POD_NAME": "gateway-0", "POD_NAMESPACE": "default"}
    async with kong_api(tmp_path / "api") as kubeconfig:
        shared = tmp_path / "shared"
        shared.mkdir(mode=0o755)
        shutil.copyfile(kubeconfig, shared / "kubeconfig")
        (shared / "kubeconfig").chmod(0o644)
        async with Client(load_kubeconfig(kubeconfig), user_agent="test") as client:
            for each in OBJECTS:
                await client.apply(RESOURCES[each["kind"]], each, field_manager="test")
        controller = images["controller"].running(
            "--role", "gateway", "--kubeconfig", "/run/kubeconfig", env=pod, bind=shared
        )
        with (
            images["djapp"].running(env={"HW_RESPONSE": "jazz"}),
            controller,
            images["proxy"].running("--gateway", env=pod) as proxy,
        ):
            answer = await _until(lambda status: status == 200, "http://127.0.0.1:8000/dj/x")
            assert answer == (200, "jazz", "module")
            await _until(lambda status: status == 200, "http://127.0.0.1:8100/status")
            _, metrics, _ = await _until(lambda status: status == 200, "http://127.0.0.1:10255/metrics")
            assert "crossfade_build_info" in metrics
            proxy.terminate()
            assert await asyncio.to_thread(proxy.wait, 30) == 0


async def _until(is_wanted: Callable[[int], bool], url: str) -> tuple[int, str, str | None]:
    async with asyncio.timeout(DEADLINE_S), aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.get(url) as response:
                    if is_wanted(response.status):
                        return response.status, await response.text(), response.headers.get("x-policy")
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.05)
