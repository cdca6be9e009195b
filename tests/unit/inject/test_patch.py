from typing import Any

import jsonpatch
import pytest

from crossfade.api.appmesh import VirtualNode
from crossfade.api.appmesh.values import PortMapping
from crossfade.api.appmesh.virtual_node import Listener, VirtualNodeSpec
from crossfade.inject.decision import InjectionDenied
from crossfade.inject.patch import gateway_patch, sidecar_patch
from crossfade.inject.settings import SidecarSettings
from crossfade_kube.meta import ObjectMeta

Json = dict[str, Any]
PATH = "mesh/dj-app/virtualNode/jazz_prod"
SETTINGS = SidecarSettings("proxy:1", "init:1", "ads:18000", "PEM", "1")
NODE = VirtualNode(
    ObjectMeta(name="jazz", namespace="prod"),
    VirtualNodeSpec(listeners=(Listener(PortMapping(9080, "http")), Listener(PortMapping(9081, "tcp")))),
)


def pod(annotations: dict[str, str] | None = None, **spec: Any) -> Json:
    prefixed = {f"appmesh.k8s.aws/{key}": value for key, value in (annotations or {}).items()}
    return {"metadata": {"annotations": prefixed}, "spec": {"containers": [{"name": "app"}], **spec}}


def injected(original: Json, settings: SidecarSettings = SETTINGS) -> Json:
    patch = sidecar_patch(original, NODE, resource_path=PATH, settings=settings)
    result: Json = jsonpatch.apply_patch(original, patch)
    return result


def container(found: Json, name: str, field: str = "containers") -> Json:
    return next(one for one in found["spec"][field] if one["name"] == name)


def env(found: Json) -> dict[str, Any]:
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in found["env"]}


def test_a_pod_gets_a_sidecar_last_and_the_redirection_after_its_own_init_containers() -> None:
    found = injected(pod(initContainers=[{"name": "own"}]))
    assert [one["name"] for one in found["spec"]["containers"]] == ["app", "envoy"]
    assert [one["name"] for one in found["spec"]["initContainers"]] == ["own", "proxyinit"]
    envoy, init = container(found, "envoy"), container(found, "proxyinit", "initContainers")
    assert envoy["image"] == "proxy:1"
    assert envoy["securityContext"]["runAsUser"] == 1337
    assert envoy["ports"] == [{"name": "stats", "containerPort": 9901, "protocol": "TCP"}]
    assert env(envoy)["APPMESH_VIRTUAL_NODE_NAME"] == PATH
    assert env(envoy)["APPMESH_RESOURCE_ARN"] == PATH
    assert env(envoy)["CROSSFADE_ADS_CA"] == "PEM"
    assert env(envoy)["POD_NAME"] == {"fieldRef": {"fieldPath": "metadata.name"}}
    assert init["securityContext"]["capabilities"] == {"add": ["NET_ADMIN"]}
    assert env(init) == {
        "APPMESH_START_ENABLED": "1",
        "APPMESH_IGNORE_UID": "1337",
        "APPMESH_ENVOY_INGRESS_PORT": "15000",
        "APPMESH_ENVOY_EGRESS_PORT": "15001",
        "APPMESH_APP_PORTS": "9080,9081",
        "APPMESH_EGRESS_IGNORED_IP": "169.254.169.254",
        "APPMESH_EGRESS_IGNORED_PORTS": "22",
        "APPMESH_ENABLE_IPV6": "1",
    }
    assert found["spec"]["securityContext"] == {"fsGroup": 1337}
    (source,) = found["spec"]["volumes"][0]["projected"]["sources"]
    assert source["serviceAccountToken"]["audience"] == "crossfade-mesh"
    assert env(envoy)["CROSSFADE_ADS_TOKEN_FILE"] == envoy["volumeMounts"][0]["mountPath"] + "/token"


def test_injecting_twice_changes_nothing() -> None:
    once = injected(pod())
    assert sidecar_patch(once, NODE, resource_path=PATH, settings=SETTINGS) == []


def test_the_sidecar_comes_first_when_others_must_wait_for_it() -> None:
    waiting = SidecarSettings("proxy:1", "init:1", "ads:18000", "PEM", "1", waits_until_ready=True)
    assert [one["name"] for one in injected(pod(), waiting)["spec"]["containers"]] == ["envoy", "app"]


@pytest.mark.parametrize(
    ("annotations", "variable", "value"),
    [
        ({"ports": "80,443"}, "APPMESH_APP_PORTS", "80,443"),
        ({"ports": ""}, "APPMESH_APP_PORTS", ""),
        ({"egressIgnoredIPs": "10.0.0.0/8"}, "APPMESH_EGRESS_IGNORED_IP", "10.0.0.0/8"),
        ({"egressIgnoredPorts": "3306"}, "APPMESH_EGRESS_IGNORED_PORTS", "3306"),
        ({"egressIgnoredPorts": "9000:9019"}, "APPMESH_EGRESS_IGNORED_PORTS", "9000:9019"),
        ({"egressIgnoredPorts": " 22 ,, 9000 : 9019,"}, "APPMESH_EGRESS_IGNORED_PORTS", "22,9000:9019"),
        ({"ports": "8000:8099"}, "APPMESH_APP_PORTS", "8000:8099"),
        ({"egressIgnoredIPs": "10.0.0.1/8, fd00::/8"}, "APPMESH_EGRESS_IGNORED_IP", "10.0.0.1/8,fd00::/8"),
        ({"ipv6": "disabled"}, "APPMESH_ENABLE_IPV6", "0"),
    ],
)
def test_annotations_shape_the_redirection(annotations: dict[str, str], variable: str, value: str) -> None:
    assert env(container(injected(pod(annotations)), "proxyinit", "initContainers"))[variable] == value


def test_annotations_shape_the_sidecar() -> None:
    annotations = {
        "cpuRequest": "50m",
        "memoryLimit": "64Mi",
        "sidecarEnv": "A=1, B=2",
        "sidecarEnvJson": '[{"C": "3,4"}]',
        "secretMounts": "tls:/tls",
        "volumeMounts": "data:/data",
    }
    found = injected(pod(annotations, volumes=[{"name": "data", "emptyDir": {}}]))
    envoy = container(found, "envoy")
    assert envoy["resources"] == {"requests": {"cpu": "50m", "memory": "32Mi"}, "limits": {"memory": "64Mi"}}
    assert {key: env(envoy)[key] for key in "ABC"} == {"A": "1", "B": "2", "C": "3,4"}
    assert [mount["mountPath"] for mount in envoy["volumeMounts"]] == ["/var/run/secrets/crossfade", "/tls", "/data"]
    assert [volume["name"] for volume in found["spec"]["volumes"]] == ["data", "crossfade-token", "tls"]
    assert found["spec"]["volumes"][2] == {"name": "tls", "secret": {"secretName": "tls"}}


def test_the_controllers_variables_cannot_be_overridden() -> None:
    envoy = container(injected(pod({"sidecarEnv": "APPMESH_VIRTUAL_NODE_NAME=other"})), "envoy")
    assert [entry["value"] for entry in envoy["env"] if entry["name"] == "APPMESH_VIRTUAL_NODE_NAME"] == [PATH]


@pytest.mark.parametrize(
    ("annotation", "value", "form"),
    [
        ("secretMounts", "no-path", "secretName:mountPath"),
        ("volumeMounts", ":x", "volumeName:mountPath"),
        ("sidecarEnv", "novalue", "EnvVariableKey=EnvVariableValue"),
    ],
)
def test_malformed_annotations_are_denied(annotation: str, value: str, form: str) -> None:
    with pytest.raises(InjectionDenied) as denial:
        injected(pod({annotation: value}))
    assert str(denial.value) == f"malformed annotation appmesh.k8s.aws/{annotation}, expected format: {form}"


@pytest.mark.parametrize("key", ["ports", "egressIgnoredPorts"])
@pytest.mark.parametrize(
    "value", ["9000-9019", "0", "65536", "9019:9000", "1:2:3", ":", "http", "-1", "²", "8" * 5000, "1\n-j ACCEPT"]
)
def test_ports_that_cannot_be_are_denied(key: str, value: str) -> None:
    with pytest.raises(InjectionDenied, match="expected format: port or first:last") as denial:
        injected(pod({key: f"80,{value}"}))
    assert str(denial.value).startswith(f"malformed annotation appmesh.k8s.aws/{key}, ")
    assert len(str(denial.value)) < 300


@pytest.mark.parametrize("value", ["300.1.1.1", "example.com", "10.0.0.0/33", "10.0.0.1-10.0.0.9"])
def test_addresses_that_cannot_be_are_denied(value: str) -> None:
    with pytest.raises(InjectionDenied, match=f"egressIgnoredIPs, expected format: .*; '{value}' is neither"):
        injected(pod({"egressIgnoredIPs": value}))


def test_a_cni_plugin_replaces_the_init_container() -> None:
    found = injected(pod({"appmeshCNI": "enabled", "ignoredUID": "0"}))
    assert "initContainers" not in found["spec"]
    annotations = found["metadata"]["annotations"]
    assert annotations["appmesh.k8s.aws/ignoredUID"] == "1337"
    assert annotations["appmesh.k8s.aws/ports"] == "9080,9081"


def test_an_own_group_of_the_pod_stays() -> None:
    assert injected(pod(securityContext={"fsGroup": 5}))["spec"]["securityContext"] == {"fsGroup": 5}


def test_gateway_pods_keep_their_container_and_get_its_environment() -> None:
    original = {
        "metadata": {},
        "spec": {"containers": [{"name": "envoy", "image": "own", "env": [{"name": "X", "value": "1"}]}]},
    }
    path = "mesh/m/virtualGateway/gw_prod"
    found = jsonpatch.apply_patch(original, gateway_patch(original, resource_path=path, settings=SETTINGS))
    envoy = container(found, "envoy")
    assert envoy["image"] == "proxy:1"
    assert env(envoy)["X"] == "1"
    assert env(envoy)["APPMESH_VIRTUAL_NODE_NAME"] == path
    assert "readinessProbe" in envoy
    assert "initContainers" not in found["spec"]
    assert gateway_patch(found, resource_path=path, settings=SETTINGS) == []


def test_a_gateway_pod_without_envoy_is_left_alone() -> None:
    assert gateway_patch(pod(), resource_path="x", settings=SETTINGS) == []


def test_a_pod_on_the_hosts_network_is_denied() -> None:
    with pytest.raises(InjectionDenied, match="host's network"):
        injected(pod(hostNetwork=True))
