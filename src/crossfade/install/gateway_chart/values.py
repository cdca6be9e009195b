"""The values of the gateway's chart. Names are those of Kong's chart, 1.11 to 3.x, for all that exists here."""

from typing import Final

from crossfade.compile.gateway.settings import COMPAT_PROFILES, IDENTITY_HEADERS, MISSING_PLUGINS
from crossfade.install.gateway_chart.drain import DRAIN_S
from crossfade.install.gateway_chart.names import SELECTOR
from crossfade.install.gateway_chart.pod_values import PODS
from crossfade.install.gateway_chart.remarks import IDLE, REFUSED
from crossfade.install.gateway_defaults import HEALTH_PORT
from crossfade.install.monitoring import monitoring_values
from crossfade.install.template.values import (
    ANNOTATIONS,
    BOOLEAN,
    LIST,
    NAME,
    OBJECT,
    PORT,
    TEXT,
    TEXTS,
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

_LABELS: Final = labels(but=(*SELECTOR, "app.kubernetes.io/version"))
_NODE_PORT: Final = optional(integer(0, 65535))
_LABEL: Final = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
# Part of a Lease's name too.
_CLASS: Final[Schema] = {"type": "string", "maxLength": 200, "pattern": f"^{_LABEL}(\\.{_LABEL})*$"}
# With little CPU a controller takes a minute to start, and must not be judged by how it lives meanwhile.
_START_FAILURES: Final = 180
_STREAM: Final[Schema] = {
    # Kong's older charts say {} for none.
    "type": ["array", "object"],
    "maxProperties": 0,
    "items": {
        "type": "object",
        "required": ["containerPort", "servicePort"],
        "additionalProperties": False,
        "properties": {
            "containerPort": PORT,
            "servicePort": PORT,
            "protocol": choice("TCP", "UDP"),
            "parameters": TEXTS,
        },
    },
}
_POLICY: Final = choice("Always", "IfNotPresent", "Never")
_OWN: Final = named(
    "crossfade.",
    ("compat", "kong-2.1", choice(*COMPAT_PROFILES), "Whose texts and headers clients are answered with."),
    (
        "missingPlugins",
        MISSING_PLUGINS[0],
        choice(*MISSING_PLUGINS),
        "Whether a route whose plugin does not exist answers 503 or is served without it.",
    ),
    (
        "identityHeaders",
        IDENTITY_HEADERS[0],
        choice(*IDENTITY_HEADERS),
        "Whether clients' own X-Consumer-* headers never reach Services, or do where no plugin authenticates.",
    ),
    ("meshNative", False, BOOLEAN, "A gateway that is a VirtualNode without a sidecar."),
    (
        "drainSeconds",
        DRAIN_S,
        integer(0, 3600),
        "How long an ending pod serves at least: until kube-proxy, or a cloud's load balancer, sends it no more.",
    ),
    ("clusterDomain", "cluster.local", TEXT, "The DNS domain of the cluster."),
    (
        "antiAffinity",
        "soft",
        choice("soft", "hard", "off"),
        "Whether pods of this release prefer or need different nodes; `affinity` goes before.",
    ),
    ("env", {}, variables(), "More variables of the controller, by their whole names."),
)
_DEPLOYMENT: Final = named(
    "deployment.",
    ("kong.enabled", True, BOOLEAN, "Proxy and controller are one pod: both or none."),
    ("serviceAccount.create", True, BOOLEAN, "Whether the release has an account of its own."),
    ("serviceAccount.name", "", TEXT, "Its name; empty: that of the Deployment."),
    ("serviceAccount.annotations", {}, ANNOTATIONS, "Such as an IAM role."),
    ("revisionHistoryLimit", 10, integer(0), "How many old ReplicaSets are kept."),
    ("minReadySeconds", None, optional(integer(0)), "How long a pod must be Ready before it counts."),
    ("hostNetwork", False, BOOLEAN, "The pods use the node's network; `restricted` forbids it."),
    ("tmpDir.sizeLimit", "256Mi", NAME, "Of /tmp in the pods, the only place that is written to."),
    ("initContainers", [], LIST, "Containers that run before the gateway."),
    ("sidecarContainers", [], LIST, "Containers beside it."),
    ("userDefinedVolumes", [], LIST, "Volumes of the pods."),
    ("userDefinedVolumeMounts", [], LIST, "Where the proxy has them."),
)
_IMAGE: Final = named(
    "",
    ("image.registry", "", TEXT, "Put before all repositories, for images of a registry of your own."),
    ("image.repository", "crossfade/proxy", TEXT, "The proxy's image."),
    ("image.tag", "", TEXT, "Its tag; empty: the chart's appVersion."),
    ("image.unifiedRepoTag", "", TEXT, "Repository and tag in one, in place of both and of the registry."),
    ("image.pullPolicy", "IfNotPresent", _POLICY, "When images are pulled."),
    ("image.pullSecrets", [], TEXTS, "Names of Secrets with passwords of registries."),
    (
        "env",
        {},
        variables(),
        "Kong's settings: `env.trusted_ips` is `KONG_TRUSTED_IPS` (reference/kong-settings.md), set where it is read.",
    ),
    ("customEnv", {}, variables(), "More variables of the proxy, by their whole names."),
    ("envFrom", [], LIST, "ConfigMaps and Secrets whose entries are variables of the proxy."),
    ("nameOverride", "", TEXT, "In place of `kong` in names and labels."),
    ("fullnameOverride", "", TEXT, "In place of `<release>-kong`."),
    ("extraLabels", {}, _LABELS, "Labels of all objects."),
)
_PROXY: Final = named(
    "proxy.",
    ("enabled", True, BOOLEAN, "Whether there is a Service for clients; without it Ingresses show no address."),
    ("nameOverride", "", TEXT, "In place of `<release>-kong-proxy`."),
    ("type", "LoadBalancer", choice("LoadBalancer", "NodePort", "ClusterIP"), "Type of the Service."),
    ("annotations", {}, ANNOTATIONS, "Such as those that ask for an NLB."),
    ("labels", {}, _LABELS, "Labels of the Service."),
    ("loadBalancerClass", "", TEXT, "Which controller makes the load balancer."),
    ("loadBalancerIP", "", TEXT, "Its address, where the cloud lets one choose."),
    ("loadBalancerSourceRanges", [], TEXTS, "Networks that it takes connections from."),
    ("externalIPs", [], TEXTS, "Addresses of nodes that the Service answers at."),
    ("externalTrafficPolicy", "", choice("", "Cluster", "Local"), "`Local` keeps clients' addresses."),
    ("clusterIP", "", TEXT, "The Service's address; `None` for a headless one."),
    (
        "ipFamilyPolicy",
        None,
        {"type": ["string", "null"], "enum": [None, "", "SingleStack", "PreferDualStack", "RequireDualStack"]},
        "Families of its addresses.",
    ),
    ("ipFamilies", [], TEXTS, "`IPv4`, `IPv6`."),
    ("trafficDistribution", None, optional(TEXT), "Which pods are preferred, such as `PreferClose`."),
    ("sessionAffinity", "", choice("", "None", "ClientIP"), "`ClientIP`: a client stays with a pod."),
    ("http.enabled", True, BOOLEAN, "Whether plain HTTP is listened for."),
    ("http.servicePort", 80, PORT, "The Service's port."),
    ("http.containerPort", 8000, PORT, "The proxy's."),
    ("http.nodePort", None, _NODE_PORT, "The nodes'."),
    ("http.hostPort", None, _NODE_PORT, "One of the pod's node."),
    ("http.appProtocol", "", TEXT, "For load balancers that look at it."),
    ("http.parameters", [], TEXTS, "Flags of `proxy_listen`, such as `proxy_protocol`."),
    ("tls.enabled", True, BOOLEAN, "Whether HTTPS is listened for."),
    ("tls.servicePort", 443, PORT, "The Service's port."),
    ("tls.containerPort", 8443, PORT, "The proxy's."),
    (
        "tls.overrideServiceTargetPort",
        None,
        optional(PORT),
        "Where the Service's port leads, such as 8000 behind a load balancer that ends TLS.",
    ),
    ("tls.nodePort", None, _NODE_PORT, "The nodes'."),
    ("tls.hostPort", None, _NODE_PORT, "One of the pod's node."),
    ("tls.appProtocol", "", TEXT, "For load balancers that look at it."),
    ("tls.parameters", ["http2"], TEXTS, "Flags of `proxy_listen`; `ssl` is added."),
    (
        "stream",
        [],
        _STREAM,
        "Ports of TCPIngresses and UDPIngresses: as `stream_listen`, with `servicePort`, `protocol`.",
    ),
)
_CONTROLLER: Final = named(
    "ingressController.",
    ("enabled", True, BOOLEAN, "Proxy and controller are one pod: both or none."),
    ("image.repository", "crossfade/controller", TEXT, "The controller's image."),
    ("image.tag", "", TEXT, "Its tag; empty: the chart's appVersion."),
    ("args", [], TEXTS, "More arguments of `crossfade controller`."),
    (
        "env",
        {},
        variables(),
        "The controller's settings: `ingressController.env.election_id` is `CONTROLLER_ELECTION_ID`.",
    ),
    ("envFrom", [], LIST, "ConfigMaps and Secrets whose entries are its variables."),
    ("userDefinedVolumeMounts", [], LIST, "Where the controller has volumes of `deployment.userDefinedVolumes`."),
    (
        "ingressClass",
        "kong",
        _CLASS,
        "The class of Ingresses and Kong objects that are this gateway's.",
    ),
    (
        "createIngressClass",
        True,
        BOOLEAN,
        "Whether the release has that IngressClass; of several releases of one class one may.",
    ),
    ("ingressClassAnnotations", {}, ANNOTATIONS, "Such as `ingressclass.kubernetes.io/is-default-class`."),
    ("rbac.create", True, BOOLEAN, "Whether the release has roles and bindings."),
    ("installCRDs", False, BOOLEAN, "Helm takes the definitions from the chart's folder crds; see there."),
    ("admissionWebhook.enabled", True, BOOLEAN, "Whether Kong's objects are checked when they are written."),
    ("admissionWebhook.failurePolicy", "Ignore", choice("Ignore", "Fail"), "What happens while no controller answers."),
    ("admissionWebhook.port", 8080, PORT, "The controller's port for it."),
    ("admissionWebhook.timeoutSeconds", 5, integer(1, 30), "How long the API server waits for an answer."),
    ("admissionWebhook.namespaceSelector", {}, OBJECT, "Namespaces whose objects are checked; empty: all."),
    ("admissionWebhook.annotations", {}, ANNOTATIONS, "Annotations of the webhook's configuration."),
    (
        "startupProbe",
        probe("/healthz", HEALTH_PORT, failureThreshold=_START_FAILURES),
        OBJECT,
        "How long the controller may take to start.",
    ),
    (
        "livenessProbe",
        probe("/healthz", HEALTH_PORT, periodSeconds=10, timeoutSeconds=10, terminationGracePeriodSeconds=5),
        OBJECT,
        "Whether the controller lives.",
    ),
    ("readinessProbe", probe("/readyz", HEALTH_PORT), OBJECT, "Whether it has configured its proxy."),
    (
        "lifecycle",
        {"preStop": {"httpGet": {"path": "/drain?seconds=5", "port": HEALTH_PORT}}},
        OBJECT,
        "The webhook is answered until the API server calls another pod.",
    ),
    (
        "resources",
        {"requests": {"cpu": "100m", "memory": "160Mi"}},
        OBJECT,
        "What the controller needs; memory grows with the objects that it watches.",
    ),
)
_SPECS: Final = (*_OWN, *_DEPLOYMENT, *_IMAGE, *_PROXY, *_CONTROLLER, *PODS, *monitoring_values(_LABELS))
TABLE: Final = ValueTable(_SPECS, refused=REFUSED, idle=IDLE)
