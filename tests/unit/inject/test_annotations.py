"""Every annotation of a pod, and what it changes in the pod that is injected (appmesh.md §4.1, §4.3)."""

import json
from collections.abc import Callable
from typing import Any, Final

import jsonpatch
import pytest
from msgspec import structs

from crossfade.api.appmesh import VirtualGateway, VirtualNode
from crossfade.inject.annotation_table import POD_ANNOTATIONS
from crossfade.inject.decision import Candidates, InjectionDenied, Untouched, decide
from crossfade.inject.mesh_native import mesh_native_patch, wants_mesh_native
from crossfade.inject.patch import gateway_patch, sidecar_patch
from crossfade.inject.settings import SidecarSettings
from crossfade_kube.registry import decode

Json = dict[str, Any]
Look = Callable[[Json], Any]
A: Final = "appmesh.k8s.aws/"
SETTINGS: Final = SidecarSettings("proxy:1", "init:1", "ads:18000", "PEM", "1", sds_socket="/run/agent.sock")
METADATA: Final = {"name": "jazz", "namespace": "prod"}
LISTENERS: Final = [{"portMapping": {"port": 9080, "protocol": "http"}}]
NODE: Final = decode({"metadata": METADATA, "spec": {"podSelector": {}, "listeners": LISTENERS}}, VirtualNode)
GATEWAY: Final = decode({"metadata": METADATA, "spec": {"podSelector": {}}}, VirtualGateway)


def injected(pod: Json, member: VirtualNode | VirtualGateway = NODE) -> Json:
    """As the webhook does it in a namespace where injection is on."""
    candidates = Candidates([member], []) if isinstance(member, VirtualNode) else Candidates([], [member])
    labels = {A + "sidecarInjectorWebhook": "enabled"}
    found = decide(pod, "prod", namespace_labels=labels, candidates=candidates)
    patch: list[Json] = []
    if isinstance(found, VirtualGateway):
        patch = gateway_patch(pod, resource_path="mesh/m/virtualGateway/g", settings=SETTINGS)
    elif not isinstance(found, Untouched):
        path = "mesh/m/virtualNode/n"
        is_native = wants_mesh_native(pod)
        patch = (
            mesh_native_patch(pod, resource_path=path, settings=SETTINGS)
            if is_native
            else sidecar_patch(pod, found, resource_path=path, settings=SETTINGS)
        )
    result: Json = jsonpatch.apply_patch(pod, patch)
    return result


def containers(pod: Json) -> dict[str, Json]:
    """In order, those that begin first at first."""
    return {one["name"]: one for one in (*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"])}


def names(pod: Json) -> list[str]:
    return list(containers(pod))


def env(name: str, variable: str) -> Look:
    def look(pod: Json) -> Any:
        return {one["name"]: one.get("value") for one in containers(pod)[name]["env"]}.get(variable)

    return look


def of_sidecar(*path: str) -> Look:
    def look(pod: Json) -> Any:
        found: Any = containers(pod)["envoy"]
        for key in path:
            found = found.get(key, {})
        return found

    return look


def mounted(path: str) -> Look:
    """Which volume the sidecar has at a path, and where its content is from."""

    def look(pod: Json) -> Any:
        volumes = {one["name"]: one for one in pod["spec"]["volumes"]}
        mounts = {one["mountPath"]: one for one in containers(pod)["envoy"]["volumeMounts"]}
        return volumes[mounts[path]["name"]] if path in mounts else None

    return look


def annotation(key: str) -> Look:
    return lambda pod: pod["metadata"]["annotations"].get(A + key)


def whole(pod: Json) -> Any:
    """But for the annotations."""
    return json.dumps(pod["spec"], sort_keys=True)


class Same:
    """As without the annotation."""


SOCKET: Final = {"name": "appmesh-sds-socket-volume", "hostPath": {"path": "/run/agent.sock", "type": "Socket"}}
DATA: Final = {"name": "data", "emptyDir": {}}
# Annotation, value, what is looked at, what is there without and with it.
EFFECTS: Final[list[tuple[str, str, Look, Any, Any]]] = [
    (A + "sidecarInjectorWebhook", "disabled", names, ["proxyinit", "envoy", "app"], ["app"]),
    (A + "ports", "80, 443", env("proxyinit", "APPMESH_APP_PORTS"), "9080", "80,443"),
    (
        A + "egressIgnoredIPs",
        "10.0.0.0/8",
        env("proxyinit", "APPMESH_EGRESS_IGNORED_IP"),
        "169.254.169.254",
        "10.0.0.0/8",
    ),
    (A + "egressIgnoredPorts", "22,9000:9019", env("proxyinit", "APPMESH_EGRESS_IGNORED_PORTS"), "22", "22,9000:9019"),
    (A + "ipv6", "disabled", env("proxyinit", "APPMESH_ENABLE_IPV6"), "1", "0"),
    (A + "appmeshCNI", "enabled", names, ["proxyinit", "envoy", "app"], ["envoy", "app"]),
    (A + "cpuRequest", "5m", of_sidecar("resources", "requests", "cpu"), "10m", "5m"),
    (A + "memoryRequest", "5Mi", of_sidecar("resources", "requests", "memory"), "32Mi", "5Mi"),
    (A + "cpuLimit", "1", of_sidecar("resources", "limits"), {}, {"cpu": "1"}),
    (A + "memoryLimit", "1Gi", of_sidecar("resources", "limits"), {}, {"memory": "1Gi"}),
    (A + "sidecarEnv", "A=1, B=2", env("envoy", "B"), None, "2"),
    (A + "sidecarEnv", "AWS_REGION=mars", env("envoy", "AWS_REGION"), "us-west-2", "us-west-2"),
    (A + "sidecarEnvJson", '[{"C": "3,4"}]', env("envoy", "C"), None, "3,4"),
    (A + "secretMounts", "certs:/certs", mounted("/certs"), None, {"name": "certs", "secret": {"secretName": "certs"}}),
    (A + "volumeMounts", "data:/data", mounted("/data"), None, DATA),
    (A + "sds", "disabled", mounted("/run/agent.sock"), SOCKET, None),
    ("crossfade.dev/sidecar", "classic", names, ["proxyinit", "envoy", "app"], ["proxyinit", "app", "envoy"]),
    (A + "xrayAgentConfigMount", "data:/etc/x", whole, Same, Same),
    (A + "preview", "enabled", whole, Same, Same),
    (A + "mesh", "other", whole, Same, Same),
    (A + "virtualNode", "other", whole, Same, Same),
    (A + "ignoredUID", "0", whole, Same, Same),
    (A + "ignoredGID", "0", whole, Same, Same),
    (A + "proxyIngressPort", "1", whole, Same, Same),
    (A + "proxyEgressPort", "1", whole, Same, Same),
]
OF_GATEWAYS: Final = {A + "virtualGatewaySkipImageOverride", "crossfade.dev/mesh-native"}


def annotated(key: str = "", value: str = "") -> Json:
    metadata = {"annotations": {key: value} if key else {}}
    return {"metadata": metadata, "spec": {"containers": [{"name": "app"}], "volumes": [DATA]}}


@pytest.mark.parametrize(("key", "value", "look", "without", "with_it"), EFFECTS, ids=[one[0] for one in EFFECTS])
def test_what_an_annotation_changes(key: str, value: str, look: Look, without: Any, with_it: Any) -> None:
    plain, found = look(injected(annotated())), look(injected(annotated(key, value)))
    assert (plain, found) == ((plain, plain) if with_it is Same else (without, with_it))


def test_every_annotation_is_in_the_table_and_those_that_change_nothing_say_why() -> None:
    known = {one.key: one for one in POD_ANNOTATIONS}
    assert {one[0] for one in EFFECTS} | OF_GATEWAYS == known.keys()
    assert {one[0] for one in EFFECTS if one[4] is Same} == {key for key, one in known.items() if one.why_not}


def test_a_cni_plugin_is_told_by_annotations_that_no_author_changes() -> None:
    asked = {
        A + "appmeshCNI": "enabled",
        A + "ignoredUID": "0",
        A + "proxyIngressPort": "1",
        A + "proxyEgressPort": "1",
    }
    pod = annotated()
    pod["metadata"]["annotations"] = asked
    found = injected(pod)
    keys = ("ports", "egressIgnoredIPs", "egressIgnoredPorts", "ignoredUID", "proxyIngressPort", "proxyEgressPort")
    told = {key: annotation(key)(found) for key in keys}
    assert told == dict(zip(keys, ("9080", "169.254.169.254", "22", "1337", "15000", "15001"), strict=True))


def test_a_profile_of_fargate_has_a_cni_plugin() -> None:
    pod = annotated()
    pod["metadata"]["labels"] = {"eks.amazonaws.com/fargate-profile": "x"}
    assert names(injected(pod)) == ["envoy", "app"]


@pytest.mark.parametrize(("value", "image"), [("", "proxy:1"), ("enabled", "own:1"), ("other", "proxy:1")])
def test_a_gateways_pod_may_keep_its_image(value: str, image: str) -> None:
    pod = annotated(A + "virtualGatewaySkipImageOverride", value)
    pod["spec"]["containers"] = [{"name": "envoy", "image": "own:1"}]
    assert containers(injected(pod, GATEWAY))["envoy"]["image"] == image


@pytest.mark.parametrize(
    ("value", "expected"),
    [("true", ["ingress-controller", "proxy"]), ("false", ["proxyinit", "envoy", "ingress-controller", "proxy"])],
)
def test_a_gateway_may_do_without_a_sidecar(value: str, expected: list[str]) -> None:
    pod = annotated("crossfade.dev/mesh-native", value)
    pod["spec"]["containers"] = [{"name": "ingress-controller"}, {"name": "proxy"}]
    assert names(injected(pod)) == expected


@pytest.mark.parametrize("key", ["cpuRequest", "memoryRequest", "cpuLimit", "memoryLimit"])
@pytest.mark.parametrize("value", ["lots", "-1", "1e999", "1 Gi", "x" * 5000])
def test_what_is_no_quantity_is_named(key: str, value: str) -> None:
    with pytest.raises(InjectionDenied, match=f"^malformed annotation {A}{key}, .*a quantity like 100m") as denial:
        injected(annotated(A + key, value))
    assert len(str(denial.value)) < 250


@pytest.mark.parametrize("value", ["1", "1.5", ".5", "100m", "64Mi", "1e3", "1E3", "12E", "0"])
def test_quantities_of_kubernetes_are_taken(value: str) -> None:
    assert of_sidecar("resources", "limits", "memory")(injected(annotated(A + "memoryLimit", value))) == value


def test_the_installations_socket_is_none_without_the_flag() -> None:
    settings = structs.replace(SETTINGS, sds_socket="")
    patch = sidecar_patch(annotated(), NODE, resource_path="mesh/m/virtualNode/n", settings=settings)
    assert "agent.sock" not in json.dumps(patch)
