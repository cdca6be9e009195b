"""What `crossfade install mesh` prints fits together."""

from typing import Any

import jsonschema_rs
import pytest
import yaml

from crossfade.controller.mesh.flags import read_flags
from crossfade.controller.mesh.mounted_certificates import FOLDER
from crossfade.install.mesh import MeshInstallSettings, mesh_crds, mesh_manifests
from crossfade.install.mesh_chart import MESH_CHART
from crossfade.install.mesh_names import ads_address, server_names

Json = dict[str, Any]
MANIFESTS = mesh_manifests(MeshInstallSettings(region="eu-west-1", account_id="123456789012"))


def of_kind(kind: str) -> list[Json]:
    return [manifest for manifest in MANIFESTS if manifest["kind"] == kind]


def schema_of(kind: str) -> Json:
    crd = next(crd for crd in mesh_crds() if crd["spec"]["names"]["kind"] == kind)
    schema: Json = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


@pytest.mark.parametrize("crd", mesh_crds(), ids=lambda crd: crd["spec"]["names"]["kind"])
def test_kinds_look_as_they_did(crd: Json) -> None:
    names, version = crd["spec"]["names"], crd["spec"]["versions"][0]
    assert crd["metadata"]["name"] == f"{names['plural']}.appmesh.k8s.aws"
    assert version["name"] == "v1beta2"
    assert version["subresources"] == {"status": {}}
    assert version["schema"]["openAPIV3Schema"]["x-kubernetes-preserve-unknown-fields"] is True
    assert "shortNames" not in names
    is_mesh, is_group = names["kind"] == "Mesh", names["kind"] == "BackendGroup"
    assert crd["spec"]["scope"] == ("Cluster" if is_mesh else "Namespaced")
    assert names.get("categories") == (None if is_mesh else ["all"])
    columns = [column["name"] for column in version.get("additionalPrinterColumns", [])]
    assert columns == ([] if is_group else ["ARN", "AGE"])


@pytest.mark.parametrize("crd", mesh_crds(), ids=lambda crd: crd["spec"]["names"]["kind"])
def test_the_arn_column_shows_a_field_of_the_status(crd: Json) -> None:
    version = crd["spec"]["versions"][0]
    fields = version["schema"]["openAPIV3Schema"]["properties"]["status"].get("properties", {})
    for column in version.get("additionalPrinterColumns", []):
        if column["name"] == "ARN":
            assert column["jsonPath"].removeprefix(".status.") in fields


def health_check(without: str = "", **changed: Any) -> Json:
    check = {
        "protocol": "http",
        "healthyThreshold": 2,
        "unhealthyThreshold": 2,
        "timeoutMillis": 2000,
        "intervalMillis": 5000,
    }
    found = {name: value for name, value in {**check, **changed}.items() if name != without}
    return {"listeners": [{"portMapping": {"port": 80, "protocol": "http"}, "healthCheck": found}]}


def client_trust(trust: Json) -> Json:
    tls = {"mode": "STRICT", "certificate": {"sds": {"secretName": "s"}}, "validation": {"trust": trust}}
    return {"listeners": [{"portMapping": {"port": 443, "protocol": "http"}, "tls": tls}]}


def json_log(key: str, value: str) -> Json:
    file = {"path": "/dev/stdout", "format": {"json": [{"key": key, "value": value}]}}
    return {"logging": {"accessLog": {"file": file}}}


def target_port(port: int) -> Json:
    action = {"weightedTargets": [{"virtualNodeRef": {"name": "a"}, "weight": 1, "port": port}]}
    return {"routes": [{"name": "r", "tcpRoute": {"match": {"port": port}, "action": action}}]}


def gateway_target_port(port: int) -> Json:
    target = {"virtualService": {"virtualServiceRef": {"name": "a"}}, "port": port}
    return {"grpcRoute": {"match": {"serviceName": "s", "port": port}, "action": {"target": target}}}


@pytest.mark.parametrize(
    ("kind", "spec", "is_valid"),
    [
        ("VirtualNode", health_check(), True),
        ("VirtualNode", health_check(healthyThreshold=1), False),
        ("VirtualNode", health_check(intervalMillis=4999), False),
        ("VirtualNode", health_check(protocol="udp"), False),
        ("VirtualNode", health_check(without="healthyThreshold"), False),
        ("VirtualGateway", health_check(without="healthyThreshold"), True),
        ("VirtualGateway", health_check(without="unhealthyThreshold"), False),
        ("VirtualNode", json_log("status", "%RESPONSE_CODE%"), True),
        ("VirtualNode", json_log("", "%RESPONSE_CODE%"), False),
        ("VirtualGateway", json_log("status", ""), False),
        ("VirtualGateway", client_trust({"acm": {"certificateAuthorityARNs": ["arn:aws:acm-pca:::a"]}}), True),
        ("VirtualGateway", client_trust({"acm": {"certificateAuthorityARNs": []}}), False),
        ("VirtualRouter", target_port(0), True),
        ("VirtualRouter", target_port(-1), False),
        ("GatewayRoute", gateway_target_port(0), True),
        ("GatewayRoute", gateway_target_port(65536), False),
        ("VirtualNode", {"listeners": []}, True),
        ("VirtualNode", {"listeners": [{"portMapping": {"port": 65536, "protocol": "http"}}]}, False),
        ("VirtualGateway", {"listeners": [{"portMapping": {"port": 80, "protocol": "tcp"}}]}, False),
        ("VirtualRouter", {"listeners": []}, False),
        ("VirtualRouter", {"routes": [{"name": "r", "priority": 1001}]}, False),
        ("Mesh", {"egressFilter": {"type": "ALLOW_ALL"}}, True),
        ("Mesh", {"egressFilter": {}}, False),
        ("Mesh", {"unknownField": 1}, True),
        ("BackendGroup", {"virtualservices": [{"name": "a"}]}, True),
    ],
)
def test_schemas_keep_bounds_and_enumerations(kind: str, spec: Json, is_valid: bool) -> None:
    assert jsonschema_rs.validator_for(schema_of(kind)).is_valid({"spec": spec}) is is_valid


def test_selectors_are_owned_as_a_whole() -> None:
    selector = schema_of("VirtualGateway")["properties"]["spec"]["properties"]["gatewayRouteSelector"]
    expressions = selector["properties"]["matchExpressions"]
    assert selector["x-kubernetes-map-type"] == "atomic"
    assert expressions["x-kubernetes-list-type"] == "atomic"
    assert expressions["items"]["properties"]["values"]["x-kubernetes-list-type"] == "atomic"


def test_webhooks_point_at_the_service_and_fail_closed_but_for_deletions() -> None:
    services = {service["metadata"]["name"] for service in of_kind("Service")}
    for configuration in (*of_kind("MutatingWebhookConfiguration"), *of_kind("ValidatingWebhookConfiguration")):
        for webhook in configuration["webhooks"]:
            assert webhook["clientConfig"]["service"]["name"] in services
            deletes = webhook["rules"][0]["operations"] == ["DELETE"]
            assert webhook["failurePolicy"] == ("Ignore" if deletes else "Fail")
            assert webhook["sideEffects"] == "None"
    names = [webhook["name"] for webhook in of_kind("MutatingWebhookConfiguration")[0]["webhooks"]]
    assert names == [
        f"m{kind}.appmesh.k8s.aws"
        for kind in (
            "mesh",
            "virtualnode",
            "virtualservice",
            "virtualrouter",
            "virtualgateway",
            "gatewayroute",
            "backendgroup",
            "pod",
        )
    ]


@pytest.mark.parametrize("domain", ["cluster.local", "corp.example"])
def test_the_certificate_covers_what_clients_call(domain: str) -> None:
    names = server_names("appmesh-system", domain)
    assert ads_address("appmesh-system", domain) == f"appmesh-controller-ads.appmesh-system.svc.{domain}:18000"
    assert f"appmesh-controller-ads.appmesh-system.svc.{domain}" in names
    assert "appmesh-controller-webhook-service.appmesh-system.svc" in names


def test_cert_manager_makes_what_the_controller_finds_mounted() -> None:
    made = mesh_manifests(MeshInstallSettings(values={"enableCertManager": True}))
    authority, certificate = [one for one in made if one["kind"] == "Certificate"]
    (pod,) = [one["spec"]["template"]["spec"] for one in made if one["kind"] == "Deployment"]
    names = certificate["spec"]["dnsNames"]
    assert names == list(server_names("appmesh-system", "cluster.local"))
    # By the first that ends so the controller knows where sidecars reach it.
    assert names[0] == "appmesh-controller-webhook-service.appmesh-system.svc"
    assert pod["volumes"][-1]["secret"]["secretName"] == certificate["spec"]["secretName"]
    assert pod["containers"][0]["volumeMounts"][-1]["mountPath"] == str(FOLDER)
    registrations = [one for one in made if one["kind"].endswith("WebhookConfiguration")]
    wanted = {"cert-manager.io/inject-ca-from": f"appmesh-system/{certificate['metadata']['name']}"}
    assert [one["metadata"]["annotations"] for one in registrations] == [wanted, wanted]
    signers = {one["metadata"]["name"]: one["spec"] for one in made if one["kind"] == "Issuer"}
    signer = signers[certificate["spec"]["issuerRef"]["name"]]
    assert signer == {"ca": {"secretName": authority["spec"]["secretName"]}}
    assert signers[authority["spec"]["issuerRef"]["name"]] == {"selfSigned": {}}


def test_an_issuer_of_ones_own_signs_alone() -> None:
    issuer = {"name": "corp", "kind": "ClusterIssuer"}
    made = mesh_manifests(
        MeshInstallSettings(values={"enableCertManager": True, "crossfade": {"certManagerIssuer": issuer}})
    )
    assert [one["spec"]["issuerRef"] for one in made if one["kind"] == "Certificate"] == [issuer]
    assert "Issuer" not in {one["kind"] for one in made}


def test_no_service_takes_the_pod_of_the_releases_test_for_its_own() -> None:
    labels = MESH_CHART.tests["reach.yaml"]["metadata"]["labels"].fixed
    selectors = [one["spec"]["selector"] for one in mesh_manifests(MeshInstallSettings()) if one["kind"] == "Service"]
    assert selectors
    for selector in selectors:
        assert not selector.items() <= labels.items()


def test_settings_reach_the_controller() -> None:
    (deployment,) = of_kind("Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    env = {entry["name"]: entry.get("value") for entry in container["env"]}
    assert (env["AWS_REGION"], env["AWS_ACCOUNT_ID"]) == ("eu-west-1", "123456789012")
    assert container["args"][:2] == ["--role", "mesh"]
    flags = read_flags(container["args"][2:])
    assert (flags.unknown, flags.remarks) == ((), ())


def test_no_right_is_given_on_everything() -> None:
    for role in (*of_kind("ClusterRole"), *of_kind("Role")):
        for rule in role["rules"]:
            assert "*" not in (*rule["verbs"], *rule["resources"], *rule["apiGroups"])


def test_it_prints_without_anchors() -> None:
    text = yaml.safe_dump_all(MANIFESTS)
    assert "&id" not in text
