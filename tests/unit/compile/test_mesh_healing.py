"""What is not there yet costs what refers to it until it comes, whatever is remembered (appmesh.md §2.5, §5.2)."""

import pytest
import yaml

from crossfade.api.appmesh import Mesh, VirtualNode, VirtualRouter, VirtualService
from crossfade.compile.diagnostics import Severity
from crossfade.compile.mesh import ArnScope, MeshModel, compile_mesh
from crossfade.compile.mesh.compiler import MeshCompiler
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core import Namespace, Service
from crossfade_kube.registry import TypedObject, decode_known, kinds_by_gvk, typed_ref

ARN = "arn:aws:appmesh:us-west-2:000000000000:mesh/m"
MANIFESTS = f"""
apiVersion: v1
kind: Namespace
metadata: {{name: web, labels: {{mesh: m}}}}
---
apiVersion: v1
kind: Namespace
metadata: {{name: shop, labels: {{mesh: m}}}}
---
apiVersion: v1
kind: Service
metadata: {{name: cart, namespace: shop}}
spec: {{ports: [{{port: 8080}}]}}
---
apiVersion: appmesh.k8s.aws/v1beta2
kind: Mesh
metadata: {{name: m}}
spec: {{namespaceSelector: {{matchLabels: {{mesh: m}}}}}}
---
apiVersion: appmesh.k8s.aws/v1beta2
kind: VirtualNode
metadata: {{name: client, namespace: web}}
spec:
  backends:
    - virtualService: {{virtualServiceRef: {{name: cart, namespace: shop}}}}
    - virtualService: {{virtualServiceARN: "{ARN}/virtualService/price.example"}}
---
apiVersion: appmesh.k8s.aws/v1beta2
kind: VirtualService
metadata: {{name: cart, namespace: shop}}
spec:
  awsName: cart.shop.svc.cluster.local
  provider: {{virtualRouter: {{virtualRouterARN: "{ARN}/virtualRouter/cart_shop"}}}}
---
apiVersion: appmesh.k8s.aws/v1beta2
kind: VirtualService
metadata: {{name: price, namespace: shop}}
spec: {{awsName: price.example, provider: {{virtualNode: {{virtualNodeRef: {{name: price, namespace: web}}}}}}}}
---
apiVersion: appmesh.k8s.aws/v1beta2
kind: VirtualRouter
metadata: {{name: cart, namespace: shop}}
spec:
  listeners: [{{portMapping: {{port: 8080, protocol: http}}}}]
  routes:
    - name: all
      httpRoute:
        match: {{prefix: /}}
        action:
          weightedTargets:
            - {{virtualNodeARN: "{ARN}/virtualNode/cart_shop", weight: 1}}
            - {{virtualNodeRef: {{name: price, namespace: web}}, weight: 1}}
---
apiVersion: appmesh.k8s.aws/v1beta2
kind: VirtualNode
metadata: {{name: cart, namespace: shop}}
spec:
  listeners: [{{portMapping: {{port: 8080, protocol: http}}}}]
  serviceDiscovery: {{dns: {{hostname: cart.example}}}}
---
apiVersion: appmesh.k8s.aws/v1beta2
kind: VirtualNode
metadata: {{name: price, namespace: web}}
spec:
  listeners: [{{portMapping: {{port: 8080, protocol: http}}}}]
  serviceDiscovery: {{dns: {{hostname: price.example}}}}
"""
KINDS = kinds_by_gvk((Namespace, Service, Mesh, VirtualNode, VirtualRouter, VirtualService))
OBJECTS = [found for item in yaml.safe_load_all(MANIFESTS) if (found := decode_known(item, KINDS)) is not None]
MISSING = {
    "Mesh m": "VirtualNode web/client",
    "Namespace shop": "VirtualService shop/cart",
    "VirtualService shop/cart": "VirtualNode web/client",
    "VirtualService shop/price": "VirtualNode web/client",
    "VirtualRouter shop/cart": "VirtualService shop/cart",
    "VirtualNode shop/cart": "VirtualRouter shop/cart",
    "VirtualNode web/price": "VirtualService shop/price",
}


def errors(model: MeshModel) -> set[str]:
    return {str(found.ref) for found in model.diagnostics if found.severity is Severity.ERROR}


@pytest.mark.parametrize(("missing", "told"), MISSING.items(), ids=lambda text: text)
def test_a_reference_heals_when_its_object_appears(missing: str, told: str) -> None:
    before: list[TypedObject] = [one for one in OBJECTS if str(typed_ref(one)) != missing]
    assert len(before) == len(OBJECTS) - 1
    compiler = MeshCompiler(ArnScope())
    assert told in errors(compiler.compile(Snapshot.of(before), {}))
    whole = Snapshot.of(OBJECTS)
    model = compiler.compile(whole, {})
    assert not model.diagnostics
    assert model == compile_mesh(whole, ArnScope())


def test_a_service_without_provider_answers_where_its_service_comes_to_listen() -> None:
    named = {"VirtualRouter shop/cart", "Service shop/cart"}
    before = [one for one in OBJECTS if str(typed_ref(one)) not in named]
    service = next(one for one in OBJECTS if str(typed_ref(one)) == "Service shop/cart")
    compiler = MeshCompiler(ArnScope())
    for objects, ports in ((before, [443]), ([*before, service], [8080, 443])):
        without_price = [one for one in objects if str(typed_ref(one)) != "VirtualService shop/price"]
        model = compiler.compile(Snapshot.of(without_price), {})
        (listener,) = model.proxies["mesh/m/virtualNode/client_web"].listeners
        assert [chain.destination_port for chain in listener.chains] == ports
