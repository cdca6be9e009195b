"""The pods of a gateway: the controller and its proxy side by side."""

from typing import Any, Final

from crossfade.inject.mesh_native import KEY as MESH_NATIVE
from crossfade.install.gateway_chart.drain import GRACE_PERIOD, drain_variables
from crossfade.install.gateway_chart.names import (
    ACCOUNT,
    ACME_SECRETS,
    ELECTION,
    FULLNAME,
    PROXY_SERVICE,
    SELECTOR,
    WEBHOOK_NAME,
    WEBHOOK_SERVICE,
    image,
    manifest,
)
from crossfade.install.gateway_chart.services import LISTEN, PORT_MAPS, STREAM_LISTEN, container_ports
from crossfade.install.gateway_defaults import HEALTH_PORT, METRICS_PORT
from crossfade.install.template.nodes import (
    NAMESPACE,
    Each,
    Environment,
    Given,
    Is,
    Item,
    Merged,
    More,
    Not,
    Unlisted,
    Value,
    When,
    text,
)
from crossfade.kong_conf.told import settings_of_controller
from crossfade_kube.meta import JsonObject

_SELECTED: Final = {"labelSelector": {"matchLabels": SELECTOR}, "topologyKey": "kubernetes.io/hostname"}
_WEBHOOK: Final = Value("ingressController.admissionWebhook.enabled")
_OF_CONTROLLER: Final = tuple(settings_of_controller())
_SECURITY: Final = When(
    Not(Is(Unlisted("containerSecurityContext.enabled", default=True), "false")),
    Given("containerSecurityContext", but="enabled"),
)
_POD: Final[tuple[JsonObject, ...]] = tuple(
    {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}
    for name, path in (("POD_NAME", "metadata.name"), ("POD_NAMESPACE", "metadata.namespace"))
)
_TMP: Final[JsonObject] = {"name": "tmp", "mountPath": "/tmp"}  # noqa: S108 - in a container


def deployment() -> JsonObject:
    return manifest(
        "apps/v1",
        "Deployment",
        FULLNAME,
        annotations=Given("deploymentAnnotations"),
        spec={
            "replicas": When(Not(Value("autoscaling.enabled")), Value("replicaCount")),
            "revisionHistoryLimit": Value("deployment.revisionHistoryLimit"),
            "minReadySeconds": Given("deployment.minReadySeconds"),
            "strategy": Given("updateStrategy"),
            "selector": {"matchLabels": SELECTOR},
            "template": {"metadata": _pod_metadata(), "spec": _pod()},
        },
    )


def _pod_metadata() -> JsonObject:
    more = Given("podAnnotations")
    return {
        "labels": Merged(SELECTOR, (Given("podLabels"),)),
        "annotations": When(Value("crossfade.meshNative"), Merged({MESH_NATIVE: "true"}, (more,)), more),
    }


def _pod() -> JsonObject:
    return {
        "serviceAccountName": ACCOUNT,
        "terminationGracePeriodSeconds": GRACE_PERIOD,
        "hostNetwork": Given("deployment.hostNetwork"),
        "priorityClassName": Given("priorityClassName"),
        "imagePullSecrets": When(Value("image.pullSecrets"), [Each(Value("image.pullSecrets"), {"name": Item()})]),
        "securityContext": Given("securityContext"),
        "nodeSelector": Given("nodeSelector"),
        "tolerations": Given("tolerations"),
        "affinity": When(Value("affinity"), Value("affinity"), _anti_affinity()),
        "topologySpreadConstraints": Given("topologySpreadConstraints"),
        "initContainers": Given("deployment.initContainers"),
        "containers": [_controller(), _proxy(), Given("deployment.sidecarContainers")],
        "volumes": [
            {"name": "tmp", "emptyDir": {"sizeLimit": Given("deployment.tmpDir.sizeLimit")}},
            Each(Value("secretVolumes"), {"name": Item(), "secret": {"secretName": Item()}}),
            Given("deployment.userDefinedVolumes"),
        ],
    }


def _anti_affinity() -> Any:
    """Pods of one release on different nodes, as far as there are any or at all."""
    kinds = {
        "soft": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "podAffinityTerm": _SELECTED}]},
        "hard": {"requiredDuringSchedulingIgnoredDuringExecution": [_SELECTED]},
    }
    asked = Value("crossfade.antiAffinity")
    soft, hard = ({"podAntiAffinity": kinds[kind]} for kind in ("soft", "hard"))
    return When(Is(asked, "soft"), soft, When(Is(asked, "hard"), hard))


def _controller() -> JsonObject:
    values = "ingressController"
    return {
        "name": "ingress-controller",
        "image": image(f"{values}.image"),
        "imagePullPolicy": Value("image.pullPolicy"),
        "args": ["--role", "gateway", Given(f"{values}.args")],
        "env": Environment(_controller_variables(), _controller_more(), _POD),
        "envFrom": Given(f"{values}.envFrom"),
        "ports": [
            {"name": "health", "containerPort": HEALTH_PORT, "protocol": "TCP"},
            {"name": "cmetrics", "containerPort": METRICS_PORT, "protocol": "TCP"},
            When(
                _WEBHOOK,
                {
                    "name": "webhook",
                    "containerPort": Value(f"{values}.admissionWebhook.port"),
                    "protocol": "TCP",
                },
            ),
        ],
        "startupProbe": Given(f"{values}.startupProbe"),
        "livenessProbe": Given(f"{values}.livenessProbe"),
        "readinessProbe": Given(f"{values}.readinessProbe"),
        "lifecycle": Given(f"{values}.lifecycle"),
        "resources": Given(f"{values}.resources"),
        "securityContext": _SECURITY,
        "volumeMounts": [_TMP, *_mounts(), Given(f"{values}.userDefinedVolumeMounts")],
    }


def _controller_variables() -> dict[str, Any]:
    return {
        "CONTROLLER_ELECTION_ID": ELECTION,
        "CONTROLLER_INGRESS_CLASS": Value("ingressController.ingressClass"),
        "CONTROLLER_PUBLISH_SERVICE": When(Value("proxy.enabled"), text(NAMESPACE, "/", PROXY_SERVICE)),
        "CONTROLLER_ADMISSION_WEBHOOK_LISTEN": When(
            _WEBHOOK, text(":", Value("ingressController.admissionWebhook.port"))
        ),
        "CROSSFADE_ACME_SECRETS": ACME_SECRETS,
        "CROSSFADE_CLUSTER_DOMAIN": Value("crossfade.clusterDomain"),
        "CROSSFADE_COMPAT": Value("crossfade.compat"),
        "CROSSFADE_IDENTITY_HEADERS": Value("crossfade.identityHeaders"),
        "CROSSFADE_MESH_NATIVE": When(Value("crossfade.meshNative"), "true"),
        "CROSSFADE_MISSING_PLUGINS": Value("crossfade.missingPlugins"),
        "CROSSFADE_WEBHOOK_CONFIGURATION": When(_WEBHOOK, WEBHOOK_NAME),
        "CROSSFADE_WEBHOOK_SERVICE": When(_WEBHOOK, WEBHOOK_SERVICE),
    }


def _controller_more() -> tuple[More, ...]:
    return (
        More(Value("env"), "KONG_", only=_OF_CONTROLLER),
        More(Value("ingressController.env"), "CONTROLLER_"),
        More(Value("crossfade.env")),
    )


def _proxy() -> JsonObject:
    variables = {
        **drain_variables(),
        "KONG_PORT_MAPS": PORT_MAPS,
        "KONG_PROXY_LISTEN": LISTEN,
        "KONG_STATUS_LISTEN": text("0.0.0.0:", Value("status.http.containerPort")),
        "KONG_STREAM_LISTEN": When(Value("proxy.stream"), STREAM_LISTEN),
    }
    more = (More(Value("env"), "KONG_", without=_OF_CONTROLLER), More(Value("customEnv")))
    return {
        "name": "proxy",
        "image": When(Value("image.unifiedRepoTag"), Value("image.unifiedRepoTag"), image("image")),
        "imagePullPolicy": Value("image.pullPolicy"),
        "args": ["--gateway"],
        "env": Environment(variables, more, _POD),
        "envFrom": Given("envFrom"),
        "ports": [
            *container_ports(),
            {"name": "status", "containerPort": Value("status.http.containerPort"), "protocol": "TCP"},
        ],
        "startupProbe": Given("startupProbe"),
        "livenessProbe": Given("livenessProbe"),
        "readinessProbe": Given("readinessProbe"),
        "lifecycle": Given("lifecycle"),
        "resources": Given("resources"),
        "securityContext": _SECURITY,
        "volumeMounts": [_TMP, *_mounts(), Given("deployment.userDefinedVolumeMounts")],
    }


def _mounts() -> tuple[Each]:
    """Where Kong's chart mounts them; what they hold is read by either container."""
    return (
        Each(Value("secretVolumes"), {"name": Item(), "mountPath": text("/etc/secrets/", Item()), "readOnly": True}),
    )
