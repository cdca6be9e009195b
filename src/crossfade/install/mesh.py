"""The manifests of the App Mesh part: the kinds, the controller, its webhooks."""

import json

from msgspec import Struct

from crossfade import __version__
from crossfade.install.appmesh.backend_group import backend_group_definition
from crossfade.install.appmesh.gateway_route import gateway_route_definition
from crossfade.install.appmesh.mesh import mesh_definition
from crossfade.install.appmesh.virtual_gateway import virtual_gateway_definition
from crossfade.install.appmesh.virtual_node import virtual_node_definition
from crossfade.install.appmesh.virtual_router import virtual_router_definition
from crossfade.install.appmesh.virtual_service import virtual_service_definition
from crossfade.install.field_descriptions import add_descriptions
from crossfade.install.mesh_access import access_manifests
from crossfade.install.mesh_names import (
    ADS_PORT,
    ADS_SERVICE,
    HEALTH_PORT,
    NAME,
    NAMESPACE,
    WEBHOOK_PORT,
    WEBHOOK_SERVICE,
)
from crossfade.install.mesh_webhooks import webhook_manifests
from crossfade_kube.meta import JsonObject


class MeshInstallSettings(Struct, frozen=True):
    """`region` and `account_id` only appear in ARNs.

    With `reads_acm_secrets` the controller may read Secrets, of which some stand for ACM's certificates. `sds_socket`
    is a socket of the nodes at which an agent gives sidecars certificates.
    """

    region: str = "us-west-2"
    account_id: str = "000000000000"
    ip_family: str = "ipv4"
    version: str = __version__
    reads_acm_secrets: bool = False
    sds_socket: str = ""


def mesh_crds() -> list[JsonObject]:
    """CustomResourceDefinitions of the seven App Mesh kinds."""
    made = [
        mesh_definition(),
        virtual_node_definition(),
        virtual_service_definition(),
        virtual_router_definition(),
        virtual_gateway_definition(),
        gateway_route_definition(),
        backend_group_definition(),
    ]
    return [add_descriptions(crd) for crd in _unshared(made)]


def mesh_manifests(settings: MeshInstallSettings) -> list[JsonObject]:
    """Everything, in the order in which it should be applied."""
    labels = {"app.kubernetes.io/name": NAME, "app.kubernetes.io/instance": NAME}
    return [
        *mesh_crds(),
        *_unshared(
            [
                {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
                *access_manifests(labels, reads_secrets=settings.reads_acm_secrets),
                _service(WEBHOOK_SERVICE, {"name": "webhook", "port": 443, "targetPort": WEBHOOK_PORT}, labels),
                _service(ADS_SERVICE, {"name": "ads", "port": ADS_PORT, "targetPort": ADS_PORT}, labels),
                _deployment(settings, labels),
                *webhook_manifests(labels),
            ]
        ),
    ]


def _unshared(objects: list[JsonObject]) -> list[JsonObject]:
    """Parts that objects share would be printed as YAML anchors."""
    return [json.loads(json.dumps(item)) for item in objects]


def _service(name: str, port: JsonObject, labels: dict[str, str]) -> JsonObject:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels},
        "spec": {"selector": labels, "ports": [{**port, "protocol": "TCP"}]},
    }


def _deployment(settings: MeshInstallSettings, labels: dict[str, str]) -> JsonObject:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": NAME,
            "namespace": NAMESPACE,
            "labels": {**labels, "app.kubernetes.io/version": settings.version},
        },
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"serviceAccountName": NAME, "containers": [_container(settings)]},
            },
        },
    }


def _container(settings: MeshInstallSettings) -> JsonObject:
    env = {
        "AWS_REGION": settings.region,
        "AWS_ACCOUNT_ID": settings.account_id,
        "CROSSFADE_IP_FAMILY": settings.ip_family,
        **({"CROSSFADE_SDS_SOCKET": settings.sds_socket} if settings.sds_socket else {}),
    }
    return {
        "name": "controller",
        "image": f"crossfade/controller:{settings.version}",
        "imagePullPolicy": "IfNotPresent",
        "args": ["--role", "mesh"],
        "env": [
            *({"name": name, "value": value} for name, value in env.items()),
            _from_field("POD_NAME", "metadata.name"),
            _from_field("POD_NAMESPACE", "metadata.namespace"),
        ],
        "ports": [
            {"name": "webhook-server", "containerPort": WEBHOOK_PORT, "protocol": "TCP"},
            {"name": "ads", "containerPort": ADS_PORT, "protocol": "TCP"},
            {"name": "health", "containerPort": HEALTH_PORT, "protocol": "TCP"},
        ],
        # With little CPU it takes a minute to start, and must not be judged by how it lives meanwhile.
        "startupProbe": {**_asked("/healthz"), "periodSeconds": 1, "failureThreshold": 180},
        "readinessProbe": {**_asked("/readyz"), "periodSeconds": 1},
        "livenessProbe": {**_asked("/healthz"), "periodSeconds": 10},
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False},
    }


def _asked(path: str) -> JsonObject:
    return {"httpGet": {"path": path, "port": HEALTH_PORT}, "timeoutSeconds": 10}


def _from_field(name: str, path: str) -> JsonObject:
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}
