"""What `crossfade install gateway` prints, and the settings that the controller reads from it."""

import jsonschema_rs
import pytest
from msgspec.structs import replace

from crossfade.admission.kong import WITHOUT_EFFECT
from crossfade.api.kong.plugin import KongPlugin
from crossfade.cli.app import main
from crossfade.controller.gateway.settings import GatewaySettings
from crossfade.install.gateway import GatewayInstallSettings, gateway_crd, gateway_crds, gateway_manifests
from crossfade.install.mesh import MeshInstallSettings, mesh_manifests
from crossfade.proxy.run import settings_from_environment
from crossfade_kube.core.service import Service
from crossfade_kube.meta import JsonObject

KINDS = {
    "IngressClassParameters",
    "KongClusterPlugin",
    "KongConsumer",
    "KongConsumerGroup",
    "KongCustomEntity",
    "KongIngress",
    "KongLicense",
    "KongPlugin",
    "KongServiceFacade",
    "KongUpstreamPolicy",
    "KongVault",
    "TCPIngress",
    "UDPIngress",
}


def by_kind(settings: GatewayInstallSettings, kind: str) -> list[JsonObject]:
    return [item for item in gateway_manifests(settings) if item["kind"] == kind]


def test_every_kong_kind_has_a_crd() -> None:
    assert {crd["spec"]["names"]["kind"] for crd in gateway_crds()} == KINDS


@pytest.mark.parametrize("crd", gateway_crds(), ids=lambda crd: crd["metadata"]["name"])
def test_crds_are_well_formed(crd: JsonObject) -> None:
    spec = crd["spec"]
    assert crd["metadata"]["name"] == f"{spec['names']['plural']}.{spec['group']}"
    (version,) = spec["versions"]
    assert version["served"]
    assert version["storage"]
    assert "Age" in [column["name"] for column in version["additionalPrinterColumns"]]
    jsonschema_rs.validator_for(version["schema"]["openAPIV3Schema"])


def test_columns_of_plugins_are_kongs() -> None:
    (crd,) = [crd for crd in gateway_crds() if crd["spec"]["names"]["kind"] == "KongPlugin"]
    columns = crd["spec"]["versions"][0]["additionalPrinterColumns"]
    assert [(column["name"], column.get("priority", 0)) for column in columns] == [
        ("Plugin-Type", 0),
        ("Age", 0),
        ("Disabled", 1),
        ("Config", 1),
        ("Programmed", 0),
    ]


def test_no_kong_kind_goes_unseen() -> None:
    """Each is either read or sent to the webhook, which says when a kind has no effect."""
    (role,) = by_kind(GatewayInstallSettings(), "ClusterRole")
    (configuration,) = by_kind(GatewayInstallSettings(), "ValidatingWebhookConfiguration")
    seen = {
        (group, name)
        for rule in (*role["rules"], *(rule for webhook in configuration["webhooks"] for rule in webhook["rules"]))
        for group in rule["apiGroups"]
        for name in rule["resources"]
    }
    for crd in gateway_crds():
        assert (crd["spec"]["group"], crd["spec"]["names"]["plural"]) in seen


def test_the_webhook_sees_every_kind_without_effect() -> None:
    (configuration,) = by_kind(GatewayInstallSettings(), "ValidatingWebhookConfiguration")
    checked = {name for webhook in configuration["webhooks"] for rule in webhook["rules"] for name in rule["resources"]}
    plurals = {crd["spec"]["names"]["kind"]: crd["spec"]["names"]["plural"] for crd in gateway_crds()}
    assert {plurals[kind] for kind in WITHOUT_EFFECT} <= checked


def test_names_are_those_of_kongs_chart() -> None:
    settings = GatewayInstallSettings()
    (deployment,) = by_kind(settings, "Deployment")
    assert deployment["metadata"]["name"] == "kong-kong"
    pod = deployment["spec"]["template"]
    assert pod["metadata"]["labels"] == {
        "app.kubernetes.io/component": "app",
        "app.kubernetes.io/instance": "kong",
        "app.kubernetes.io/name": "kong",
    }
    assert [container["name"] for container in pod["spec"]["containers"]] == ["ingress-controller", "proxy"]
    proxy = next(item for item in by_kind(settings, "Service") if item["metadata"]["name"] == "kong-kong-proxy")
    ports = [(port["name"], port["port"], port["targetPort"]) for port in proxy["spec"]["ports"]]
    assert ports == [("kong-proxy", 80, 8000), ("kong-proxy-tls", 443, 8443)]
    assert proxy["spec"]["type"] == "LoadBalancer"


def test_neither_container_bypasses_a_mesh_by_itself() -> None:
    (deployment,) = by_kind(GatewayInstallSettings(), "Deployment")
    users = [item["securityContext"]["runAsUser"] for item in deployment["spec"]["template"]["spec"]["containers"]]
    assert 1337 not in users
    assert 0 not in users


# Questions, of which the API server keeps nothing.
REVIEWS = {"tokenreviews", "subjectaccessreviews"}


def test_the_controller_may_write_statuses_only() -> None:
    (role,) = by_kind(GatewayInstallSettings(has_webhook=False), "ClusterRole")
    for rule in role["rules"]:
        if set(rule["verbs"]) - {"get", "list", "watch"}:
            assert all(name.endswith("/status") or name in {"events", *REVIEWS} for name in rule["resources"])


@pytest.mark.parametrize("has_webhook", [True, False])
def test_the_controller_may_change_no_secret_but_its_own(has_webhook: bool) -> None:
    settings = GatewayInstallSettings(release="edge", namespace="gw", has_webhook=has_webhook)
    (role,) = by_kind(settings, "Role")
    create, change = (rule for rule in role["rules"] if rule["resources"] == ["secrets"])
    assert create["verbs"] == ["create"]
    names = [f"edge-kong-acme-{number:02}" for number in range(16)]
    assert change["resourceNames"] == [*names, *(["edge-kong-validation-webhook"] if has_webhook else [])]


def test_the_controller_understands_what_is_installed() -> None:
    settings = GatewayInstallSettings(release="edge", namespace="gw", compat="kong-3", ingress_class="edge")
    settings = replace(settings, missing_plugins="open", identity_headers="pass")
    (deployment,) = by_kind(settings, "Deployment")
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    environ = {item["name"]: item["value"] for item in container["env"] if "value" in item}
    found = GatewaySettings.from_environment({**environ, "POD_NAMESPACE": "gw", "POD_NAME": "edge-1"}, None)
    assert (found.compile.compat, found.compile.ingress_class) == ("kong-3", "edge")
    assert (found.compile.missing_plugins, found.compile.identity_headers) == ("open", "pass")
    assert found.publish_service == ("gw", "edge-kong-proxy")
    assert found.compile.acme_secrets[0] == ("gw", "edge-kong-acme-00")
    assert (found.lease.namespace, found.identity) == ("gw", "edge-1")
    assert found.webhook is not None
    assert found.webhook.service == ("gw", "edge-kong-validation-webhook")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CROSSFADE_COMPAT", "kong-4"),
        ("CROSSFADE_MISSING_PLUGINS", "ajar"),
        ("CROSSFADE_IDENTITY_HEADERS", "some"),
        ("CONTROLLER_PUBLISH_SERVICE", "no-namespace"),
        ("CROSSFADE_HEALTH_PORT", "many"),
        ("CROSSFADE_ADMIN_API_PORT", "many"),
        ("CROSSFADE_TRUSTED_IPS", "nonsense"),
        ("KONG_TRUSTED_IPS", "10.0.0.0/33"),
        ("KONG_PROXY_LISTEN", "off"),
    ],
)
def test_a_wrong_variable_is_named(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=name):
        GatewaySettings.from_environment({name: value}, None)


@pytest.mark.parametrize(
    ("environ", "listens"),
    [
        ({}, ["127.0.0.1:8001"]),
        ({"CROSSFADE_ADMIN_API_PORT": "off"}, []),
        ({"KONG_ADMIN_LISTEN": "off"}, []),
        ({"KONG_ADMIN_LISTEN": "0.0.0.0:8001, 127.0.0.1:8444 http2 ssl"}, ["0.0.0.0:8001", "127.0.0.1:8444"]),
        ({"KONG_ADMIN_LISTEN": "0.0.0.0:8001", "CROSSFADE_ADMIN_API_PORT": "8005"}, ["127.0.0.1:8005"]),
    ],
)
def test_where_the_admin_api_is(environ: dict[str, str], listens: list[str]) -> None:
    found = GatewaySettings.from_environment(environ, None)
    assert [str(one) for one in found.admin_listen] == listens
    assert (found.admin_certificate is not None) == any(one.ssl for one in found.admin_listen)


def test_what_only_the_proxy_carries_out_is_told() -> None:
    found = GatewaySettings.from_environment({"KONG_STATUS_LISTEN": "off", "KONG_DNS_ORDER": "AAAA"}, None)
    assert [remark.where for remark in found.remarks] == ["KONG_STATUS_LISTEN"]


def test_the_controller_takes_kongs_variables() -> None:
    environ = {
        "CROSSFADE_TRUSTED_IPS": "10.0.0.0/8",
        "KONG_REAL_IP_HEADER": "X-Forwarded-For",
        "KONG_PROXY_LISTEN": "0.0.0.0:8000 proxy_protocol, 0.0.0.0:8443 http2 ssl",
        "KONG_DATABASE": "off",
    }
    found = GatewaySettings.from_environment(environ, None)
    kong = found.compile.kong
    assert (kong.trusted_ips, kong.real_ip_header) == (("10.0.0.0/8",), "X-Forwarded-For")
    assert [listen.proxy_protocol for listen in kong.proxy_listen] == [True, False]
    assert kong.port_maps == ((8000, 80), (8443, 443))
    assert [remark.where for remark in found.remarks] == ["KONG_DATABASE"]


def test_kongs_variable_goes_before_ours() -> None:
    both = {"CROSSFADE_TRUSTED_IPS": "10.0.0.0/8", "KONG_TRUSTED_IPS": "127.0.0.1", "KONG_PORT_MAPS": "81:8000"}
    kong = GatewaySettings.from_environment(both, None).compile.kong
    assert (kong.trusted_ips, kong.port_maps) == (("127.0.0.1/32",), ((8000, 81),))


def test_the_crd_of_one_kind_is_found_without_the_others() -> None:
    assert gateway_crd(KongPlugin.RESOURCE) in gateway_crds()
    assert gateway_crd(Service.RESOURCE) is None


def test_a_mesh_native_gateway_says_so_and_may_read_the_mesh() -> None:
    plain, native = GatewayInstallSettings(), GatewayInstallSettings(mesh_native=True)
    (deployment,) = by_kind(native, "Deployment")
    assert deployment["spec"]["template"]["metadata"]["annotations"] == {"crossfade.dev/mesh-native": "true"}

    def read(settings: GatewayInstallSettings) -> set[str]:
        (role,) = by_kind(settings, "ClusterRole")
        return {resource for rule in role["rules"] if "list" in rule["verbs"] for resource in rule["resources"]}

    more = {"meshes", "virtualnodes", "virtualservices", "virtualrouters", "backendgroups", "namespaces", "pods"}
    assert read(native) - read(plain) == more


def test_a_mesh_native_gateway_does_not_start_outside_of_a_mesh() -> None:
    native = {"CROSSFADE_MESH_NATIVE": "true"}
    with pytest.raises(ValueError, match="no VirtualNode selected this pod"):
        GatewaySettings.from_environment(native, None)
    node = {"APPMESH_VIRTUAL_NODE_NAME": "mesh/m/virtualNode/kong_kong"}
    assert (
        GatewaySettings.from_environment({**native, **node}, None).compile.mesh_node == "mesh/m/virtualNode/kong_kong"
    )
    assert GatewaySettings.from_environment({}, None).compile.mesh_node == ""
    with pytest.raises(ValueError, match="must be mesh/<mesh>/virtualNode/<node>"):
        GatewaySettings.from_environment({"APPMESH_VIRTUAL_NODE_NAME": "mesh/m/virtualGateway/g"}, None)


@pytest.mark.parametrize(
    ("drain_s", "environment", "grace_s"),
    [
        (5, {}, 30),
        (1, {"CROSSFADE_DRAIN_AT_LEAST_S": "1"}, 30),
        (120, {"CROSSFADE_DRAIN_AT_LEAST_S": "120", "LISTENER_DRAIN_WAIT_TIME_S": "135"}, 145),
    ],
)
def test_an_ending_pod_has_time_to_serve(drain_s: int, environment: dict[str, str], grace_s: int) -> None:
    (deployment,) = by_kind(GatewayInstallSettings(drain_s=drain_s), "Deployment")
    spec = deployment["spec"]["template"]["spec"]
    variables = {entry["name"]: entry.get("value") for entry in spec["containers"][1]["env"]}
    assert {name: value for name, value in variables.items() if "DRAIN" in name} == environment
    assert spec["terminationGracePeriodSeconds"] == grace_s
    read = settings_from_environment({**environment}, is_gateway=True)
    assert (read.drain_least_s, read.drain_s) == (drain_s, grace_s - 10)


def test_nobody_is_killed_while_it_starts() -> None:
    """With 100m of CPU a controller takes ten seconds until it answers, and nodes that boot have less."""
    (gateway,) = by_kind(GatewayInstallSettings(), "Deployment")
    (mesh,) = [item for item in mesh_manifests(MeshInstallSettings()) if item["kind"] == "Deployment"]
    for deployment in (gateway, mesh):
        for container in deployment["spec"]["template"]["spec"]["containers"]:
            if "livenessProbe" in container:
                startup = container["startupProbe"]
                assert startup["periodSeconds"] * startup["failureThreshold"] >= 120
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}


def test_installations_of_one_release_name_share_nothing_without_a_namespace() -> None:
    first, second = (
        {
            (item["kind"], item["metadata"]["name"])
            for item in gateway_manifests(settings)
            if "namespace" not in item["metadata"]
        }
        for settings in (GatewayInstallSettings(), GatewayInstallSettings(namespace="inside", ingress_class="inside"))
    )
    assert len(first) == len(second) == 4
    assert first & second == set()


def test_gateways_of_different_classes_have_a_leader_each() -> None:
    leases = set()
    for name in ("kong", "inside"):
        settings = GatewayInstallSettings(ingress_class=name)
        (deployment,) = by_kind(settings, "Deployment")
        env = deployment["spec"]["template"]["spec"]["containers"][0]["env"]
        read = GatewaySettings.from_environment({one["name"]: one.get("value", "") for one in env}, None)
        (role,) = by_kind(settings, "Role")
        named = [
            rule["resourceNames"]
            for rule in role["rules"]
            if rule["resources"] == ["leases"] and "resourceNames" in rule
        ]
        assert named == [[read.lease.name]]
        assert read.compile.ingress_class == name
        leases.add(read.lease.name)
    assert leases == {"kong-ingress-controller-leader-kong", "kong-ingress-controller-leader-inside"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--release", "Kong"],
        ["--release", "a" * 54],
        ["--release", ""],
        ["--namespace", "a/b"],
        ["--ingress-class", "a-"],
        ["--ingress-class", "a..b"],
        ["--ingress-class", "a." * 100 + "b"],
        ["--drain-seconds", "-1"],
        ["--drain-seconds", "9" * 30],
        ["--drain-seconds", "five"],
    ],
)
def test_what_cannot_be_a_value_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["install", "gateway", *arguments])
    assert f"{arguments[0]}: {arguments[1]!r}" in capsys.readouterr().err
