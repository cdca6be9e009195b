"""The chart of App Mesh's controller. Names are fixed whatever the release: a cluster has one."""

from typing import Any, Final

from crossfade.install.chart import Chart, release_test
from crossfade.install.mesh_access import ACCOUNT, access_manifests
from crossfade.install.mesh_certificates import MOUNT, VOLUME, certificate_manifests
from crossfade.install.mesh_monitors import monitor_manifests
from crossfade.install.mesh_names import (
    ADS_PORT,
    ADS_SERVICE,
    HEALTH_PORT,
    METRICS_PORT,
    NAME,
    WEBHOOK_PORT,
    WEBHOOK_SERVICE,
)
from crossfade.install.mesh_values import TABLE
from crossfade.install.mesh_webhooks import webhook_manifests
from crossfade.install.monitoring import monitoring_manifests
from crossfade.install.template.nodes import (
    NAMESPACE,
    AppVersion,
    Each,
    Environment,
    Given,
    Item,
    Joined,
    Merged,
    More,
    Number,
    Value,
    When,
    first_of,
    text,
)
from crossfade.observe.access import CLUSTER_PORT
from crossfade_kube.meta import JsonObject

_SELECTOR: Final = {"app.kubernetes.io/name": NAME, "app.kubernetes.io/instance": NAME}
# As App Mesh's chart has them.
_SCRAPED: Final = {"prometheus.io/scrape": "true", "prometheus.io/port": str(METRICS_PORT)}
# None by which a Service or a budget would take the pod for a controller.
_OF_TEST: Final = {"app.kubernetes.io/component": "test"}
_LABELS: Final = Merged(_SELECTOR, (Given("extraLabels"),))

_TRACED: Final = Value("tracing.enabled")
_FLAGS: Final = (
    ("log-level", "log.level"),
    ("readiness-probe-initial-delay", "sidecar.probes.readinessProbeInitialDelay"),
    ("readiness-probe-period", "sidecar.probes.readinessProbePeriod"),
    ("envoy-admin-access-port", "sidecar.envoyAdminAccessPort"),
    ("envoy-admin-access-enable-ipv6", "sidecar.envoyAdminAccessEnableIPv6"),
    ("enable-stats-tags", "stats.tagsEnabled"),
    ("enable-backend-groups", "enableBackendGroups"),
    ("use-aws-fips-endpoint", "useAwsFIPSEndpoint"),
    ("tls-min-version", "tlsMinVersion"),
)
_OPTIONAL_FLAGS: Final = (
    ("sidecar-cpu-requests", "sidecar.resources.requests.cpu"),
    ("sidecar-memory-requests", "sidecar.resources.requests.memory"),
    ("sidecar-cpu-limits", "sidecar.resources.limits.cpu"),
    ("sidecar-memory-limits", "sidecar.resources.limits.memory"),
    ("envoy-admin-access-log-file", "sidecar.envoyAdminAccessLogFile"),
    ("tls-cipher-suite", "tlsCipherSuite"),
)


def _service(name: str, port: JsonObject) -> JsonObject:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": _LABELS},
        "spec": {"selector": _SELECTOR, "ports": [{**port, "protocol": "TCP"}]},
    }


def _deployment() -> JsonObject:
    labels = Merged({**_SELECTOR, "app.kubernetes.io/version": AppVersion()}, (Given("extraLabels"),))
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": labels},
        "spec": {
            "replicas": Value("replicaCount"),
            "selector": {"matchLabels": _SELECTOR},
            "template": {
                "metadata": {
                    "labels": Merged(_SELECTOR, (Given("podLabels"),)),
                    "annotations": Merged(_SCRAPED, (Given("podAnnotations"),)),
                },
                "spec": _pod(),
            },
        },
    }


def _pod() -> JsonObject:
    return {
        "serviceAccountName": ACCOUNT,
        "imagePullSecrets": When(Value("imagePullSecrets"), [Each(Value("imagePullSecrets"), {"name": Item()})]),
        "priorityClassName": Given("priorityClassName"),
        "securityContext": Given("podSecurityContext"),
        "nodeSelector": Given("nodeSelector"),
        "tolerations": Given("tolerations"),
        "affinity": Given("affinity"),
        "topologySpreadConstraints": Given("topologySpreadConstraints"),
        "containers": [_container()],
        "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}}, VOLUME],
    }


def _container() -> JsonObject:
    return {
        "name": "controller",
        "image": _image("image"),
        "imagePullPolicy": Value("image.pullPolicy"),
        "args": ["--role", "mesh", *_flags()],
        "env": Environment(
            _variables(),
            (More(Value("env")),),
            (_from_field("POD_NAME", "metadata.name"), _from_field("POD_NAMESPACE", "metadata.namespace")),
        ),
        "ports": [
            {"name": "webhook-server", "containerPort": WEBHOOK_PORT, "protocol": "TCP"},
            {"name": "ads", "containerPort": ADS_PORT, "protocol": "TCP"},
            {"name": "health", "containerPort": HEALTH_PORT, "protocol": "TCP"},
            {"name": "metrics-server", "containerPort": METRICS_PORT, "protocol": "TCP"},
        ],
        "startupProbe": Given("startupProbe"),
        "readinessProbe": Given("readinessProbe"),
        "livenessProbe": Given("livenessProbe"),
        "lifecycle": Given("lifecycle"),
        "resources": Given("resources"),
        "securityContext": Given("securityContext"),
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}, MOUNT],  # noqa: S108 - in a container
    }


def _flags() -> list[Any]:
    """Those of App Mesh's controller (docs/reference/mesh-settings.md)."""
    given = [text(f"--{flag}=", Value(path)) for flag, path in _FLAGS]
    ttl = text("--cloudmap-dns-ttl=", Number("cloudMapDNS.ttl"))
    return [*given, ttl, *(When(Value(path), text(f"--{flag}=", Value(path))) for flag, path in _OPTIONAL_FLAGS)]


def _variables() -> dict[str, Any]:
    return {
        "AWS_REGION": Value("region"),
        "AWS_ACCOUNT_ID": Value("accountId"),
        "CROSSFADE_CLOUD_MAP": Given("crossfade.cloudMap"),
        "CROSSFADE_CLUSTER_DOMAIN": Value("crossfade.clusterDomain"),
        "CROSSFADE_IP_FAMILY": Value("crossfade.ipFamily"),
        "CROSSFADE_NATIVE_SIDECARS": Given("crossfade.nativeSidecars"),
        "CROSSFADE_POST_START_TIMEOUT_S": Value("sidecar.lifecycleHooks.postStartTimeout"),
        "CROSSFADE_PRE_STOP_DELAY_S": Value("sidecar.lifecycleHooks.preStopDelay"),
        "CROSSFADE_PROXY_IMAGE": _image("sidecar.image"),
        "CROSSFADE_PROXY_INIT_IMAGE": _image("init.image"),
        "CROSSFADE_SDS_SOCKET": When(Value("sds.enabled"), Value("sds.udsPath")),
        "CROSSFADE_SIDECAR_LOG_LEVEL": Value("sidecar.logLevel"),
        "CROSSFADE_TRACING": When(_TRACED, Value("tracing.provider")),
        "CROSSFADE_TRACING_ADDRESS": When(_TRACED, Given("tracing.address")),
        "CROSSFADE_TRACING_PORT": When(_TRACED, Given("tracing.port")),
        "CROSSFADE_TRACING_SAMPLING_RATE": When(_TRACED, text(Value("tracing.samplingRate"))),
        "CROSSFADE_WAIT_UNTIL_PROXY_READY": When(Value("sidecar.waitUntilProxyReady"), "true"),
    }


def _image(path: str) -> Joined:
    tagged = text(Value(f"{path}.repository"), ":", first_of(Value(f"{path}.tag"), AppVersion()))
    return Joined("/", (Value("image.registry"), tagged))


def _from_field(name: str, path: str) -> JsonObject:
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def _budget() -> JsonObject:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": _LABELS},
        "spec": Merged({"selector": {"matchLabels": _SELECTOR}}, (Given("podDisruptionBudget"),)),
    }


def _policy() -> JsonObject:
    """The API server, sidecars, probes and scrapers; what the controller itself asks is not restricted."""
    listened = (WEBHOOK_PORT, ADS_PORT, HEALTH_PORT, METRICS_PORT, CLUSTER_PORT)
    ports = [{"port": port, "protocol": "TCP"} for port in listened]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": _LABELS},
        "spec": {
            "podSelector": {"matchLabels": _SELECTOR},
            "policyTypes": ["Ingress"],
            "ingress": [{"ports": ports}, Given("networkPolicy.ingress")],
        },
    }


def _test() -> JsonObject:
    return release_test(
        {"name": f"{NAME}-test", "namespace": NAMESPACE, "labels": Merged(_OF_TEST, (Given("extraLabels"),))},
        _image("image"),
        [text(f"https://{WEBHOOK_SERVICE}.", NAMESPACE, ".svc/")],
        imagePullSecrets=When(Value("imagePullSecrets"), [Each(Value("imagePullSecrets"), {"name": Item()})]),
        nodeSelector=Given("nodeSelector"),
        tolerations=Given("tolerations"),
    )


MESH_CHART: Final = Chart(
    NAME,
    "App Mesh's controller: its kinds, sidecars and their configuration",
    TABLE,
    {
        **access_manifests(_LABELS),
        "webhook-service.yaml": _service(WEBHOOK_SERVICE, {"name": "webhook", "port": 443, "targetPort": WEBHOOK_PORT}),
        "ads-service.yaml": _service(ADS_SERVICE, {"name": "ads", "port": ADS_PORT, "targetPort": ADS_PORT}),
        **certificate_manifests(_LABELS),
        "deployment.yaml": _deployment(),
        **webhook_manifests(_LABELS),
        "pod-disruption-budget.yaml": When(Value("podDisruptionBudget"), _budget()),
        "network-policy.yaml": When(Value("networkPolicy.enabled"), _policy()),
        **monitor_manifests(_LABELS, _SELECTOR),
        **monitoring_manifests("mesh", NAME, f"{NAME}-dashboards", _LABELS),
    },
    ("Namespaces with the label appmesh.k8s.aws/sidecarInjectorWebhook=enabled get sidecars.",),
    {"reach.yaml": _test()},
)
