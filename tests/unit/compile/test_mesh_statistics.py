"""What a mesh's annotation has its proxies count."""

from typing import Any

import pytest

from crossfade.api.appmesh import Mesh, VirtualGateway, VirtualNode
from crossfade.compile.mesh import ArnScope, compile_mesh
from crossfade.compile.model import HttpHandler
from crossfade.envoy.http import connection_manager
from crossfade.envoy.proto import router_v3
from crossfade.envoy.settings import EnvoyOptions
from crossfade.store.snapshot import Snapshot
from crossfade_kube.registry import TypedObject, decode


def objects(annotations: dict[str, str]) -> list[TypedObject]:
    listeners = {
        "listeners": [
            {"portMapping": {"port": 9080, "protocol": "http"}},
            {"portMapping": {"port": 9081, "protocol": "tcp"}},
        ]
    }
    own: dict[str, Any] = {"meshRef": {"name": "m"}, "listeners": [listeners["listeners"][0]]}
    node = {**own, **listeners, "serviceDiscovery": {"dns": {"hostname": "jazz.prod.svc"}}}
    metadata = {"name": "jazz", "namespace": "prod"}
    return [
        decode({"metadata": {"name": "m", "annotations": annotations}, "spec": {}}, Mesh),
        decode({"metadata": metadata, "spec": node}, VirtualNode),
        decode({"metadata": metadata, "spec": own}, VirtualGateway),
    ]


@pytest.mark.parametrize(
    ("annotations", "counts"),
    [
        ({}, False),
        ({"crossfade.dev/statuses-by-cluster": "disabled"}, False),
        ({"crossfade.dev/statuses-by-cluster": "enabled"}, True),
    ],
)
def test_statuses_are_counted_where_the_mesh_asks(annotations: dict[str, str], counts: bool) -> None:
    model = compile_mesh(Snapshot.of(objects(annotations)), ArnScope())
    assert not model.diagnostics
    handlers = [
        chain.handler
        for proxy in model.proxies.values()
        for listener in proxy.listeners
        for chain in listener.chains
        if isinstance(chain.handler, HttpHandler)
    ]
    assert len({handler.route_table for handler in handlers}) >= 2
    for handler in handlers:
        router = connection_manager(handler, EnvoyOptions(), has_tls=False, port=1).http_filters[-1]
        message = router_v3.Router.FromString(router.typed_config.value)
        assert message.HasField("dynamic_stats")
        assert message.dynamic_stats.value is counts
