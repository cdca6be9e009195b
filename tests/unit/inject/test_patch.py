import subprocess
from pathlib import Path
from typing import Any

import jsonpatch
import pytest
from msgspec import structs

from crossfade.api.appmesh import VirtualNode
from crossfade.api.appmesh.values import PortMapping
from crossfade.api.appmesh.virtual_node import Listener, VirtualNodeSpec
from crossfade.inject.decision import InjectionDenied
from crossfade.inject.lifecycle import STATE_FOLDER
from crossfade.inject.mesh_native import mesh_native_patch, wants_mesh_native
from crossfade.inject.patch import gateway_patch, sidecar_patch
from crossfade.inject.settings import NativeSidecars, SidecarSettings
from crossfade_kube.meta import ObjectMeta

Json = dict[str, Any]
PATH = "mesh/dj-app/virtualNode/jazz_prod"
SETTINGS = SidecarSettings("proxy:1", "init:1", "ads:18000", "PEM", "1")
CLASSIC = structs.replace(SETTINGS, native=NativeSidecars.NEVER)
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


def sidecar(found: Json) -> Json:
    return container(found, "envoy", "initContainers")


def test_a_pod_gets_the_redirection_and_then_a_sidecar_after_its_own_init_containers() -> None:
    found = injected(pod(initContainers=[{"name": "own"}]))
    assert [one["name"] for one in found["spec"]["containers"]] == ["app"]
    assert [one["name"] for one in found["spec"]["initContainers"]] == ["own", "proxyinit", "envoy"]
    assert found["metadata"]["annotations"] == {"crossfade.dev/sidecar-takes": f"{PATH} 9080,9081"}
    assert found["metadata"]["labels"] == {"crossfade.dev/mesh-proxy": "sidecar"}
    envoy, init = sidecar(found), container(found, "proxyinit", "initContainers")
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
    token, authority = found["spec"]["volumes"][0]["projected"]["sources"]
    assert token["serviceAccountToken"]["audience"] == "crossfade-mesh"
    assert authority["configMap"]["optional"], "it may be written later"
    folder = envoy["volumeMounts"][0]["mountPath"]
    files = {"CROSSFADE_ADS_TOKEN_FILE": f"{folder}/token", "CROSSFADE_ADS_CA_FILE": f"{folder}/ca.crt"}
    assert files.items() <= env(envoy).items()


@pytest.mark.parametrize("settings", [SETTINGS, CLASSIC], ids=["native", "classic"])
def test_injecting_twice_changes_nothing(settings: SidecarSettings) -> None:
    once = injected(pod(), settings)
    assert sidecar_patch(once, NODE, resource_path=PATH, settings=settings) == []


def test_a_native_sidecar_begins_first_and_is_told_when_the_pod_begins_to_end() -> None:
    envoy = sidecar(injected(pod(), structs.replace(SETTINGS, pre_stop_delay_s=7, start_timeout_s=60)))
    assert envoy["restartPolicy"] == "Always"
    assert envoy["startupProbe"]["httpGet"] == {"path": "/ready", "port": 9901}
    assert envoy["startupProbe"]["periodSeconds"] * envoy["startupProbe"]["failureThreshold"] == 60
    script = envoy["lifecycle"]["preStop"]["exec"]["command"][-1]
    assert script.startswith("kill -USR2 ")
    assert script.endswith("; sleep 7")
    assert env(envoy)["CROSSFADE_STATE_FOLDER"] in script
    assert "CROSSFADE_WAIT_FOR_APP_S" not in env(envoy)


@pytest.mark.parametrize(("spec", "grace"), [({}, "30"), ({"terminationGracePeriodSeconds": 0}, "0")])
def test_a_classic_sidecar_comes_last_and_knows_how_long_it_may_wait_for_the_others(spec: Json, grace: str) -> None:
    found = injected(pod(**spec), CLASSIC)
    assert [one["name"] for one in found["spec"]["containers"]] == ["app", "envoy"]
    assert [one["name"] for one in found["spec"]["initContainers"]] == ["proxyinit"]
    envoy = container(found, "envoy")
    assert env(envoy)["CROSSFADE_WAIT_FOR_APP_S"] == grace
    assert not {"restartPolicy", "startupProbe", "lifecycle"} & envoy.keys()


def test_a_classic_sidecar_comes_first_when_others_must_wait_for_it() -> None:
    found = injected(pod(), structs.replace(CLASSIC, waits_until_ready=True, pre_stop_delay_s=20))
    assert [one["name"] for one in found["spec"]["containers"]] == ["envoy", "app"]
    hooks = container(found, "envoy")["lifecycle"]
    assert hooks["preStop"]["exec"]["command"][-1].endswith("; sleep 20")
    assert "/ready ]" in hooks["postStart"]["exec"]["command"][-1]


@pytest.mark.parametrize(("tries", "code"), [(0, 0), (3, 1)])
def test_the_hook_waits_until_the_proxy_is_ready(tmp_path: Path, tries: int, code: int) -> None:
    found = injected(pod(), structs.replace(CLASSIC, waits_until_ready=True, start_timeout_s=1))
    *shell, script = container(found, "envoy")["lifecycle"]["postStart"]["exec"]["command"]
    if not tries:
        (tmp_path / "ready").touch()
    done = subprocess.run(
        [*shell, script.replace(STATE_FOLDER, str(tmp_path))], capture_output=True, text=True, check=False
    )
    assert done.returncode == code
    assert done.stderr == ("the proxy was not ready within 1 s\n" if code else "")


@pytest.mark.parametrize(
    ("settings", "annotation", "field"),
    [
        (SETTINGS, "classic", "containers"),
        (CLASSIC, " Native", "initContainers"),
        (structs.replace(CLASSIC, has_native_sidecars=False), "classic", "containers"),
    ],
)
def test_the_author_chooses_the_kind_of_sidecar(settings: SidecarSettings, annotation: str, field: str) -> None:
    original = pod()
    original["metadata"]["annotations"] = {"crossfade.dev/sidecar": annotation}
    assert container(injected(original, settings), "envoy", field)


@pytest.mark.parametrize(
    ("native", "has_them", "field"),
    [
        (NativeSidecars.AUTO, True, "containers"),
        (NativeSidecars.ALWAYS, True, "initContainers"),
        (NativeSidecars.NEVER, True, "containers"),
        (NativeSidecars.AUTO, False, "containers"),
    ],
)
def test_a_gateway_of_kongs_charts_shows_its_sidecar_among_its_containers(
    native: NativeSidecars, has_them: bool, field: str
) -> None:
    original = pod()
    original["metadata"]["labels"] = {"app.kubernetes.io/name": "kong"}
    settings = structs.replace(SETTINGS, native=native, has_native_sidecars=has_them)
    assert container(injected(original, settings), "envoy", field)


@pytest.mark.parametrize(
    ("annotation", "text"), [("native", "no native sidecars, which came with Kubernetes 1.29"), ("x", "native or clas")]
)
def test_a_sidecar_that_cannot_be_is_denied(annotation: str, text: str) -> None:
    original = pod()
    original["metadata"]["annotations"] = {"crossfade.dev/sidecar": annotation}
    with pytest.raises(InjectionDenied, match=text):
        injected(original, structs.replace(CLASSIC, has_native_sidecars=False))


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
    envoy = sidecar(found)
    assert envoy["resources"] == {"requests": {"cpu": "50m", "memory": "32Mi"}, "limits": {"memory": "64Mi"}}
    assert {key: env(envoy)[key] for key in "ABC"} == {"A": "1", "B": "2", "C": "3,4"}
    assert [mount["mountPath"] for mount in envoy["volumeMounts"]] == ["/var/run/secrets/crossfade", "/tls", "/data"]
    assert [volume["name"] for volume in found["spec"]["volumes"]] == ["data", "crossfade-token", "tls"]
    assert found["spec"]["volumes"][2] == {"name": "tls", "secret": {"secretName": "tls"}}


def test_the_controllers_variables_cannot_be_overridden() -> None:
    envoy = sidecar(injected(pod({"sidecarEnv": "APPMESH_VIRTUAL_NODE_NAME=other"})))
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


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("sidecarEnv", "CROSSFADE_TRACE_SAMPLING_RATE=1", None),
        ("sidecarEnv", "CROSSFADE_OTLP_ADDRESS=$(COLLECTOR)", None),
        (
            "sidecarEnv",
            "ENABLE_ENVOY_XRAY_TRACING=1, XRAY_SAMPLING_RATE=5%",
            "XRAY_SAMPLING_RATE is '5%': it must be a number from 0 to 1",
        ),
        ("sidecarEnvJson", '[{"CROSSFADE_OTLP_ADDRESS": "c"}]', "CROSSFADE_OTLP_ADDRESS is 'c': it must be host:port"),
        (
            "sidecarEnv",
            "ENABLE_ENVOY_JAEGER_TRACING=1, ENABLE_ENVOY_DATADOG_TRACING=1",
            "ENABLE_ENVOY_JAEGER_TRACING ENABLE_ENVOY_DATADOG_TRACING: Envoy only supports a single tracer instance.",
        ),
    ],
)
def test_a_tracer_that_cannot_be_is_denied(key: str, value: str, problem: str | None) -> None:
    if problem is None:
        injected(pod({key: value}))
        return
    with pytest.raises(InjectionDenied) as denial:
        injected(pod({key: value}))
    assert str(denial.value).startswith(f"annotations sidecarEnv and sidecarEnvJson: {problem}")


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
    assert [one["name"] for one in found["spec"]["initContainers"]] == ["envoy"]
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


@pytest.mark.parametrize("settings", [SETTINGS, CLASSIC, structs.replace(CLASSIC, waits_until_ready=True)])
def test_probes_of_captured_ports_go_through_ports_of_the_sidecar(settings: SidecarSettings) -> None:
    original = pod()
    original["spec"]["containers"][0]["readinessProbe"] = {"httpGet": {"port": 9080, "path": "/ready"}}
    once = injected(original, settings)
    assert container(once, "app")["readinessProbe"] == {"httpGet": {"port": 15021, "path": "/ready"}}
    where = "initContainers" if settings is SETTINGS else "containers"
    assert env(container(once, "envoy", where))["CROSSFADE_PROBES"] == '[[15021, 9080, ["/ready"], false]]'
    assert sidecar_patch(once, NODE, resource_path=PATH, settings=settings) == []


def test_the_socket_of_an_agent_is_mounted_unless_the_pod_declines() -> None:
    settings = structs.replace(SETTINGS, sds_socket="/run/agent.sock")
    found = injected(pod(), settings)
    assert env(sidecar(found))["APPMESH_SDS_SOCKET_PATH"] == "/run/agent.sock"
    assert {"name": "appmesh-sds-socket-volume", "mountPath": "/run/agent.sock"} in sidecar(found)["volumeMounts"]
    volume = {"name": "appmesh-sds-socket-volume", "hostPath": {"path": "/run/agent.sock", "type": "Socket"}}
    assert volume in found["spec"]["volumes"]
    declined = injected(pod({"sds": "disabled"}), settings)
    assert "APPMESH_SDS_SOCKET_PATH" not in env(sidecar(declined))
    assert volume not in declined["spec"]["volumes"]


def gateway_pod(annotations: dict[str, str] | None = None, **spec: Any) -> Json:
    containers = [{"name": "ingress-controller", "env": [{"name": "A", "value": "1"}]}, {"name": "proxy"}]
    return {"metadata": {"annotations": annotations or {}}, "spec": {"containers": containers, **spec}}


def merged(original: Json, settings: SidecarSettings = SETTINGS) -> Json:
    result: Json = jsonpatch.apply_patch(original, mesh_native_patch(original, resource_path=PATH, settings=settings))
    return result


def test_a_mesh_native_gateway_is_told_its_node_and_gets_no_sidecar() -> None:
    found = merged(gateway_pod())
    assert [one["name"] for one in found["spec"]["containers"]] == ["ingress-controller", "proxy"]
    assert "initContainers" not in found["spec"]
    told = {"A": "1", "APPMESH_VIRTUAL_NODE_NAME": PATH, "CROSSFADE_MESH_IDENTITIES": "enabled"}
    assert env(container(found, "ingress-controller")) == told
    proxy = env(container(found, "proxy"))
    assert proxy["APPMESH_VIRTUAL_NODE_NAME"] == PATH
    assert proxy["CROSSFADE_MESH_ADDRESS"] == SETTINGS.ads_address
    assert proxy["CROSSFADE_MESH_CA"] == SETTINGS.ads_ca_pem
    # Of the same volume as a sidecar's.
    of_sidecar = env(sidecar(injected(pod())))
    for name in ("CA_FILE", "TOKEN_FILE"):
        assert proxy[f"CROSSFADE_MESH_{name}"] == of_sidecar[f"CROSSFADE_ADS_{name}"]
    assert mesh_native_patch(found, resource_path=PATH, settings=SETTINGS) == []


def test_its_proxy_sees_the_files_and_the_agent_that_a_sidecar_would() -> None:
    annotations = {"appmesh.k8s.aws/secretMounts": "certs:/certs", "appmesh.k8s.aws/volumeMounts": "own:/own"}
    original = gateway_pod(annotations, volumes=[{"name": "own", "emptyDir": {}}])
    found = merged(original, structs.replace(SETTINGS, sds_socket="/run/agent.sock"))
    proxy = container(found, "proxy")
    assert {one["name"]: one["mountPath"] for one in proxy["volumeMounts"]} == {
        "crossfade-token": "/var/run/secrets/crossfade",
        "certs": "/certs",
        "own": "/own",
        "appmesh-sds-socket-volume": "/run/agent.sock",
    }
    assert env(proxy)["APPMESH_SDS_SOCKET_PATH"] == "/run/agent.sock"
    volumes = {one["name"] for one in found["spec"]["volumes"]}
    assert volumes == {"own", "crossfade-token", "certs", "appmesh-sds-socket-volume"}
    assert "volumeMounts" not in container(found, "ingress-controller")


@pytest.mark.parametrize(("text", "wanted"), [("true", True), (" True ", True), ("false", False), (None, False)])
def test_who_wants_to_be_mesh_native(text: str | None, wanted: bool) -> None:
    assert wants_mesh_native(gateway_pod({} if text is None else {"crossfade.dev/mesh-native": text})) is wanted


def test_what_is_no_gateway_cannot_be_mesh_native() -> None:
    with pytest.raises(InjectionDenied, match="has no container ingress-controller and proxy"):
        mesh_native_patch(pod(), resource_path=PATH, settings=SETTINGS)
    with pytest.raises(InjectionDenied, match="expected format: true or false"):
        wants_mesh_native(gateway_pod({"crossfade.dev/mesh-native": "yes"}))
