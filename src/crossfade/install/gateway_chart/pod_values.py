"""Values of how a gateway's pods are run."""

from typing import Final

from crossfade.install.gateway_chart.names import SELECTOR
from crossfade.install.template.values import (
    ANNOTATIONS,
    BOOLEAN,
    LIST,
    OBJECT,
    PORT,
    RESTRICTED,
    TEXT,
    TEXTS,
    Schema,
    choice,
    integer,
    labels,
    named,
    optional,
    probe,
)

_LABELS: Final = labels(but=(*SELECTOR, "app.kubernetes.io/version"))
_PART: Final[Schema] = {"type": "number", "minimum": 0, "maximum": 1}
_SHARE: Final[Schema] = {"type": ["string", "integer", "null"]}


PODS: Final = named(
    "",
    ("status.http.containerPort", 8100, PORT, "Where `/status` and `/metrics` answer."),
    ("replicaCount", 1, integer(0), "Number of pods, without autoscaling."),
    ("updateStrategy", {}, OBJECT, "How pods are replaced; empty: rolling, as Kubernetes does."),
    (
        "resources",
        {"requests": {"cpu": "200m", "memory": "128Mi"}},
        OBJECT,
        "What the proxy needs. Its worker threads are `env.nginx_worker_processes`.",
    ),
    ("startupProbe", {}, OBJECT, "A probe of the proxy while it starts."),
    ("livenessProbe", {}, OBJECT, "Whether the proxy lives; it restarts Envoy itself."),
    ("readinessProbe", probe("/status", "status"), OBJECT, "Whether it takes requests."),
    ("lifecycle", {}, OBJECT, "Hooks of the proxy; it drains by itself when its pod ends."),
    (
        "terminationGracePeriodSeconds",
        None,
        optional(integer(1)),
        "When an ending pod is killed; empty: 10 seconds after the last that `crossfade.drainSeconds` lets it serve.",
    ),
    ("securityContext", {}, OBJECT, "Of the pods."),
    (
        "containerSecurityContext",
        RESTRICTED,
        OBJECT,
        "Of both containers; Pod Security `restricted` takes it. User 1337 would bypass a mesh's sidecar.",
    ),
    ("nodeSelector", {}, OBJECT, "Labels of nodes that pods may be on."),
    ("tolerations", [], LIST, "Taints of nodes that they may be on."),
    ("affinity", {}, OBJECT, "In place of `crossfade.antiAffinity`."),
    ("topologySpreadConstraints", [], LIST, "How pods are spread over zones and nodes."),
    ("priorityClassName", "", TEXT, "How important the pods are."),
    ("podAnnotations", {}, ANNOTATIONS, "Annotations of the pods."),
    ("podLabels", {}, _LABELS, "Labels of the pods."),
    ("deploymentAnnotations", {}, ANNOTATIONS, "Annotations of the Deployment."),
    ("secretVolumes", [], TEXTS, "Secrets that both containers have below /etc/secrets."),
    ("autoscaling.enabled", False, BOOLEAN, "Whether a HorizontalPodAutoscaler sets the number of pods."),
    ("autoscaling.minReplicas", 2, integer(1), "The fewest."),
    ("autoscaling.maxReplicas", 5, integer(1), "The most."),
    ("autoscaling.annotations", {}, ANNOTATIONS, "Annotations of the autoscaler."),
    ("autoscaling.behavior", {}, OBJECT, "How fast it goes up and down."),
    (
        "autoscaling.targetCPUUtilizationPercentage",
        None,
        optional(integer(1)),
        "In place of `metrics`: of the requested CPU.",
    ),
    (
        "autoscaling.metrics",
        [
            {
                "type": "Resource",
                "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
            }
        ],
        LIST,
        "What it goes by; needs requests for resources of every container.",
    ),
    ("podDisruptionBudget.enabled", False, BOOLEAN, "Whether evictions leave pods alone."),
    ("podDisruptionBudget.maxUnavailable", "50%", _SHARE, "How many may be gone."),
    ("podDisruptionBudget.minAvailable", None, _SHARE, "How many must stay, in place of `maxUnavailable`."),
    (
        "podDisruptionBudget.unhealthyPodEvictionPolicy",
        "",
        choice("", "IfHealthyBudget", "AlwaysAllow"),
        "Whether pods that are not Ready may always be evicted.",
    ),
    (
        "networkPolicy.enabled",
        False,
        BOOLEAN,
        "Nothing but the ports of clients, webhook, probes and metrics can be reached.",
    ),
    ("networkPolicy.ingress", [], LIST, "More that may be reached, as in a NetworkPolicy; a sidecar's ports among it."),
    ("serviceMonitor.enabled", False, BOOLEAN, "A ServiceMonitor, where the cluster knows the kind."),
    ("serviceMonitor.trustCRDsExist", False, BOOLEAN, "Make it without asking the cluster, for `helm template`."),
    ("serviceMonitor.interval", "", TEXT, "How often it is scraped."),
    ("serviceMonitor.labels", {}, _LABELS, "Labels that a Prometheus chooses it by."),
    ("serviceMonitor.namespaceSelector", {}, OBJECT, "Of the monitor."),
    ("tracing.enabled", False, BOOLEAN, "All requests go through zipkin or opentelemetry, by a KongClusterPlugin."),
    ("tracing.provider", "x-ray", choice("jaeger", "x-ray", "otlp"), "`jaeger`: zipkin; else opentelemetry."),
    ("tracing.address", "", TEXT, "The host that takes spans; empty: as in the mesh's chart."),
    ("tracing.port", None, optional(PORT), "Its port; null: the provider's."),
    ("tracing.samplingRate", 0.05, _PART, "The share of the requests without a trace that begin one."),
)
