"""The kinds that are read: definitions of our own, and fields of Kubernetes' kinds."""

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from crossfade.api.appmesh import (
    BackendGroup,
    GatewayRoute,
    Mesh,
    VirtualGateway,
    VirtualNode,
    VirtualRouter,
    VirtualService,
)
from crossfade.api.gateway_api.reference_grant import ReferenceGrant
from crossfade.api.kong.class_parameters import IngressClassParameters
from crossfade.api.kong.consumer import KongConsumer, KongConsumerGroup
from crossfade.api.kong.custom_entity import KongCustomEntity
from crossfade.api.kong.ingress import KongIngress
from crossfade.api.kong.plugin import KongClusterPlugin, KongPlugin
from crossfade.api.kong.service_facade import KongServiceFacade
from crossfade.api.kong.stream_ingress import TcpIngress, UdpIngress
from crossfade.api.kong.upstream_policy import KongUpstreamPolicy
from crossfade.api.kong.vault import KongVault
from crossfade.install.gateway import gateway_api_crds, gateway_crds
from crossfade.install.mesh import mesh_crds
from crossfade_kube.core.config_map import ConfigMap
from crossfade_kube.core.endpoint_slice import EndpointSlice
from crossfade_kube.core.ingress import Ingress, IngressClass
from crossfade_kube.core.namespace import Namespace
from crossfade_kube.core.pod import Pod
from crossfade_kube.core.secret import Secret
from crossfade_kube.core.service import Service
from crossfade_kube.meta import JsonObject


class KubernetesKind(Struct, frozen=True):
    """`fields` are those that have an effect, `refused` those whose authors are told, each with a word on it."""

    kind: type[Any]
    fields: Mapping[str, str]
    refused: Mapping[str, str] = {}


APP_MESH: Final[tuple[type[Any], ...]] = (
    Mesh,
    VirtualNode,
    VirtualService,
    VirtualRouter,
    VirtualGateway,
    GatewayRoute,
    BackendGroup,
)
KONG: Final[tuple[type[Any], ...]] = (
    KongPlugin,
    KongClusterPlugin,
    KongConsumer,
    KongConsumerGroup,
    KongVault,
    KongCustomEntity,
    KongIngress,
    KongUpstreamPolicy,
    KongServiceFacade,
    TcpIngress,
    UdpIngress,
    IngressClassParameters,
    ReferenceGrant,
)
_BACKEND: Final = {
    "service.name": "a Service of the namespace; one that does not exist is answered 503",
    "service.port.name": "its port by name",
    "service.port.number": "its port by number",
}
_FACADE: Final = {
    "apiGroup": "`incubator.ingress-controller.konghq.com`",
    "kind": "`KongServiceFacade`; other kinds are told, and their paths match no request",
    "name": "a KongServiceFacade of the namespace; one that does not exist is answered 503",
}
KUBERNETES: Final = (
    KubernetesKind(
        Ingress,
        {
            "spec.ingressClassName": "the gateway of this class serves it; the annotation comes first",
            "spec.rules[].host": "exact, or with `*.` in front; empty: all hosts",
            "spec.rules[].http.paths[].path": "what requests' paths begin with, are, or fit",
            "spec.rules[].http.paths[].pathType": "`Exact`, `Prefix`, or `ImplementationSpecific`: as on Kong",
            **{f"spec.rules[].http.paths[].backend.{name}": text for name, text in _BACKEND.items()},
            **{
                f"spec.defaultBackend.{name}": f"for requests that no rule takes: {text}"
                for name, text in _BACKEND.items()
            },
            **{
                f"{place}.resource.{name}": text
                for place in ("spec.rules[].http.paths[].backend", "spec.defaultBackend")
                for name, text in _FACADE.items()
            },
            "spec.tls[].hosts": "server names that the certificate answers for, at ports of `stream_listen` too",
            "spec.tls[].secretName": "a Secret with `tls.crt` and `tls.key`",
        },
    ),
    KubernetesKind(
        IngressClass,
        {
            "spec.parameters.apiGroup": "`configuration.konghq.com`",
            "spec.parameters.kind": "`IngressClassParameters`",
            "spec.parameters.name": "its name",
            "spec.parameters.namespace": "its namespace",
        },
    ),
    KubernetesKind(
        Service,
        {
            "spec.type": "`ExternalName` is sent to its name, all others to their endpoints",
            "spec.externalName": "where an ExternalName is sent to",
            "spec.ports[].name": "by which backends and endpoints name the port",
            "spec.ports[].port": "by which backends name the port",
            "spec.ports[].protocol": "only `TCP` counts, for UDPIngresses only `UDP`",
            "spec.ports[].targetPort": "by which backends may name the port too",
        },
    ),
    KubernetesKind(
        EndpointSlice,
        {
            "addressType": "`IPv4` and `IPv6` count",
            "endpoints[].addresses": "where requests go",
            "endpoints[].conditions.ready": "those that are false are left out",
            "ports[].name": "of the Service's port",
            "ports[].port": "where requests go",
        },
    ),
    KubernetesKind(
        Secret,
        {
            "data": "credentials of consumers, certificates, configurations of plugins",
        },
    ),
    KubernetesKind(
        ConfigMap,
        {"data": "certificates of authorities, under `cert` or `ca.crt`"},
    ),
    KubernetesKind(
        Pod,
        {
            "metadata.annotations": "shape its sidecar, see above",
            "metadata.labels": "by which virtual nodes and virtual gateways select it",
            "spec.hostNetwork": "a pod on the host's network that would get a sidecar is refused",
        },
    ),
    KubernetesKind(
        Namespace,
        {"metadata.labels": "select meshes and virtual gateways, and whether pods get sidecars"},
    ),
)


def schema_of(kind: type[Any]) -> JsonObject:
    """That of the version that is read."""
    resource = kind.RESOURCE
    definitions = (*mesh_crds(), *gateway_crds(), *gateway_api_crds())
    (found,) = (one for one in definitions if one["spec"]["names"]["kind"] == resource.kind)
    (version,) = (one for one in found["spec"]["versions"] if one["name"] == resource.version)
    schema: JsonObject = version["schema"]["openAPIV3Schema"]
    return schema
