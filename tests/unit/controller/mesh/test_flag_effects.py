"""Each flag of App Mesh's controller that has an effect, and what it changes: in a pod, a sidecar, or a model."""

import json
import ssl
from collections.abc import Callable
from typing import Any, Final

import jsonpatch
import pytest

from crossfade import __version__
from crossfade.api.appmesh import BackendGroup, Mesh, VirtualNode, VirtualService
from crossfade.compile.mesh import ArnScope, ClusterView, compile_mesh
from crossfade.compile.mesh.cloud_map import CloudMapName
from crossfade.controller.mesh.aws_cloud_map import AwsCloudMap
from crossfade.controller.mesh.cloud_map_objects import cloud_map_objects
from crossfade.controller.mesh.flag_table import FLAGS
from crossfade.controller.mesh.settings import MeshSettings
from crossfade.inject.patch import gateway_patch, sidecar_patch
from crossfade.proxy.run import bootstrap_from_settings, settings_from_environment
from crossfade.store.snapshot import Snapshot
from crossfade_kube.registry import decode

Json = dict[str, Any]
PATH: Final = "mesh/dj-app/virtualNode/jazz_prod"
OURS: Final = f"crossfade/proxy:{__version__}"


def settings(*arguments: str) -> MeshSettings:
    return MeshSettings.from_environment({}, None, arguments)


def meshed(*arguments: str, native: str = "always") -> Json:
    """A pod of a virtual node."""
    original = {"metadata": {}, "spec": {"containers": [{"name": "app"}]}}
    found = MeshSettings.from_environment({"CROSSFADE_NATIVE_SIDECARS": native}, None, arguments)
    node = decode({"metadata": {"name": "jazz", "namespace": "prod"}, "spec": {}}, VirtualNode)
    patch = sidecar_patch(original, node, resource_path=PATH, settings=found.sidecar)
    result: Json = jsonpatch.apply_patch(original, patch)
    return result


def sidecar(*arguments: str, native: str = "always") -> Json:
    spec = meshed(*arguments, native=native)["spec"]
    return next(one for one in (*spec["containers"], *spec["initContainers"]) if one["name"] == "envoy")


def init(*arguments: str) -> Json:
    found: Json = meshed(*arguments)["spec"]["initContainers"][0]
    return found


def variables(container: Json) -> dict[str, str]:
    return {entry["name"]: entry["value"] for entry in container["env"] if "value" in entry}


def bootstrap(*arguments: str) -> Json:
    """Of the sidecar, in a pod with addresses of both families."""
    facts = {"POD_NAME": "jazz", "POD_NAMESPACE": "prod", "POD_IP": "10.0.0.1", "POD_IPS": "10.0.0.1,fd00::1"}
    container = sidecar(*arguments)
    told = {entry["name"] for entry in container["env"] if "valueFrom" in entry}
    environment = variables(container) | {name: text for name, text in facts.items() if name in told}
    made: Json = json.loads(bootstrap_from_settings(settings_from_environment(environment, is_gateway=False)))
    return made


def listening(made: Json) -> list[tuple[str, int]]:
    addresses = (one["address"]["socket_address"] for one in made["static_resources"]["listeners"])
    return [(one["address"], one["port_value"]) for one in addresses]


def fields(container: Json) -> dict[str, str]:
    """What variables take from the pod."""
    with_field = (entry for entry in container["env"] if "valueFrom" in entry)
    return {entry["name"]: entry["valueFrom"]["fieldRef"]["fieldPath"] for entry in with_field}


def tracer(*arguments: str) -> Any:
    """Whose it is, where spans go, how many of 10 000 requests begin a trace."""
    made = bootstrap(*arguments)
    if "tracing" not in made:
        return ()
    (cluster,) = (one for one in made["static_resources"]["clusters"] if one["name"] == "crossfade_tracer")
    (endpoint,) = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]
    socket = endpoint["endpoint"]["address"]["socket_address"]
    name = made["tracing"]["http"]["name"].removeprefix("envoy.tracers.")
    rate = made["layered_runtime"]["layers"][0]["static_layer"]["tracing.random_sampling"]
    return name, f"{socket['address']}:{socket['port_value']}", rate


def reached_by_group(*arguments: str) -> tuple[bool, list[str]]:
    """Whether a node's sidecar knows a service that only a group names; what the node's author is told."""
    reference = {"meshRef": {"name": "m", "uid": ""}}
    node_spec = {"awsName": "a", "backendGroups": [{"name": "g"}], **reference}
    documents: list[tuple[Any, str, Json]] = [
        (Mesh, "m", {"namespaceSelector": {}}),
        (VirtualNode, "a", node_spec),
        (VirtualNode, "b", {"awsName": "b", **reference, **LISTENING}),
        (
            VirtualService,
            "s",
            {"awsName": "s.n", **reference, "provider": {"virtualNode": {"virtualNodeRef": {"name": "b"}}}},
        ),
        (BackendGroup, "g", {**reference, "virtualservices": [{"name": "s"}]}),
    ]
    objects = [
        decode({"metadata": {"name": name, "namespace": "n"}, "spec": spec}, kind) for kind, name, spec in documents
    ]
    view = ClusterView(uses_backend_groups=settings(*arguments).uses_backend_groups)
    model = compile_mesh(Snapshot.of(objects), ArnScope(), view)
    told = [one.code for one in model.diagnostics if one.field == "spec.backendGroups"]
    return "s.n" in repr(model.proxies["mesh/m/virtualNode/a"].route_tables), told


LISTENING: Final = {
    "listeners": [{"portMapping": {"port": 80, "protocol": "http"}}],
    "serviceDiscovery": {"dns": {"hostname": "b.n"}},
}


def arn(*arguments: str) -> str:
    own = settings(*arguments)
    mesh = decode({"metadata": {"name": "m"}, "spec": {"awsName": "m", "namespaceSelector": {}}}, Mesh)
    model = compile_mesh(Snapshot.of([mesh]), ArnScope(own.region, own.account_id))
    return next(iter(model.states.values())).arn


def endpoint_of_cloud_map(*arguments: str) -> str:
    own = settings(*arguments)
    return AwsCloudMap(own.region, uses_fips=own.uses_fips).endpoint


def ciphers(context: ssl.SSLContext) -> set[str]:
    return {one["name"] for one in context.get_ciphers() if one["protocol"] != "TLSv1.3"}


def dns_ttl(*arguments: str) -> str | None:
    service, *_ = cloud_map_objects(
        {CloudMapName("corp", "color"): ()}, namespace="n", manager="m", ttl_s=settings(*arguments).dns_ttl_s
    )
    found: str | None = service["metadata"]["annotations"].get("external-dns.alpha.kubernetes.io/ttl")
    return found


def socket_of(container: Json) -> str | None:
    return variables(container).get("APPMESH_SDS_SOCKET_PATH")


def hook(name: str, *arguments: str) -> str:
    found: str = sidecar(*arguments, native="never")["lifecycle"][name]["exec"]["command"][-1]
    return found


# Flag, arguments, what is looked at, what is there without and with them.
EFFECTS: Final[list[tuple[str, list[str], Callable[..., Any], Any, Any]]] = [
    ("aws-region", ["eu-west-1"], lambda *a: variables(sidecar(*a))["AWS_REGION"], "us-west-2", "eu-west-1"),
    ("aws-region", ["eu-west-1"], lambda *a: arn(*a)[16:25], "us-west-2", "eu-west-1"),
    (
        "aws-account-id",
        ["123456789012"],
        arn,
        "arn:aws:appmesh:us-west-2:000000000000:mesh/m",
        "arn:aws:appmesh:us-west-2:123456789012:mesh/m",
    ),
    ("sidecar-image-repository", ["r.io/p"], lambda *a: sidecar(*a)["image"], OURS, f"r.io/p:{__version__}"),
    ("sidecar-image-repository", ["a.b:5000/aws-appmesh-envoy"], lambda *a: sidecar(*a)["image"], OURS, OURS),
    (
        "sidecar-image-repository",
        ["r.io:5000/p", "--sidecar-image-tag=2"],
        lambda *a: sidecar(*a)["image"],
        OURS,
        "r.io:5000/p:2",
    ),
    ("sidecar-image-tag", ["2"], lambda *a: sidecar(*a)["image"], OURS, "crossfade/proxy:2"),
    ("init-image", ["r.io/i:3"], lambda *a: init(*a)["image"], f"crossfade/proxy-init:{__version__}", "r.io/i:3"),
    ("sidecar-cpu-requests", ["5m"], lambda *a: sidecar(*a)["resources"]["requests"]["cpu"], "10m", "5m"),
    ("sidecar-cpu-requests", ["5m"], lambda *a: init(*a)["resources"]["requests"]["cpu"], "10m", "5m"),
    ("sidecar-memory-requests", ["5Mi"], lambda *a: sidecar(*a)["resources"]["requests"]["memory"], "32Mi", "5Mi"),
    ("sidecar-cpu-limits", ["1"], lambda *a: sidecar(*a)["resources"].get("limits"), None, {"cpu": "1"}),
    ("sidecar-memory-limits", ["1Gi"], lambda *a: sidecar(*a)["resources"].get("limits"), None, {"memory": "1Gi"}),
    ("sidecar-memory-limits", ["1Gi"], lambda *a: init(*a)["resources"].get("limits"), None, {"memory": "1Gi"}),
    ("sidecar-log-level", ["warn"], lambda *a: variables(sidecar(*a))["ENVOY_LOG_LEVEL"], "info", "warning"),
    ("log-level", ["debug"], lambda *a: settings(*a).log_level, "", "DEBUG"),
    (
        "prestop-delay",
        ["7"],
        lambda *a: sidecar(*a)["lifecycle"]["preStop"]["exec"]["command"][-1][-7:],
        "sleep 0",
        "sleep 7",
    ),
    ("poststart-timeout", ["9"], lambda *a: sidecar(*a)["startupProbe"]["failureThreshold"], 180, 9),
    (
        "poststart-timeout",
        ["9"],
        lambda *a: "within 9 s" in hook("postStart", "--wait-until-proxy-ready", *a),
        False,
        True,
    ),
    (
        "wait-until-proxy-ready",
        [],
        lambda *a: meshed(*a, native="never")["spec"]["containers"][0]["name"],
        "app",
        "envoy",
    ),
    ("readiness-probe-initial-delay", ["3"], lambda *a: sidecar(*a)["readinessProbe"]["initialDelaySeconds"], 0, 3),
    ("readiness-probe-period", ["4"], lambda *a: sidecar(*a)["readinessProbe"]["periodSeconds"], 1, 4),
    ("envoy-admin-access-port", ["99"], lambda *a: sidecar(*a)["ports"][0]["containerPort"], 9901, 99),
    ("envoy-admin-access-port", ["99"], lambda *a: sidecar(*a)["readinessProbe"]["httpGet"]["port"], 9901, 99),
    (
        "envoy-admin-access-port",
        ["99"],
        lambda *a: bootstrap(*a)["admin"]["address"]["socket_address"]["port_value"],
        9901,
        99,
    ),
    ("envoy-admin-access-port", ["99"], lambda *a: listening(bootstrap(*a)), [("10.0.0.1", 9901)], [("10.0.0.1", 99)]),
    (
        "envoy-admin-access-log-file",
        ["/x"],
        lambda *a: "/x" in repr(bootstrap(*a)["admin"].get("access_log")),
        False,
        True,
    ),
    ("envoy-admin-access-enable-ipv6", [], lambda *a: listening(bootstrap(*a))[1:], [], [("fd00::1", 9901)]),
    (
        "enable-stats-tags",
        [],
        lambda *a: bootstrap(*a)["stats_config"]["stats_tags"][:1],
        [],
        [{"tag_name": "appmesh.mesh", "fixed_value": "dj-app"}],
    ),
    ("enable-sds", [], lambda *a: socket_of(sidecar(*a)), None, "/run/spire/sockets/agent.sock"),
    ("sds-uds-path", ["/run/a.sock"], lambda *a: socket_of(sidecar(*a)), None, None),
    ("sds-uds-path", ["/run/a.sock", "--enable-sds"], lambda *a: socket_of(sidecar(*a)), None, "/run/a.sock"),
    ("enable-backend-groups", ["false"], reached_by_group, (True, []), (False, ["backend.groups-off"])),
    ("cloudmap-dns-ttl", ["60"], dns_ttl, None, "60"),
    ("use-aws-fips-endpoint", [], lambda *a: "-fips." in endpoint_of_cloud_map(*a), False, True),
    (
        "ignored-ips",
        ["10.1.0.0/16"],
        lambda *a: variables(init(*a))["APPMESH_EGRESS_IGNORED_IP"],
        "169.254.169.254",
        "10.1.0.0/16",
    ),
    (
        "enable-iam-for-service-accounts",
        ["false"],
        lambda *a: meshed(*a)["spec"].get("securityContext"),
        {"fsGroup": 1337},
        None,
    ),
    (
        "enable-ecr-secret",
        [],
        lambda *a: meshed(*a)["spec"].get("imagePullSecrets"),
        None,
        [{"name": "appmesh-ecr-secret"}],
    ),
    ("health-probe-port", ["8081"], lambda *a: settings(*a).health_port, 61779, 8081),
    ("enable-leader-election", ["false"], lambda *a: settings(*a).elects_leader, True, False),
    (
        "tls-min-version",
        ["VersionTLS13"],
        lambda *a: settings(*a).webhook_tls.server_context().minimum_version,
        ssl.TLSVersion.TLSv1_2,
        ssl.TLSVersion.TLSv1_3,
    ),
    (
        "tls-cipher-suite",
        ["TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,TLS_AES_128_GCM_SHA256"],
        lambda *a: ciphers(settings(*a).webhook_tls.server_context()) == {"ECDHE-RSA-AES256-GCM-SHA384"},
        False,
        True,
    ),
]
EFFECTS += [
    ("enable-jaeger-tracing", [], lambda *a: tracer(*a)[:2], (), ("zipkin", "appmesh-jaeger.appmesh-system:9411")),
    (
        "jaeger-address",
        ["10.0.0.9", "--enable-jaeger-tracing"],
        lambda *a: tracer(*a or ["--enable-jaeger-tracing"])[1],
        "appmesh-jaeger.appmesh-system:9411",
        "10.0.0.9:9411",
    ),
    (
        "jaeger-port",
        ["80", "--enable-jaeger-tracing"],
        lambda *a: tracer(*a or ["--enable-jaeger-tracing"])[1],
        "appmesh-jaeger.appmesh-system:9411",
        "appmesh-jaeger.appmesh-system:80",
    ),
    ("enable-datadog-tracing", [], lambda *a: tracer(*a)[:2], (), ("datadog", "datadog.appmesh-system:8126")),
    (
        "datadog-address",
        ["ref:status.hostIP", "--enable-datadog-tracing"],
        lambda *a: fields(sidecar(*a or ["--enable-datadog-tracing"])).get("DATADOG_TRACER_ADDRESS"),
        None,
        "status.hostIP",
    ),
    (
        "datadog-port",
        ["80", "--enable-datadog-tracing"],
        lambda *a: tracer(*a or ["--enable-datadog-tracing"])[1],
        "datadog.appmesh-system:8126",
        "datadog.appmesh-system:80",
    ),
    (
        "enable-xray-tracing",
        [],
        lambda *a: tracer(*a)[:2],
        (),
        ("opentelemetry", "cloudwatch-agent.amazon-cloudwatch:4316"),
    ),
    (
        "xray-sampling-rate",
        ["0.5", "--enable-xray-tracing"],
        lambda *a: tracer(*a or ["--enable-xray-tracing"])[2],
        500,
        5000,
    ),
]


@pytest.mark.parametrize(("flag", "given", "look", "without", "with_it"), EFFECTS, ids=[one[0] for one in EFFECTS])
def test_what_a_flag_changes(flag: str, given: list[str], look: Callable[..., Any], without: Any, with_it: Any) -> None:
    first = f"--{flag}={given[0]}" if given else f"--{flag}"
    assert look() == without
    assert look(first, *given[1:]) == with_it


def test_every_flag_changes_something() -> None:
    effective = {flag for flag, _, _, without, with_it in EFFECTS if without != with_it}
    assert effective == {flag.name for flag in FLAGS}


@pytest.mark.parametrize(
    ("variable", "text", "argument", "field", "expected"),
    [
        ("AWS_REGION", "eu-west-1", "--aws-region=us-east-1", "region", "us-east-1"),
        ("AWS_REGION", "eu-west-1", "--aws-region=", "region", "eu-west-1"),
        ("CROSSFADE_SDS_SOCKET", "/a", "--enable-sds=false", "sds_socket", ""),
        ("CROSSFADE_SDS_SOCKET", "/a", "--enable-sds", "sds_socket", "/a"),
        ("CROSSFADE_SDS_SOCKET", "/a", "--sds-uds-path=/b", "sds_socket", "/a"),
        ("CROSSFADE_PRE_STOP_DELAY_S", "5", "--prestop-delay=0", "pre_stop_delay_s", 0),
        ("CROSSFADE_PROXY_IMAGE", "r.io/p@sha256:1", "--sidecar-image-tag=2", "proxy_image", "r.io/p:2"),
        ("CROSSFADE_PROXY_IMAGE", "a/p:1", "--sidecar-image-repository=x/aws-appmesh-envoy", "proxy_image", "a/p:1"),
    ],
)
def test_a_flag_goes_before_the_environment(
    variable: str, text: str, argument: str, field: str, expected: object
) -> None:
    assert getattr(MeshSettings.from_environment({variable: text}, None, [argument]).sidecar, field) == expected


def test_a_gateways_proxy_gets_what_a_sidecar_does() -> None:
    own = settings("--enable-stats-tags", "--enable-ecr-secret", "--envoy-admin-access-port=99").sidecar
    original = {"metadata": {}, "spec": {"containers": [{"name": "envoy"}]}}
    path = "mesh/m/virtualGateway/g"
    once = jsonpatch.apply_patch(original, gateway_patch(original, resource_path=path, settings=own))
    envoy = once["spec"]["containers"][0]
    assert variables(envoy).items() >= {"ENABLE_ENVOY_STATS_TAGS": "1", "ENVOY_ADMIN_ACCESS_PORT": "99"}.items()
    assert once["spec"]["imagePullSecrets"] == [{"name": "appmesh-ecr-secret"}]
    assert gateway_patch(once, resource_path=path, settings=own) == []
