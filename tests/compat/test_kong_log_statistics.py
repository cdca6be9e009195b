"""The datagrams that statsd and datadog of a real Kong 3.9.1 sent of recorded requests, and ours of the same."""

import json
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from crossfade_kube.meta import JsonObject
from tests.support.gateway import RunningGateway, ingress, running_gateway, service, upstream
from tests.support.ports import free_ports

RECORDED: Final[JsonObject] = json.loads(
    (Path(__file__).parent / "kong-truth" / "data" / "statsd-datadog.json").read_text()
)
PATIENCE_S: Final = 10.0
UUID: Final = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"

pytestmark = [pytest.mark.envoy, pytest.mark.timeout(60)]


def in_namespace(manifests: str) -> str:
    return manifests.replace("metadata: {name:", "metadata: {namespace: kt-obs, name:")


def manifests(kind: str, port: int, echo: int, dead: int) -> str:
    everywhere = f"""\
apiVersion: configuration.konghq.com/v1
kind: KongClusterPlugin
metadata: {{name: {kind}, labels: {{global: "true"}}, annotations: {{kubernetes.io/ingress.class: kong}}}}
plugin: {kind}
config: {{host: 127.0.0.1, port: {port}}}
---
"""
    own = (
        service("echo", echo)
        + service("dead", dead)
        + ingress("plain", "/plain", "echo")
        + ingress("dead", "/dead", "dead")
        + ingress("key", "/key", "echo", "konghq.com/plugins: key")
        + """\
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {name: key}
plugin: key-auth
---
apiVersion: configuration.konghq.com/v1
kind: KongConsumer
metadata: {name: alice, annotations: {kubernetes.io/ingress.class: kong}}
username: alice
custom_id: A-1
credentials: [alice-key]
---
apiVersion: v1
kind: Secret
metadata: {name: alice-key, labels: {konghq.com/credential: key-auth}}
stringData: {key: alice-secret}
"""
    )
    return everywhere + in_namespace(own)


@contextmanager
def counted(kind: str, folder: Path) -> Iterator[tuple[RunningGateway, socket.socket]]:
    (dead,) = free_ports(1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink, upstream("echo") as echo:
        sink.bind(("127.0.0.1", 0))
        sink.settimeout(PATIENCE_S)
        folder.mkdir()
        (folder / "all.yaml").write_text(manifests(kind, sink.getsockname()[1], echo, dead))
        with running_gateway(folder) as gateway:
            yield gateway, sink


def pattern(line: str) -> str:
    text = re.escape(line).replace("<num>", r"\d+").replace("<uuid>", UUID)
    return text.replace(re.escape("<num>"), r"\d+").replace(re.escape("<uuid>"), UUID)


@pytest.mark.parametrize("kind", ["datadog", "statsd"])
def test_the_datagrams_are_kongs(kind: str, tmp_path: Path) -> None:
    with counted(kind, tmp_path / "manifests") as (gateway, sink):
        for case in RECORDED[kind]:
            gateway.get(case["request"]["path"], dict(case["request"].get("headers", ())))
            for (kongs,) in case["datagrams"]:
                ours = sink.recv(65536).decode()
                assert re.fullmatch(pattern(kongs), ours), (case["note"], kongs, ours)
        sink.setblocking(False)
        with pytest.raises(BlockingIOError):
            sink.recv(65536)
