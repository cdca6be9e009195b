"""A plugin of another namespace guards a route as long as that namespace grants it; without, the route is closed."""

from pathlib import Path

import pytest

from tests.support.gateway import eventually, ingress, running_gateway, service, upstream

pytestmark = pytest.mark.envoy

_PLUGIN = """\
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {name: key, namespace: team}
plugin: key-auth
"""
_GRANT = """\
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {name: to-default, namespace: team}
spec:
  from: [{group: networking.k8s.io, kind: Ingress, namespace: default}]
  to: [{group: configuration.konghq.com, kind: KongPlugin}]
"""


def test_a_grant_opens_and_its_end_closes(tmp_path: Path) -> None:
    with upstream("web") as port:
        route = ingress("shop", "/shop", "web", 'konghq.com/plugins: "team:key"')
        (tmp_path / "shop.yaml").write_text(service("web", port) + route + _PLUGIN)
        with running_gateway(tmp_path) as gateway:
            eventually(lambda: gateway.get("/shop").status == 503)
            assert any('no grant found to referenced "team:key" plugin' in line for line in gateway.lines)
            (tmp_path / "grant.yaml").write_text(_GRANT)
            eventually(lambda: gateway.get("/shop").status == 401, seen=gateway.lines)
            (tmp_path / "grant.yaml").unlink()
            eventually(lambda: gateway.get("/shop").status == 503, seen=gateway.lines)
            assert "is not granted" in gateway.get("/shop").body
