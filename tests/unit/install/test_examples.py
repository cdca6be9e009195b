"""The values of examples/eks are values of the charts."""

from pathlib import Path

import yaml

from crossfade.install.gateway import GatewayInstallSettings, gateway_manifests, gateway_remarks
from crossfade.install.mesh import MeshInstallSettings, mesh_objects, mesh_remarks
from crossfade.proxy.run import settings_from_environment

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "eks"


def test_the_gateways_values_are_carried_out() -> None:
    settings = GatewayInstallSettings(values=yaml.safe_load((EXAMPLES / "values-kong.yaml").read_text()))
    assert gateway_remarks(settings) == []
    found = {item["kind"]: item for item in gateway_manifests(settings)}
    assert {"HorizontalPodAutoscaler", "PodDisruptionBudget", "NetworkPolicy"} <= found.keys()
    (proxy,) = [one for one in found["Deployment"]["spec"]["template"]["spec"]["containers"] if one["name"] == "proxy"]
    environ = {item["name"]: item["value"] for item in proxy["env"] if "value" in item}
    assert environ["KONG_PROXY_LISTEN"] == "0.0.0.0:8000 proxy_protocol, 0.0.0.0:8443 http2 proxy_protocol ssl"
    assert settings_from_environment(environ, is_gateway=True).drain_least_s == 90
    assert proxy["image"].startswith("111122223333.dkr.ecr.us-west-2.amazonaws.com/crossfade/proxy:")


def test_the_meshs_values_are_carried_out() -> None:
    settings = MeshInstallSettings(values=yaml.safe_load((EXAMPLES / "values-appmesh.yaml").read_text()))
    assert mesh_remarks(settings) == []
    found = {item["kind"]: item for item in mesh_objects(settings)}
    assert found["PodDisruptionBudget"]["spec"]["minAvailable"] == 1
    assert found["Deployment"]["spec"]["replicas"] == 2
