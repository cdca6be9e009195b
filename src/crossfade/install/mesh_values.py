"""The values of the chart of App Mesh's controller. Names are those of its chart 1.13 for all that exists here."""

from typing import Final

from crossfade.inject.settings import NativeSidecars, Provider
from crossfade.install.mesh_names import HEALTH_PORT, NAME
from crossfade.install.monitoring import monitoring_values
from crossfade.install.template.nodes import Unlisted
from crossfade.install.template.values import (
    ANNOTATIONS,
    BOOLEAN,
    LIST,
    OBJECT,
    PORT,
    RESTRICTED,
    TEXT,
    TEXTS,
    Remark,
    Schema,
    ValueTable,
    choice,
    integer,
    labels,
    named,
    optional,
    probe,
    variables,
)
from crossfade.install.template.values import NAME as NOT_EMPTY
from crossfade_kube.meta import JsonObject

_LABELS: Final = labels(but=("app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/version"))
_ACCOUNT: Final[Schema] = {"type": ["string", "integer"], "pattern": "^([0-9]{12})?$", "minimum": 0}
_BUDGET: Final[Schema] = {
    "type": "object",
    "additionalProperties": False,
    "maxProperties": 1,
    "properties": {name: {"type": ["string", "integer"]} for name in ("minAvailable", "maxUnavailable")},
}
# As the controller reads it; Helm gives whole numbers as such.
_QUANTITY: Final[Schema] = {"type": ["string", "integer"]}
_SHARE: Final[Schema] = {"type": "number", "minimum": 0, "maximum": 1}
_LEVELS: Final = choice("trace", "debug", "info", "warning", "error", "critical", "off")


def _asked(path: str, **changed: int) -> JsonObject:
    return probe(path, HEALTH_PORT, timeoutSeconds=10, **changed)


_SPECS: Final = named(
    "",
    ("replicaCount", 1, integer(0), "Number of pods; one of them is the leader."),
    ("region", "us-west-2", TEXT, "The region in ARNs."),
    ("accountId", "000000000000", _ACCOUNT, "The account in ARNs."),
    ("crossfade.acmSecrets", False, BOOLEAN, "Secrets labelled `crossfade.dev/acm` stand for certificates of ACM."),
    ("crossfade.cloudMap", "", choice("", "cluster", "aws"), "Whose Cloud Map is asked; empty: the cluster's."),
    ("crossfade.clusterDomain", "cluster.local", NOT_EMPTY, "The DNS domain of the cluster."),
    ("crossfade.ipFamily", "ipv4", choice("ipv4", "ipv6"), "The family of the pods' addresses."),
    ("crossfade.nativeSidecars", "", choice("", *NativeSidecars), "Whether sidecars are native; empty: auto."),
    ("image.registry", "", TEXT, "Put before all repositories, for images of a registry of your own."),
    ("image.repository", "crossfade/controller", NOT_EMPTY, "The controller's image."),
    ("image.tag", "", TEXT, "Its tag; empty: the chart's appVersion."),
    ("image.pullPolicy", "IfNotPresent", choice("Always", "IfNotPresent", "Never"), "When it is pulled."),
    ("imagePullSecrets", [], TEXTS, "Names of Secrets with passwords of registries."),
    ("sidecar.image.repository", "crossfade/proxy", NOT_EMPTY, "The image of sidecars."),
    ("sidecar.image.tag", "", TEXT, "Its tag; empty: the chart's appVersion."),
    ("sidecar.resources.requests.cpu", "10m", _QUANTITY, "CPU that sidecars and their init containers request."),
    ("sidecar.resources.requests.memory", "32Mi", _QUANTITY, "Memory that they request."),
    ("sidecar.resources.limits.cpu", "", _QUANTITY, "The most CPU that they may use."),
    ("sidecar.resources.limits.memory", "", _QUANTITY, "The most memory that they may use."),
    (
        "sidecar.probes.readinessProbeInitialDelay",
        0,
        integer(0),
        "Seconds until a sidecar is first asked if it is ready.",
    ),
    ("sidecar.probes.readinessProbePeriod", 1, integer(1), "Seconds between such questions."),
    ("sidecar.envoyAdminAccessPort", 9901, PORT, "Port of sidecars' admin interface."),
    ("sidecar.envoyAdminAccessLogFile", "", TEXT, "Where sidecars log who asks it."),
    ("sidecar.envoyAdminAccessEnableIPv6", False, BOOLEAN, "Statistics are at pods' addresses of both families."),
    ("stats.tagsEnabled", False, BOOLEAN, "Sidecars' statistics have tags for mesh and node."),
    ("tracing.enabled", False, BOOLEAN, "Sidecars send traces."),
    ("tracing.provider", "x-ray", choice(*Provider), "Whose: `x-ray` and `otlp` by OTLP over HTTP to a collector."),
    ("tracing.address", "", TEXT, "The host that takes them; empty: the provider's, as in App Mesh."),
    ("tracing.port", None, optional(PORT), "Its port; null: the provider's."),
    ("tracing.samplingRate", 0.05, _SHARE, "The share of the requests without a trace that begin one."),
    ("enableBackendGroups", True, BOOLEAN, "Whether `backendGroups` of VirtualNodes count."),
    ("cloudMapDNS.ttl", 300, integer(0, 2_147_483_647), "Time to live, in seconds, of Cloud Map's DNS records."),
    ("useAwsFIPSEndpoint", False, BOOLEAN, "Cloud Map of AWS is asked at its endpoint for FIPS."),
    ("log.level", "info", choice("debug", "info", "warn", "warning", "error"), "How much the controller logs."),
    ("tlsMinVersion", "VersionTLS12", TEXT, "The oldest TLS that webhooks take, in Go's words."),
    ("tlsCipherSuite", None, optional(TEXT), "Their cipher suites of TLS 1.2, in Go's words."),
    ("sidecar.logLevel", "info", _LEVELS, "How much sidecars log."),
    ("sidecar.lifecycleHooks.preStopDelay", 0, integer(0), "Seconds that sidecars wait before they end."),
    ("sidecar.lifecycleHooks.postStartTimeout", 180, integer(1), "Seconds that an application waits for its sidecar."),
    ("sidecar.waitUntilProxyReady", False, BOOLEAN, "Whether applications start after their sidecars are ready."),
    ("init.image.repository", "crossfade/proxy-init", NOT_EMPTY, "The image that captures pods' traffic."),
    ("init.image.tag", "", TEXT, "Its tag; empty: the chart's appVersion."),
    ("sds.enabled", False, BOOLEAN, "Whether an agent of the nodes gives sidecars certificates."),
    ("sds.udsPath", "/run/spire/sockets/agent.sock", NOT_EMPTY, "Its socket on the nodes."),
    ("serviceAccount.create", True, BOOLEAN, "Whether the release has an account of its own."),
    ("serviceAccount.name", "", TEXT, f"Its name; empty: `{NAME}`."),
    ("serviceAccount.annotations", {}, ANNOTATIONS, "Such as an IAM role."),
    ("rbac.create", True, BOOLEAN, "Whether the release has roles and bindings."),
    ("env", {}, variables(), "More variables of the controller, by their whole names."),
    ("extraLabels", {}, _LABELS, "Labels of all objects."),
    ("podAnnotations", {}, ANNOTATIONS, "Annotations of the pods."),
    ("podLabels", {}, _LABELS, "Labels of the pods."),
    ("startupProbe", _asked("/healthz", failureThreshold=180), OBJECT, "How long the controller may take to start."),
    (
        "livenessProbe",
        _asked("/healthz", periodSeconds=10, terminationGracePeriodSeconds=5),
        OBJECT,
        "Whether the controller lives.",
    ),
    ("readinessProbe", _asked("/readyz"), OBJECT, "Whether it serves sidecars."),
    (
        "lifecycle",
        {"preStop": {"httpGet": {"path": "/drain?seconds=5", "port": HEALTH_PORT}}},
        OBJECT,
        "Webhooks are answered until the API server calls another pod.",
    ),
    (
        "resources",
        {"requests": {"cpu": "100m", "memory": "128Mi"}},
        OBJECT,
        "What it needs; memory grows with the objects that it watches.",
    ),
    ("podSecurityContext", {}, OBJECT, "Of the pods."),
    ("securityContext", RESTRICTED, OBJECT, "Of the container; Pod Security `restricted` takes it."),
    ("nodeSelector", {}, OBJECT, "Labels of nodes that pods may be on."),
    ("tolerations", [], LIST, "Taints of nodes that they may be on."),
    ("affinity", {}, OBJECT, "Which nodes and neighbours pods prefer or need."),
    ("topologySpreadConstraints", [], LIST, "How pods are spread over zones and nodes."),
    ("priorityClassName", "", TEXT, "How important the pods are."),
    ("podDisruptionBudget", {}, _BUDGET, "`minAvailable` or `maxUnavailable`; empty: none."),
    ("enableCertManager", False, BOOLEAN, "cert-manager makes and renews the webhooks' certificate."),
    (
        "crossfade.certManagerIssuer.name",
        "",
        TEXT,
        "Who signs it; empty: an authority that cert-manager keeps for the release.",
    ),
    ("crossfade.certManagerIssuer.kind", "Issuer", choice("Issuer", "ClusterIssuer"), "The kind of that issuer."),
    (
        "podMonitor.enabled",
        False,
        BOOLEAN,
        "PodMonitors of controllers and of the proxies of meshes, where the cluster has the kind.",
    ),
    ("podMonitor.trustCRDsExist", False, BOOLEAN, "Make them without asking the cluster, for `helm template`."),
    ("podMonitor.interval", "", TEXT, "How often is scraped."),
    ("podMonitor.labels", {}, _LABELS, "Labels that a Prometheus chooses them by."),
    (
        "networkPolicy.enabled",
        False,
        BOOLEAN,
        "Only the ports of webhooks, sidecars, probes and metrics can be reached.",
    ),
    ("networkPolicy.ingress", [], LIST, "More that may be reached, as in a NetworkPolicy."),
)
_NO_APP_MESH: Final = "has no effect: nothing asks AWS for App Mesh"
_NO_STATSD: Final = "has no effect: statistics are read at the sidecars' admin port"
_STATSD: Final = Unlisted("stats.statsdEnabled")
_NO_CREDENTIALS: Final = "has no effect: sidecars need nothing of AWS, so no credentials either"
_NO_DAEMON: Final = "has no effect: there is no X-Ray daemon; spans go to a collector by OTLP"
_FIXED: Final = "names are the same in every release, since a cluster has one mesh controller; leave it out"

TABLE: Final = ValueTable(
    (*_SPECS, *monitoring_values(_LABELS)),
    refused=(
        Remark("nameOverride", _FIXED),
        Remark("fullnameOverride", _FIXED),
        Remark("rbac.pspEnabled", "Kubernetes has had no PodSecurityPolicy since 1.25; label the namespace instead"),
    ),
    idle=(
        Remark("preview", "has no effect: there is no preview channel"),
        Remark("clusterName", "has no effect: `crossfade.ipFamily` says the family of the pods' addresses"),
        Remark("useAwsDualStackEndpoint", _NO_APP_MESH),
        Remark("sidecar.useDualStackEndpoint", _NO_APP_MESH),
        Remark("sidecar.useFipsEndpoint", _NO_APP_MESH),
        Remark("sidecar.envoyAwsAccessKeyId", _NO_CREDENTIALS),
        Remark("sidecar.envoyAwsSecretAccessKey", _NO_CREDENTIALS),
        Remark("sidecar.envoyAwsSessionToken", _NO_CREDENTIALS),
        Remark("sidecar.lifecycleHooks.postStartInterval", "has no effect: applications start as soon as they can"),
        Remark("tracing.role", _NO_DAEMON),
        Remark("tracing.logLevel", _NO_DAEMON),
        Remark("stats.statsdEnabled", _NO_STATSD),
        Remark("stats.statsdAddress", _NO_STATSD, _STATSD),
        Remark("stats.statsdPort", _NO_STATSD, _STATSD),
        Remark("stats.statsdSocketPath", _NO_STATSD, _STATSD),
        Remark("xray", _NO_DAEMON),
        Remark("cloudMapCustomHealthCheck.enabled", "has no effect: only pods that are ready are registered"),
    ),
)
