"""Crossfade's gateway as users run it: `crossfade gateway run` on a folder of manifests, one worker."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from benchmarks.compare.contestants import Contestant, World, on_ports, with_children
from benchmarks.compare.scenarios import GATEWAYS, KEY
from tests.support.gateway import ingress, running_gateway, service
from tests.support.ports import free_ports

_PLUGINS: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    "key": ("key-auth", {}),
    "plenty": ("rate-limiting", {"hour": 1_000_000_000, "policy": "local"}),
    "one": ("rate-limiting", {"hour": 1, "policy": "local"}),
}
_ROUTES: Final = {"plain": "", "key": "key", "limit": "plenty", "both": "key,plenty", "spent": "key,one"}
_CONSUMER: Final = f"""\
apiVersion: configuration.konghq.com/v1
kind: KongConsumer
metadata: {{name: bench, annotations: {{kubernetes.io/ingress.class: kong}}}}
username: bench
credentials: [bench]
---
apiVersion: v1
kind: Secret
metadata: {{name: bench, labels: {{konghq.com/credential: key-auth}}}}
stringData: {{key: {KEY}}}
---
"""


def manifests(upstream: int) -> str:
    plugins = (
        {
            "apiVersion": "configuration.konghq.com/v1",
            "kind": "KongPlugin",
            "metadata": {"name": name},
            "plugin": plugin,
            "config": config,
        }
        for name, (plugin, config) in _PLUGINS.items()
    )
    strips = 'konghq.com/strip-path: "true"'
    routes = (
        ingress(name, f"/{name}", "up", f'{strips}, konghq.com/plugins: "{named}"' if named else strips)
        for name, named in _ROUTES.items()
    )
    return "".join([service("up", upstream), _CONSUMER, *(f"{json.dumps(one)}\n---\n" for one in plugins), *routes])


@contextmanager
def crossfade(world: World) -> Iterator[Contestant]:
    """Its control plane's CPU counts too."""
    folder = world.folder / "crossfade"
    folder.mkdir()
    (folder / "all.yaml").write_text(manifests(world.upstream))
    plain, secure = free_ports(2)
    listens = {"KONG_PROXY_LISTEN": f"127.0.0.1:{plain}, 127.0.0.1:{secure} http2 ssl"}
    with running_gateway(folder, settings=listens) as gateway:
        yield Contestant(with_children(gateway.process.pid), on_ports(GATEWAYS, plain, secure))
