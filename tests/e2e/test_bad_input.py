"""What a user is told about input that cannot work, and that nothing else suffers from it."""

import subprocess
from collections.abc import Iterator

import pytest

from tests.support.cluster import EmbeddedCluster
from tests.support.dj import SOON_S, ask, dj_behind_the_gateway, events_about, ingress, plugin, wait_for_status
from tests.support.gateway import eventually

pytestmark = [pytest.mark.cluster, pytest.mark.envoy]

KONG_WEBHOOK = ("validatingwebhookconfiguration", "kong-kong-kong-validations")
FILE_WITH_TWO_FAULTS = """
apiVersion: v1
kind: ConfigMap
metadata: {name: before, namespace: default}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: wrong, namespace: default}
spec:
  replica: 2
  selector: {matchLabels: {app: wrong}}
  template: {metadata: {labels: {app: wrong}}, spec: {containers: [{name: main, image: any}]}}
---
apiVersion: appmesh.k8s.aws/v1beta2
kind: VirtualNode
metadata: {name: wrong, namespace: prod}
spec: {listeners: [{portMapping: {port: eighty, protocol: http}}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: after, namespace: default}
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCluster]:
    with dj_behind_the_gateway(tmp_path_factory.mktemp("bad-input")) as running:
        running.kubectl("apply", "-f", "-", stdin=ingress("good", host="good.test"))
        wait_for_status(running, 200, "/jazz", host="good.test")
        yield running


def refused(cluster: EmbeddedCluster, *arguments: str, stdin: str | None = None) -> str:
    """What kubectl says on stderr, with exit code 1."""
    with pytest.raises(subprocess.CalledProcessError) as raised:
        cluster.kubectl(*arguments, stdin=stdin)
    assert raised.value.returncode == 1
    return str(raised.value.stderr)


def condition(cluster: EmbeddedCluster, kind: str, name: str, condition_type: str) -> str:
    path = f'{{.status.conditions[?(@.type=="{condition_type}")].status}}'
    return cluster.kubectl("get", kind, name, "-n", "prod", "-o", f"jsonpath={path}")


def test_unknown_image_names_the_missing_entry(cluster: EmbeddedCluster) -> None:
    cluster.kubectl("run", "thing", "--image=acme/thing:1.2", "-n", "default")
    waiting = (
        "{.status.containerStatuses[0].state.waiting.reason}: {.status.containerStatuses[0].state.waiting.message}"
    )

    def told() -> str:
        return cluster.kubectl("get", "pod", "thing", "-n", "default", "-o", f"jsonpath={waiting}")

    eventually(lambda: told().startswith(("ErrImagePull: ", "ImagePullBackOff: ")), within_s=SOON_S)
    for text in ('no entry of the image catalogue matches "acme/thing:1.2"', "crossfade up --images FILE", "argv: ["):
        assert text in told()
    assert "acme/thing:1.2" in events_about(cluster, "Pod", "thing", namespace="default")


def test_wrong_fields_get_the_words_of_kubernetes_and_the_rest_is_applied(cluster: EmbeddedCluster) -> None:
    said = refused(cluster, "apply", "-f", "-", stdin=FILE_WITH_TWO_FAULTS)
    assert 'Deployment in version "v1" cannot be handled as a Deployment: strict decoding error' in said
    assert 'unknown field "spec.replica"' in said
    assert 'The VirtualNode "wrong" is invalid' in said or 'VirtualNode.appmesh.k8s.aws "wrong" is invalid' in said
    assert 'spec.listeners[0].portMapping.port in body must be of type integer: "string"' in said
    found = cluster.kubectl("get", "configmaps", "-n", "default", "-o", "name")
    assert {"configmap/before", "configmap/after"} <= set(found.split())


@pytest.mark.parametrize(
    ("manifest", "texts"),
    [
        (plugin("bad", "no-such"), ("plugin 'no-such' not enabled", "key-auth", "rate-limiting")),
        (plugin("bad", "key-auth", "{key_namez: [a]}"), ("config.key_namez: unknown field", "key_names")),
        (plugin("bad", "rate-limiting", "{minute: 0}"), ("config.minute: value must be greater than 0",)),
        (plugin("bad", "rate-limiting", "{minute: 1, policy: nearby}"), ("config.policy: expected one of: local",)),
        (plugin("bad", "rate-limiting", '{minute: "5"}'), ("config.minute: expected a number",)),
        (plugin("bad", "rate-limiting"), ("at least one of these fields must be non-empty", "config.minute")),
    ],
    ids=["unknown-plugin", "unknown-field", "out-of-range", "not-in-list", "wrong-type", "nothing-to-limit"],
)
def test_wrong_plugin_is_refused_with_field_and_allowed_values(
    cluster: EmbeddedCluster, manifest: str, texts: tuple[str, ...]
) -> None:
    said = refused(cluster, "apply", "-f", "-", stdin=manifest)
    assert 'admission webhook "validations.kong.konghq.com" denied the request' in said
    for text in texts:
        assert text in said
    assert "bad" not in cluster.kubectl("get", "kongplugins", "-n", "prod", "-o", "name")


def test_a_kind_without_effect_is_taken_with_a_warning(cluster: EmbeddedCluster) -> None:
    manifest = """
apiVersion: configuration.konghq.com/v1alpha1
kind: KongLicense
metadata: {name: paid}
rawLicenseString: "{}"
"""
    said = refused(cluster, "apply", "--warnings-as-errors", "-f", "-", stdin=manifest)
    assert "KongLicense has no effect in this gateway" in said
    assert cluster.kubectl("get", "konglicense", "paid", "-o", "name")


def test_parameters_of_the_class_that_are_missing_are_named(cluster: EmbeddedCluster) -> None:
    reference = (
        '{"apiGroup":"configuration.konghq.com","kind":"IngressClassParameters",'
        '"scope":"Namespace","namespace":"kong","name":"later"}'
    )
    patch = ("patch", "ingressclass", "kong", "--type=merge", "-p")
    cluster.kubectl(*patch, f'{{"spec":{{"parameters":{reference}}}}}')
    try:
        text = "IngressClassParameters kong/later not found"
        eventually(lambda: text in events_about(cluster, "IngressClass", "kong", namespace="default"), within_s=SOON_S)
        assert ask(cluster, "/jazz", host="good.test").status == 200
    finally:
        cluster.kubectl(*patch, '{"spec":{"parameters":null}}')


def test_wrong_plugin_that_gets_in_closes_its_routes_until_it_is_mended(cluster: EmbeddedCluster) -> None:
    webhook = cluster.kubectl("get", *KONG_WEBHOOK, "-o", "yaml", "--show-managed-fields=false")
    cluster.kubectl("delete", *KONG_WEBHOOK)
    try:
        manifests = plugin("broken", "rate-limiting", "{minute: 0}") + ingress(
            "shut", host="shut.test", plugins="broken"
        )
        cluster.kubectl("apply", "-f", "-", stdin=manifests)
        answer = wait_for_status(cluster, 503, "/jazz", host="shut.test")
        assert "rate-limiting of KongPlugin prod/broken has an invalid configuration" in answer.body
        assert ask(cluster, "/jazz", host="good.test").status == 200
        eventually(lambda: condition(cluster, "kongplugin", "broken", "Programmed") == "False", within_s=SOON_S)
        eventually(lambda: "config.minute" in events_about(cluster, "KongPlugin", "broken"), within_s=SOON_S)
        eventually(lambda: "answered 503" in events_about(cluster, "Ingress", "shut"), within_s=SOON_S)
        cluster.kubectl("patch", "kongplugin", "broken", "-n", "prod", "--type=merge", "-p", '{"config":{"minute":60}}')
        assert wait_for_status(cluster, 200, "/jazz", host="shut.test").headers["RateLimit-Limit"] == "60"
        eventually(lambda: condition(cluster, "kongplugin", "broken", "Programmed") == "True", within_s=SOON_S)
    finally:
        cluster.kubectl("create", "-f", "-", stdin=webhook.replace("resourceVersion:", "#"))


def test_a_certificate_that_cannot_be_used_is_named_and_harms_no_other(cluster: EmbeddedCluster) -> None:
    node = """
apiVersion: appmesh.k8s.aws/v1beta2
kind: VirtualNode
metadata: {name: odd, namespace: prod}
spec:
  podSelector: {matchLabels: {app: odd}}
  listeners:
    - portMapping: {port: 80, protocol: http}
      tls: {mode: STRICT, certificate: {file: {certificateChain: a.pem, privateKey: a.key}}}
  serviceDiscovery: {dns: {hostname: odd.prod.svc.cluster.local}}
"""
    cluster.kubectl("apply", "-f", "-", stdin=node)
    eventually(lambda: condition(cluster, "virtualnode", "odd", "VirtualNodeActive") == "False", within_s=SOON_S)
    eventually(lambda: "tls" in events_about(cluster, "VirtualNode", "odd"), within_s=SOON_S)
    assert condition(cluster, "virtualnode", "dj", "VirtualNodeActive") == "True"
    assert ask(cluster, "/jazz", host="good.test").status == 200


def test_pod_of_no_virtual_node_is_not_created(cluster: EmbeddedCluster) -> None:
    cluster.kubectl("create", "deployment", "stray", "--image=crossfade/djapp:v1", "-n", "prod")
    (replica_set,) = cluster.kubectl("get", "replicasets", "-n", "prod", "-l", "app=stray", "-o", "name").split()
    name = replica_set.partition("/")[2]
    text = "FailedCreate: Error creating: admission webhook"
    eventually(lambda: text in events_about(cluster, "ReplicaSet", name), within_s=SOON_S)
    told = events_about(cluster, "ReplicaSet", name)
    assert "sidecarInject enabled but no matching VirtualNode or VirtualGateway found" in told
    cluster.kubectl("delete", "deployment", "stray", "-n", "prod")


def test_virtual_node_in_a_namespace_of_no_mesh_is_denied(cluster: EmbeddedCluster) -> None:
    node = """
apiVersion: appmesh.k8s.aws/v1beta2
kind: VirtualNode
metadata: {name: lost, namespace: default}
spec: {listeners: [{portMapping: {port: 80, protocol: http}}]}
"""
    said = refused(cluster, "apply", "-f", "-", stdin=node)
    assert "failed to find matching mesh for namespace: default, expecting 1 but found 0" in said
