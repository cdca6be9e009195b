"""What the gateway's controller asks of a cluster and what the manifests allow it, where that is enforced."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from crossfade.compile.gateway.compiler import INPUT_KINDS
from crossfade.compile.gateway.settings import CompileSettings
from crossfade.compile.mesh_native.inputs import MESH_KINDS
from crossfade.controller.gateway.role import run_gateway_role
from crossfade.controller.gateway.settings import GatewaySettings, WebhookSettings
from crossfade.install.gateway import (
    GatewayInstallSettings,
    gateway_api_crds,
    gateway_manifests,
)
from crossfade.install.mesh import mesh_crds
from crossfade.kong_conf.listen import stream_listens
from crossfade.kong_conf.settings import KongSettings
from crossfade.observe.access import AUDIENCE, HEADER
from crossfade.observe.pages import REQUESTS_PATH
from crossfade_kube import yaml_texts
from crossfade_kube.client import Client
from crossfade_kube.kubeconfig import load_kubeconfig
from crossfade_kube.meta import JsonObject, NamespacedName, Resource
from crossfade_kube.resources import CUSTOM_RESOURCE_DEFINITION
from tests.support.api_recorder import Asked, Recorder, recording
from tests.support.envoy import until
from tests.support.gateway_role import kong_api
from tests.support.ports import free_ports
from tests.support.waiting import eventually

INSTALLED = GatewayInstallSettings()
MESH_NATIVE = GatewayInstallSettings(mesh_native=True)
RESOURCES = {kind.RESOURCE.kind: kind.RESOURCE for kind in (*INPUT_KINDS, *MESH_KINDS)} | {
    resource.kind: resource
    for resource in (
        Resource("", "v1", "namespaces", "Namespace", namespaced=False),
        Resource("", "v1", "serviceaccounts", "ServiceAccount", namespaced=True),
        Resource("rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", namespaced=False),
        Resource("rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False),
        Resource("rbac.authorization.k8s.io", "v1", "roles", "Role", namespaced=True),
        Resource("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding", namespaced=True),
        Resource(
            "admissionregistration.k8s.io",
            "v1",
            "validatingwebhookconfigurations",
            "ValidatingWebhookConfiguration",
            namespaced=False,
        ),
    )
}
# Pods are looked at for names of Cloud Map only.
MESH_OBJECTS = """\
apiVersion: appmesh.k8s.aws/v1beta2
kind: Mesh
metadata: {name: m}
spec: {namespaceSelector: {}}
---
apiVersion: appmesh.k8s.aws/v1beta2
kind: VirtualNode
metadata: {name: kong}
spec:
  meshRef: {name: m, uid: ""}
  awsName: kong_default
  podSelector: {}
  serviceDiscovery: {awsCloudMap: {namespaceName: n, serviceName: s}}
"""
# One object at least of each kind whose status the controller writes, and a fault for an Event.
OBJECTS = """\
apiVersion: v1
kind: Service
metadata: {name: web, annotations: {konghq.com/upstream-policy: spread, konghq.com/read-timeout: "-5"}}
spec: {type: ExternalName, externalName: 127.0.0.1, ports: [{name: http, port: 80}]}
---
apiVersion: configuration.konghq.com/v1beta1
kind: KongUpstreamPolicy
metadata: {name: spread}
spec: {algorithm: least-connections}
---
apiVersion: incubator.ingress-controller.konghq.com/v1alpha1
kind: KongServiceFacade
metadata: {name: face, annotations: {kubernetes.io/ingress.class: kong}}
spec: {backendRef: {name: web, port: 80}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, annotations: {konghq.com/plugins: keys}}
spec:
  ingressClassName: kong
  rules:
  - http:
      paths:
      - {path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}
      - path: /face
        pathType: Prefix
        backend:
          resource: {apiGroup: incubator.ingress-controller.konghq.com, kind: KongServiceFacade, name: face}
---
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {name: keys}
plugin: key-auth
---
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {name: transcode}
plugin: grpc-gateway
config: {proto: web.proto}
---
apiVersion: configuration.konghq.com/v1
kind: KongClusterPlugin
metadata: {name: everywhere, labels: {global: "true"}, annotations: {kubernetes.io/ingress.class: kong}}
plugin: cors
---
apiVersion: configuration.konghq.com/v1
kind: KongConsumer
metadata: {name: ann, annotations: {kubernetes.io/ingress.class: kong}}
username: ann
consumerGroups: [gold]
---
apiVersion: configuration.konghq.com/v1beta1
kind: KongConsumerGroup
metadata: {name: gold, annotations: {kubernetes.io/ingress.class: kong}}
---
apiVersion: configuration.konghq.com/v1alpha1
kind: KongVault
metadata: {name: keys, annotations: {kubernetes.io/ingress.class: kong}}
spec: {backend: env, prefix: keys, config: {prefix: NO_}}
---
apiVersion: configuration.konghq.com/v1alpha1
kind: KongCustomEntity
metadata: {name: entity}
spec: {type: degraphql_routes, controllerName: kong, fields: {uri: /a}}
---
apiVersion: configuration.konghq.com/v1beta1
kind: TCPIngress
metadata: {name: lines, annotations: {kubernetes.io/ingress.class: kong}}
spec: {rules: [{port: 9000, backend: {serviceName: web, servicePort: 80}}]}
---
apiVersion: configuration.konghq.com/v1beta1
kind: UDPIngress
metadata: {name: names, annotations: {kubernetes.io/ingress.class: kong}}
spec: {rules: [{port: 9053, backend: {serviceName: web, servicePort: 80}}]}
"""
WRITTEN = {
    "events",
    "leases",
    "secrets",
    "validatingwebhookconfigurations",
    "ingresses/status",
    "kongclusterplugins/status",
    "kongconsumergroups/status",
    "kongconsumers/status",
    "kongcustomentities/status",
    "kongplugins/status",
    "kongservicefacades/status",
    "kongupstreampolicies/status",
    "kongvaults/status",
    "tcpingresses/status",
    "udpingresses/status",
}


# News that come again, certificates before they expire, a lease that is kept.
LATER = {
    Asked("patch", "", "events"),
    Asked("update", "", "secrets"),
    Asked("update", "coordination.k8s.io", "leases"),
}


# Whoever may make tokens of the account has this right by it.
OF_WHO_WATCHES = {Asked("get", "", "pods/tap")}


async def installed(client: Client, install: GatewayInstallSettings) -> tuple[str, str]:
    """The gateway's manifests without its pods, and the objects; tokens of its service account, for the API server and
    for who watches requests.
    """
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": INSTALLED.namespace}}
    for definition in (*gateway_api_crds(), *(mesh_crds() if install.mesh_native else ())):
        await client.create(CUSTOM_RESOURCE_DEFINITION, definition)
    manifests = (item for item in gateway_manifests(install) if item["kind"] != "Deployment")
    of_mesh = yaml_texts.load_all(MESH_OBJECTS) if install.mesh_native else ()
    for document in (namespace, *manifests, *yaml_texts.load_all(OBJECTS), *of_mesh):
        await _apply(client, document)
    address = {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}}
    proxy = (RESOURCES["Service"], f"{INSTALLED.fullname}-proxy", address)
    await client.patch(*proxy, namespace=INSTALLED.namespace, subresource="status")
    path = f"/api/v1/namespaces/{INSTALLED.namespace}/serviceaccounts/{INSTALLED.fullname}/token"
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"}
    own = await client.request("POST", path, body=asked)
    watching = await client.request("POST", path, body={**asked, "spec": {"audiences": [AUDIENCE]}})
    return str(own["status"]["token"]), str(watching["status"]["token"])


async def records_are_shown(port: int, token: str) -> bool:
    """Whether a controller shows them there to whom the API server lets see those of all namespaces."""
    try:
        async with (
            aiohttp.ClientSession(headers={HEADER: token}) as session,
            session.get(f"http://127.0.0.1:{port}{REQUESTS_PATH}?id=longenough") as answer,
        ):
            return answer.status == 200
    except aiohttp.ClientConnectionError:
        return False


async def _apply(client: Client, document: JsonObject) -> None:
    resource = RESOURCES[document["kind"]]
    if resource.namespaced:
        document["metadata"].setdefault("namespace", "default")
    await client.apply(resource, document, field_manager="test")


@asynccontextmanager
async def role_as_its_service_account(
    folder: Path, install: GatewayInstallSettings
) -> AsyncIterator[tuple[Recorder, Callable[[], Awaitable[bool]]]]:
    """What it asks, and what makes it show records."""
    async with kong_api(folder / "api") as kubeconfig:
        config = load_kubeconfig(kubeconfig)
        async with Client(config, user_agent="test") as client:
            token, watching = await installed(client, install)
        async with recording(config) as recorder:
            own = folder / "own.yaml"
            own.write_text(yaml.safe_dump(kubeconfig_of(recorder.url, token)))
            ads_port, health_port, webhook_port, records_port = free_ports(4)
            kong = KongSettings(stream_listen=stream_listens("127.0.0.1:9000, 127.0.0.1:9053 udp"))
            settings = GatewaySettings(
                CompileSettings(
                    kong=kong,
                    records=True,
                    mesh_node="mesh/m/virtualNode/kong_default" if install.mesh_native else "",
                ),
                NamespacedName(INSTALLED.namespace, "kong-ingress-controller-leader-kong"),
                "kong-kong-0",
                kubeconfig=own,
                publish_service=NamespacedName(INSTALLED.namespace, f"{INSTALLED.fullname}-proxy"),
                ads_address=f"127.0.0.1:{ads_port}",
                health_port=health_port,
                records_port=records_port,
                admin_listen=(),
                webhook=WebhookSettings(
                    webhook_port,
                    INSTALLED.webhook_name,
                    NamespacedName(INSTALLED.namespace, INSTALLED.webhook_service),
                ),
            )
            role = asyncio.create_task(run_gateway_role(settings))
            try:
                yield recorder, partial(records_are_shown, records_port, watching)
            finally:
                role.cancel()
                await asyncio.gather(role, return_exceptions=True)


def kubeconfig_of(server: str, token: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "own",
        "contexts": [{"name": "own", "context": {"cluster": "own", "user": "own"}}],
        "clusters": [{"name": "own", "cluster": {"server": server}}],
        "users": [{"name": "own", "user": {"token": token}}],
    }


def granted(install: GatewayInstallSettings) -> set[Asked]:
    roles = [item for item in gateway_manifests(install) if item["kind"] in ("ClusterRole", "Role")]
    return {one for role in roles for rule in role["rules"] for one in grants(rule)}


def grants(rule: JsonObject) -> Iterator[Asked]:
    for group in rule["apiGroups"]:
        for resource in rule["resources"]:
            yield from (Asked(verb, group, resource) for verb in rule["verbs"])


@pytest.mark.parametrize("install", [INSTALLED, MESH_NATIVE], ids=["alone", "mesh-native"])
async def test_nothing_is_forbidden_and_nothing_is_allowed_in_vain(
    install: GatewayInstallSettings, tmp_path: Path
) -> None:
    async with role_as_its_service_account(tmp_path, install) as (recorder, shows_records):

        def has_written() -> bool:
            return {one.resource for one in recorder.asked if one.verb in ("create", "update", "patch")} >= WRITTEN

        await eventually(has_written, within_s=60)
        await until(shows_records, within_s=60)
        assert {one for one, statuses in recorder.asked.items() if 403 in statuses} == set()
        # Objects of every kind are served and the definitions take every status.
        refused = {one: statuses & {400, 404, 422} for one, statuses in recorder.asked.items()}
        created_first = {"leases", "secrets"}
        assert {one for one, found in refused.items() if found and one.resource not in created_first} == set()
        asked = set(recorder.asked)
        assert asked <= granted(install)
        assert granted(install) - asked <= LATER | OF_WHO_WATCHES
