"""Kong's objects in a cluster, as kubectl shows them: columns, conditions, Events, and what the webhook says."""

import re
import subprocess
from collections.abc import Iterator

import pytest

from tests.support.cluster import EmbeddedCluster
from tests.support.dj import SOON_S, dj_behind_the_gateway, events_about, gateway_pods
from tests.support.gateway import eventually

pytestmark = [pytest.mark.cluster, pytest.mark.envoy]

OBJECTS = """
apiVersion: configuration.konghq.com/v1beta1
kind: KongConsumerGroup
metadata: {name: gold, namespace: prod, annotations: {kubernetes.io/ingress.class: kong}}
---
apiVersion: configuration.konghq.com/v1alpha1
kind: KongVault
metadata: {name: keys, annotations: {kubernetes.io/ingress.class: kong}}
spec: {backend: kubernetes, prefix: keys, config: {namespace: prod}, description: of the shop}
---
apiVersion: configuration.konghq.com/v1alpha1
kind: KongCustomEntity
metadata: {name: entity, namespace: prod}
spec: {type: degraphql_routes, controllerName: kong, fields: {uri: /a}}
---
apiVersion: configuration.konghq.com/v1
kind: KongConsumer
metadata: {name: ann, namespace: prod, annotations: {kubernetes.io/ingress.class: kong}}
username: ann
consumerGroups: [gold]
credentials: [ann-key]
---
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {name: plugins, namespace: prod}
spec:
  from: [{group: "", kind: Service, namespace: default}]
  to: [{group: configuration.konghq.com, kind: KongPlugin}]
"""


def secret(name: str, label: str, **data: str) -> str:
    values = ", ".join(f"{key}: '{value}'" for key, value in data.items())
    metadata = f"{{name: {name}, namespace: prod, labels: {{{label}}}}}"
    return f"---\napiVersion: v1\nkind: Secret\nmetadata: {metadata}\nstringData: {{{values}}}\n"


def key(name: str, value: str) -> str:
    return secret(name, "konghq.com/credential: key-auth", key=value)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCluster]:
    with dj_behind_the_gateway(tmp_path_factory.mktemp("kong-objects")) as running:
        manifests = OBJECTS + key("ann-key", "sesame") + key("same-key", "sesame")
        running.kubectl("apply", "-f", "-", stdin=manifests)
        yield running


def said(cluster: EmbeddedCluster, stdin: str) -> str:
    """What kubectl says of manifests that are denied, or of which there is a warning."""
    with pytest.raises(subprocess.CalledProcessError) as raised:
        cluster.kubectl("apply", "--warnings-as-errors", "-f", "-", stdin=stdin)
    return str(raised.value.stderr)


def row(cluster: EmbeddedCluster, kind: str, name: str) -> dict[str, str]:
    """Cells by heading, in their order."""
    heading, cells = cluster.kubectl("get", kind, name, "-n", "prod").splitlines()
    return dict(zip(re.split("  +", heading.strip()), re.split("  +", cells.strip()), strict=True))


def is_programmed(cluster: EmbeddedCluster, kind: str, name: str) -> bool:
    return row(cluster, kind, name)["PROGRAMMED"] == "True"


@pytest.mark.parametrize(
    ("kind", "name", "cells"),
    [
        ("kongconsumergroup", "gold", {"NAME": "gold", "AGE": "", "PROGRAMMED": "True"}),
        ("kongconsumer", "ann", {"NAME": "ann", "USERNAME": "ann", "AGE": "", "PROGRAMMED": "True"}),
        (
            "kongvault",
            "keys",
            {"NAME": "keys", "BACKEND TYPE": "kubernetes", "PREFIX": "keys", "AGE": "", "PROGRAMMED": "True"},
        ),
        (
            "kongcustomentity",
            "entity",
            {"NAME": "entity", "ENTITY TYPE": "degraphql_routes", "AGE": "", "PROGRAMMED": "False"},
        ),
    ],
)
def test_columns_say_what_is_in_use(cluster: EmbeddedCluster, kind: str, name: str, cells: dict[str, str]) -> None:
    eventually(lambda: row(cluster, kind, name)["PROGRAMMED"] != "Unknown", within_s=SOON_S)
    found = row(cluster, kind, name)
    assert list(found) == list(cells)
    assert {**found, "AGE": ""} == cells


def test_a_custom_entity_says_why_it_is_not_there(cluster: EmbeddedCluster) -> None:
    path = '{.status.conditions[?(@.type=="Programmed")].reason}'

    def reason() -> str:
        return cluster.kubectl("get", "kongcustomentity", "entity", "-n", "prod", "-o", f"jsonpath={path}")

    eventually(lambda: reason() == "Invalid", within_s=SOON_S)
    text = "entity type degraphql_routes is not supported"
    eventually(lambda: text in events_about(cluster, "KongCustomEntity", "entity"), within_s=SOON_S)


def test_the_pod_says_that_its_proxy_has_the_configuration(cluster: EmbeddedCluster) -> None:
    (pod,) = gateway_pods(cluster)
    text = "KongConfigurationSucceeded: successfully applied Kong configuration"
    eventually(lambda: text in events_about(cluster, "Pod", pod, namespace="kong"), within_s=SOON_S)


def test_the_key_of_another_consumer_is_denied(cluster: EmbeddedCluster) -> None:
    """Nobody refers to the second Secret yet, so it may hold the same key."""
    eventually(lambda: is_programmed(cluster, "kongconsumer", "ann"), within_s=SOON_S)
    bob = """
apiVersion: configuration.konghq.com/v1
kind: KongConsumer
metadata: {name: bob, namespace: prod, annotations: {kubernetes.io/ingress.class: kong}}
username: bob
credentials: [same-key]
"""
    text = said(cluster, bob)
    assert 'admission webhook "validations.kong.konghq.com" denied the request: ' in text
    assert "consumer credential failed validation: unique key constraint violated for key" in text
    assert "consumer already exists" in said(cluster, bob.replace("username: bob", "username: ann"))
    # Of another class it is another controller's business.
    cluster.kubectl("apply", "-f", "-", stdin=bob.replace("class: kong", "class: other"))


def test_a_secret_that_spoils_a_plugin_is_denied(cluster: EmbeddedCluster) -> None:
    label = "konghq.com/validate: plugin"
    plugin = """
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {name: taken, namespace: prod}
plugin: rate-limiting
configFrom: {secretKeyRef: {name: limits, key: config}}
"""
    cluster.kubectl("apply", "-f", "-", stdin=plugin + secret("limits", label, config="minute: 5"))
    eventually(lambda: is_programmed(cluster, "kongplugin", "taken"), within_s=SOON_S)
    text = said(cluster, secret("limits", label, config="minute: often"))
    assert 'admission webhook "plugins.validation.kong.konghq.com" denied the request: ' in text
    assert "Change on secret will generate invalid configuration for KongPlugin prod/taken: " in text
    assert "config.minute: expected a number" in text


def test_a_second_vault_with_a_prefix_and_an_override_are_told(cluster: EmbeddedCluster) -> None:
    vault = """
apiVersion: configuration.konghq.com/v1alpha1
kind: KongVault
metadata: {name: more, annotations: {kubernetes.io/ingress.class: kong}}
spec: {backend: env, prefix: keys, config: {prefix: SHOP_}}
"""
    eventually(lambda: is_programmed(cluster, "kongvault", "keys"), within_s=SOON_S)
    assert 'spec.prefix "keys" is duplicate with existing KongVault "keys"' in said(cluster, vault)
    service = """
apiVersion: v1
kind: Service
metadata: {name: tuned, namespace: prod, annotations: {konghq.com/override: timeouts}}
spec: {ports: [{port: 80}]}
"""
    assert "konghq.com/override is deprecated and will be removed" in said(cluster, service)
    assert cluster.kubectl("get", "service", "tuned", "-n", "prod", "-o", "name")
