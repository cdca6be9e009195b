"""A Service under several names."""

from pathlib import Path

import pytest

from tests.support.gateway import eventually, running_gateway
from tests.support.upstreams import service_of, upstreams

pytestmark = pytest.mark.envoy


def facade(name: str, annotations: str = "") -> str:
    return f"""\
apiVersion: incubator.ingress-controller.konghq.com/v1alpha1
kind: KongServiceFacade
metadata: {{name: {name}, annotations: {{kubernetes.io/ingress.class: kong{annotations}}}}}
spec: {{backendRef: {{name: web, port: 80}}}}
---
"""


def path_to(name: str) -> str:
    resource = f"{{apiGroup: incubator.ingress-controller.konghq.com, kind: KongServiceFacade, name: {name}}}"
    return f"{{path: /{name}, pathType: Prefix, backend: {{resource: {resource}}}}}"


def test_each_name_has_plugins_of_its_own(tmp_path: Path) -> None:
    plugin = (
        "apiVersion: configuration.konghq.com/v1\nkind: KongPlugin\nmetadata: {name: keys}\nplugin: key-auth\n---\n"
    )
    paths = ", ".join(map(path_to, ("open", "guarded", "gone")))
    ingress = (
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: web}\n"
        f"spec: {{ingressClassName: kong, rules: [{{http: {{paths: [{paths}]}}}}]}}\n---\n"
    )
    with upstreams("web") as (web,):
        facades = facade("open") + facade("guarded", ", konghq.com/plugins: keys")
        (tmp_path / "web.yaml").write_text(service_of("web", [web.port]) + facades + plugin + ingress)
        with running_gateway(tmp_path) as gateway:
            eventually(lambda: gateway.get("/open").status == 200)
            assert gateway.get("/open").body == "web"
            assert gateway.get("/guarded").status == 401
            assert gateway.get("/gone").status == 503
            told = [line for line in gateway.lines if "couldn't get KongServiceFacade gone" in line]
            assert len(told) == 1
