"""The manifests of one gateway, with names, labels and ports as Kong's chart 1.11 gives them; the Kong kinds' CRDs."""

import json
from importlib.resources import files
from typing import Any, Final

import yaml
from msgspec import Struct

from crossfade import __version__
from crossfade.api.gateway_api.reference_grant import ReferenceGrant
from crossfade.api.kong.service_facade import FACADE_GROUP
from crossfade.compile.gateway.acme_store import secret_names
from crossfade.inject.mesh_native import KEY as MESH_NATIVE
from crossfade.install.field_descriptions import add_descriptions
from crossfade_kube.meta import JsonObject, Resource

CONTROLLER_NAME: Final = "ingress-controllers.konghq.com/kong"
_ELECTION: Final = "kong-ingress-controller-leader"
ELECTION_ID: Final = f"{_ELECTION}-kong"
# With what the names of the Secrets begin that hold certificates of the plugin acme.
ACME_SECRETS: Final = "kong-kong-acme"
HEALTH_PORT: Final = 10254
STATUS_PORT: Final = 8100
WEBHOOK_PORT: Final = 8080
# Not 1337, which bypasses a mesh's sidecar: Kong's traffic is meant to go through it.
_USER: Final = 1000
# What the proxy does by itself: how long it serves at least, and at most, when it is told to end.
DRAIN_S: Final = 5
LONGEST_DRAIN_S: Final = 20
# After the time that an ending pod serves at least, and until the kubelet kills it.
_LAST_REQUESTS_S: Final = 15
_MARGIN_S: Final = 10
_KONG_KINDS: Final = (
    "kongplugins",
    "kongclusterplugins",
    "kongconsumers",
    "kongconsumergroups",
    "kongingresses",
    "kongupstreampolicies",
    "kongvaults",
    "kongcustomentities",
)
# Only looked at when they are written, to say that they have no effect.
_WITHOUT_EFFECT: Final = ("konglicenses",)
# Kong's webhook has nothing to say on them.
_STREAM_KINDS: Final = ("tcpingresses", "udpingresses")
# What decides on requests of a virtual node.
_MESH_KINDS: Final = ("meshes", "virtualnodes", "virtualservices", "virtualrouters", "backendgroups")
_WITH_STATUS: Final = (*(kind for kind in _KONG_KINDS if kind != "kongingresses"), *_STREAM_KINDS)


class GatewayInstallSettings(Struct, frozen=True):
    """`compat` is the profile of texts and headers; Kong's chart 1.11 shipped Kong 2.1.

    An ending pod serves for `drain_s` seconds at least: until kube-proxy, or a load balancer, sends it no more.
    `missing_plugins` and `identity_headers` as in `compile.gateway.settings`. With `mesh_native` the gateway needs no
    sidecar to be a virtual node.
    """

    release: str = "kong"
    namespace: str = "kong"
    compat: str = "kong-2.1"
    missing_plugins: str = "closed"
    identity_headers: str = "strip"
    ingress_class: str = "kong"
    version: str = __version__
    has_webhook: bool = True
    mesh_native: bool = False
    drain_s: int = DRAIN_S

    @property
    def fullname(self) -> str:
        """As the chart: `<release>-kong`."""
        return f"{self.release}-kong"

    @property
    def longest_drain_s(self) -> int:
        return max(LONGEST_DRAIN_S, self.drain_s + _LAST_REQUESTS_S)

    @property
    def acme_secrets(self) -> str:
        return f"{self.fullname}-acme"

    @property
    def cluster_name(self) -> str:
        """Of what has no namespace: two installations may have the same release name."""
        return f"{self.fullname}-{self.namespace}"

    @property
    def election_id(self) -> str:
        """Gateways of different classes in one namespace have a leader each."""
        return f"{_ELECTION}-{self.ingress_class}"

    @property
    def selector(self) -> dict[str, str]:
        return {
            "app.kubernetes.io/component": "app",
            "app.kubernetes.io/instance": self.release,
            "app.kubernetes.io/name": "kong",
        }


def gateway_crds() -> list[JsonObject]:
    """CustomResourceDefinitions of all Kong kinds, ordered by name."""
    folder = files("crossfade.install").joinpath("kong")
    entries = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".yaml")), key=lambda each: each.name)
    return [add_descriptions(crd) for crd in _unshared([yaml.safe_load(entry.read_text("utf-8")) for entry in entries])]


def gateway_api_crds() -> list[JsonObject]:
    """Of the Gateway API's kinds that the gateway reads: for clusters of our own. Others bring the API itself."""
    return [crd for crd in (gateway_crd(ReferenceGrant.RESOURCE),) if crd is not None]


def gateway_crd(kind: Resource) -> JsonObject | None:
    """The CustomResourceDefinition of one kind that the gateway reads; None for built-in kinds and foreign ones."""
    for folder in ("kong", "gateway_api"):
        entry = files("crossfade.install").joinpath(folder, f"{kind.plural}.yaml")
        if entry.is_file():
            crd: JsonObject = yaml.safe_load(entry.read_text("utf-8"))
            return add_descriptions(crd) if crd["spec"]["group"] == kind.group else None
    return None


def gateway_manifests(settings: GatewayInstallSettings) -> list[JsonObject]:
    """Everything but the CRDs and the namespace, in the order in which they should be applied."""
    objects = [
        _object(settings, "v1", "ServiceAccount", settings.fullname),
        *_access(settings),
        _ingress_class(settings),
        _proxy_service(settings),
        *(_webhook(settings) if settings.has_webhook else ()),
        _deployment(settings),
    ]
    return _unshared(objects)


def _unshared(objects: list[JsonObject]) -> list[JsonObject]:
    """Parts that objects share would be printed as YAML anchors."""
    return [json.loads(json.dumps(item)) for item in objects]


def webhook_name(settings: GatewayInstallSettings) -> str:
    return f"{settings.cluster_name}-validations"


def webhook_service(fullname: str) -> str:
    return f"{fullname}-validation-webhook"


def _object(
    settings: GatewayInstallSettings, api_version: str, kind: str, name: str, *, namespaced: bool = True, **rest: Any
) -> JsonObject:
    labels = {**settings.selector, "app.kubernetes.io/version": settings.version}
    metadata: JsonObject = {"name": name, "labels": labels}
    if namespaced:
        metadata["namespace"] = settings.namespace
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **rest}


def _access(settings: GatewayInstallSettings) -> list[JsonObject]:
    rbac, name = "rbac.authorization.k8s.io", settings.fullname
    version = f"{rbac}/v1"
    subjects = [{"kind": "ServiceAccount", "name": name, "namespace": settings.namespace}]
    own_names = {"resourceNames": [settings.election_id]}
    in_namespace = [
        _rule("coordination.k8s.io", ["leases"], ["create"]),
        {**_rule("coordination.k8s.io", ["leases"], ["get", "update"]), **own_names},
    ]
    in_cluster = _cluster_rules(settings)
    own_secrets = [secret.name for secret in secret_names(settings.namespace, settings.acme_secrets)]
    if settings.has_webhook:
        own_secrets.append(webhook_service(name))
    in_namespace += [
        _rule("", ["secrets"], ["create"]),
        {**_rule("", ["secrets"], ["get", "update"]), "resourceNames": own_secrets},
    ]
    return [
        _object(settings, version, "ClusterRole", settings.cluster_name, namespaced=False, rules=in_cluster),
        _object(
            settings,
            version,
            "ClusterRoleBinding",
            settings.cluster_name,
            namespaced=False,
            roleRef={"apiGroup": rbac, "kind": "ClusterRole", "name": settings.cluster_name},
            subjects=subjects,
        ),
        _object(settings, version, "Role", name, rules=in_namespace),
        _object(
            settings,
            version,
            "RoleBinding",
            name,
            roleRef={"apiGroup": rbac, "kind": "Role", "name": name},
            subjects=subjects,
        ),
    ]


def _cluster_rules(settings: GatewayInstallSettings) -> list[JsonObject]:
    """Credentials may be in any namespace, so Secrets of all of them are read; nothing but statuses is written.

    No more than the controller asks for, which a test finds out.
    """
    reads = ["list", "watch"]
    rules = [
        _rule("", ["services", "secrets", "configmaps"], reads),
        _rule("", ["events"], ["create", "patch"]),
        _rule("discovery.k8s.io", ["endpointslices"], reads),
        _rule("networking.k8s.io", ["ingresses", "ingressclasses"], reads),
        _rule("networking.k8s.io", ["ingresses/status"], ["patch"]),
        _rule("gateway.networking.k8s.io", ["referencegrants"], reads),
        _rule("configuration.konghq.com", [*_KONG_KINDS, *_STREAM_KINDS, "ingressclassparameterses"], reads),
        _rule(FACADE_GROUP, ["kongservicefacades"], reads),
        _rule(FACADE_GROUP, ["kongservicefacades/status"], ["patch"]),
        _rule("configuration.konghq.com", [f"{kind}/status" for kind in _WITH_STATUS], ["patch"]),
    ]
    if settings.mesh_native:
        rules += [_rule("appmesh.k8s.aws", list(_MESH_KINDS), reads), _rule("", ["namespaces", "pods"], reads)]
    if settings.has_webhook:
        own = {"resourceNames": [webhook_name(settings)]}
        webhooks = _rule("admissionregistration.k8s.io", ["validatingwebhookconfigurations"], [*reads, "get", "update"])
        rules.append({**webhooks, **own})
    return rules


def _rule(group: str, resources: list[str], verbs: list[str]) -> JsonObject:
    return {"apiGroups": [group], "resources": resources, "verbs": verbs}


def _ingress_class(settings: GatewayInstallSettings) -> JsonObject:
    return _object(
        settings,
        "networking.k8s.io/v1",
        "IngressClass",
        settings.ingress_class,
        namespaced=False,
        spec={"controller": CONTROLLER_NAME},
    )


def _proxy_service(settings: GatewayInstallSettings) -> JsonObject:
    return _object(
        settings,
        "v1",
        "Service",
        f"{settings.fullname}-proxy",
        spec={
            "type": "LoadBalancer",
            "selector": settings.selector,
            "ports": [
                {"name": "kong-proxy", "port": 80, "targetPort": 8000, "protocol": "TCP"},
                {"name": "kong-proxy-tls", "port": 443, "targetPort": 8443, "protocol": "TCP"},
            ],
        },
    )


def _webhook(settings: GatewayInstallSettings) -> list[JsonObject]:
    """The controller fills in `caBundle`; until then, and whenever it is away, objects are taken unchecked."""
    service = webhook_service(settings.fullname)
    changes = ["CREATE", "UPDATE"]
    webhook = {
        "name": "validations.kong.konghq.com",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Ignore",
        "timeoutSeconds": 5,
        "clientConfig": {"service": {"name": service, "namespace": settings.namespace, "path": "/", "port": 443}},
        "rules": [
            {
                "apiGroups": ["configuration.konghq.com"],
                "apiVersions": ["*"],
                "operations": changes,
                "resources": [*_KONG_KINDS, *_WITHOUT_EFFECT],
            },
            {
                "apiGroups": [FACADE_GROUP],
                "apiVersions": ["*"],
                "operations": changes,
                "resources": ["kongservicefacades"],
            },
            {
                "apiGroups": ["networking.k8s.io"],
                "apiVersions": ["v1"],
                "operations": changes,
                "resources": ["ingresses"],
            },
        ],
    }
    secrets = {
        **webhook,
        "name": "credentials.validation.kong.konghq.com",
        "objectSelector": {"matchExpressions": [{"key": "konghq.com/credential", "operator": "Exists"}]},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": changes, "resources": ["secrets"]}],
    }
    of_plugins = {
        **secrets,
        "name": "plugins.validation.kong.konghq.com",
        "objectSelector": {"matchLabels": {"konghq.com/validate": "plugin"}},
    }
    services = {
        **webhook,
        "name": "services.validation.kong.konghq.com",
        # Of all Services of the cluster only those that it has something to say on.
        "matchConditions": [
            {
                "name": "has-override",
                "expression": (
                    "has(object.metadata.annotations) && 'konghq.com/override' in object.metadata.annotations"
                ),
            }
        ],
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": changes, "resources": ["services"]}],
    }
    return [
        _object(
            settings,
            "v1",
            "Service",
            service,
            spec={
                "selector": settings.selector,
                "ports": [{"name": "webhook", "port": 443, "targetPort": WEBHOOK_PORT, "protocol": "TCP"}],
            },
        ),
        _object(
            settings,
            "admissionregistration.k8s.io/v1",
            "ValidatingWebhookConfiguration",
            webhook_name(settings),
            namespaced=False,
            webhooks=[webhook, secrets, of_plugins, services],
        ),
    ]


def _deployment(settings: GatewayInstallSettings) -> JsonObject:
    return _object(
        settings,
        "apps/v1",
        "Deployment",
        settings.fullname,
        spec={
            "replicas": 1,
            "selector": {"matchLabels": settings.selector},
            "template": {
                "metadata": {
                    "labels": settings.selector,
                    **({"annotations": {MESH_NATIVE: "true"}} if settings.mesh_native else {}),
                },
                "spec": {
                    "serviceAccountName": settings.fullname,
                    "terminationGracePeriodSeconds": settings.longest_drain_s + _MARGIN_S,
                    "containers": [_controller_container(settings), _proxy_container(settings)],
                },
            },
        },
    )


def _controller_container(settings: GatewayInstallSettings) -> JsonObject:
    environment = {
        "CONTROLLER_ELECTION_ID": settings.election_id,
        "CONTROLLER_INGRESS_CLASS": settings.ingress_class,
        "CONTROLLER_PUBLISH_SERVICE": f"{settings.namespace}/{settings.fullname}-proxy",
        "CROSSFADE_ACME_SECRETS": settings.acme_secrets,
        "CROSSFADE_COMPAT": settings.compat,
        "CROSSFADE_IDENTITY_HEADERS": settings.identity_headers,
        "CROSSFADE_MISSING_PLUGINS": settings.missing_plugins,
    }
    if settings.has_webhook:
        environment["CONTROLLER_ADMISSION_WEBHOOK_LISTEN"] = f":{WEBHOOK_PORT}"
        environment["CROSSFADE_WEBHOOK_CONFIGURATION"] = webhook_name(settings)
        environment["CROSSFADE_WEBHOOK_SERVICE"] = webhook_service(settings.fullname)
    if settings.mesh_native:
        environment["CROSSFADE_MESH_NATIVE"] = "true"
    return {
        "name": "ingress-controller",
        "image": f"crossfade/controller:{settings.version}",
        "args": ["--role", "gateway"],
        "env": [*_fixed(environment), *_pod_environment()],
        "ports": [
            {"name": "health", "containerPort": HEALTH_PORT, "protocol": "TCP"},
            *([{"name": "webhook", "containerPort": WEBHOOK_PORT, "protocol": "TCP"}] if settings.has_webhook else ()),
        ],
        "startupProbe": _startup_probe("/healthz", HEALTH_PORT),
        "livenessProbe": {**_probe("/healthz", HEALTH_PORT), "periodSeconds": 10, "timeoutSeconds": 10},
        "readinessProbe": _probe("/readyz", HEALTH_PORT),
        "resources": {"requests": {"cpu": "100m", "memory": "160Mi"}},
        "securityContext": {"runAsUser": _USER, "allowPrivilegeEscalation": False},
    }


def _proxy_container(settings: GatewayInstallSettings) -> JsonObject:
    return {
        "name": "proxy",
        "image": f"crossfade/proxy:{settings.version}",
        "args": ["--gateway"],
        "env": [*_drain(settings), *_pod_environment()],
        "ports": [
            {"name": "proxy", "containerPort": 8000, "protocol": "TCP"},
            {"name": "proxy-tls", "containerPort": 8443, "protocol": "TCP"},
            {"name": "status", "containerPort": STATUS_PORT, "protocol": "TCP"},
        ],
        "readinessProbe": _probe("/status", STATUS_PORT),
        "resources": {"requests": {"cpu": "200m", "memory": "128Mi"}},
        "securityContext": {"runAsUser": _USER, "allowPrivilegeEscalation": False},
    }


def _drain(settings: GatewayInstallSettings) -> list[JsonObject]:
    """Nothing where it is what the proxy does by itself."""
    found = {}
    if settings.drain_s != DRAIN_S:
        found["CROSSFADE_DRAIN_AT_LEAST_S"] = str(settings.drain_s)
    if settings.longest_drain_s != LONGEST_DRAIN_S:
        found["LISTENER_DRAIN_WAIT_TIME_S"] = str(settings.longest_drain_s)
    return _fixed(found)


def _fixed(environment: dict[str, str]) -> list[JsonObject]:
    return [{"name": name, "value": value} for name, value in sorted(environment.items())]


def _pod_environment() -> list[JsonObject]:
    fields = {"POD_NAME": "metadata.name", "POD_NAMESPACE": "metadata.namespace"}
    return [{"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in fields.items()]


def _probe(path: str, port: int) -> JsonObject:
    return {"httpGet": {"path": path, "port": port}, "periodSeconds": 1, "timeoutSeconds": 5, "failureThreshold": 3}


def _startup_probe(path: str, port: int) -> JsonObject:
    """With little CPU a controller takes a minute to start, and must not be judged by how it lives meanwhile."""
    return {**_probe(path, port), "failureThreshold": 180}
