"""Ingress and IngressClass of networking.k8s.io/v1; servers convert the older versions to it."""

from typing import ClassVar

from msgspec import Struct, field

from crossfade_kube.core.service import LoadBalancerStatus
from crossfade_kube.meta import ObjectMeta, Resource


class ServiceBackendPort(Struct, frozen=True):
    """Either `number` or `name` is set."""

    number: int = 0
    name: str = ""


class IngressServiceBackend(Struct, frozen=True):
    name: str
    port: ServiceBackendPort = field(default_factory=ServiceBackendPort)


class TypedLocalRef(Struct, frozen=True, rename="camel"):
    kind: str
    name: str
    api_group: str | None = None


class IngressBackend(Struct, frozen=True):
    """Exactly one of the two is set."""

    service: IngressServiceBackend | None = None
    resource: TypedLocalRef | None = None


class HttpIngressPath(Struct, frozen=True, rename="camel"):
    backend: IngressBackend
    path: str = ""
    path_type: str = "ImplementationSpecific"


class HttpIngressRuleValue(Struct, frozen=True):
    paths: tuple[HttpIngressPath, ...] = ()


class IngressRule(Struct, frozen=True):
    """An empty `host` means any host."""

    host: str = ""
    http: HttpIngressRuleValue | None = None


class IngressTls(Struct, frozen=True, rename="camel"):
    hosts: tuple[str, ...] = ()
    secret_name: str = ""


class IngressSpec(Struct, frozen=True, rename="camel"):
    ingress_class_name: str | None = None
    default_backend: IngressBackend | None = None
    tls: tuple[IngressTls, ...] = ()
    rules: tuple[IngressRule, ...] = ()


class IngressStatus(Struct, frozen=True, rename="camel"):
    load_balancer: LoadBalancerStatus = field(default_factory=LoadBalancerStatus)


class Ingress(Struct, frozen=True):
    RESOURCE: ClassVar = Resource("networking.k8s.io", "v1", "ingresses", "Ingress", namespaced=True)

    metadata: ObjectMeta
    spec: IngressSpec = field(default_factory=IngressSpec)
    status: IngressStatus = field(default_factory=IngressStatus)


class IngressClassParametersRef(Struct, frozen=True, rename="camel"):
    kind: str
    name: str
    api_group: str | None = None
    scope: str | None = None
    namespace: str | None = None


class IngressClassSpec(Struct, frozen=True):
    controller: str = ""
    parameters: IngressClassParametersRef | None = None


class IngressClass(Struct, frozen=True):
    RESOURCE: ClassVar = Resource("networking.k8s.io", "v1", "ingressclasses", "IngressClass", namespaced=False)

    metadata: ObjectMeta
    spec: IngressClassSpec = field(default_factory=IngressClassSpec)
