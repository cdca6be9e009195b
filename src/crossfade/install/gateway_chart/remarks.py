"""Values of Kong's charts that end an installation here, or that have no effect, and why."""

from typing import Final

from crossfade.install.template.nodes import All, AnyOf, Is, Not, Unlisted, Value
from crossfade.install.template.values import Remark

_DATABASE: Final = "there is no database, the objects of Kubernetes are the configuration; leave it out, or say off"
_ONE_POD: Final = "proxy and controller are one pod here, neither works alone; leave it at true"
_ENTERPRISE: Final = "it is a part of Kong Enterprise, which does not exist here; leave it out"
_INGRESS: Final = "the gateway is not put behind another Ingress; write an Ingress of your own for its Service"
_OBJECTS: Final = "the objects of Kubernetes are the configuration; convert a file with `crossfade migrate`"
_LUA: Final = "plugins in Lua do not run here; list built-in plugins and what stands for others: docs/differences.md"
_VOLUMES: Final = "files come from deployment.userDefinedVolumes, with mounts of each container; put them there"


def _is_false(path: str) -> Is:
    return Is(Unlisted(path, default=True), "false")


REFUSED: Final = (
    Remark(
        "env.database",
        _DATABASE,
        Not(AnyOf((Is(Unlisted("env.database", "off"), "off"), Is(Unlisted("env.database", "off"), "false")))),
    ),
    Remark("postgresql.enabled", _DATABASE),
    Remark("deployment.kong.enabled", _ONE_POD, Not(Value("deployment.kong.enabled"))),
    Remark("ingressController.enabled", _ONE_POD, Not(Value("ingressController.enabled"))),
    Remark("ingressController.gatewayDiscovery.enabled", _ONE_POD),
    Remark("ingressController.konnect.enabled", "there is no Konnect here; leave it out"),
    Remark(
        "ingressController.installCRDs",
        "Helm installs the definitions from the chart's folder crds before anything else; say false",
        Value("ingressController.installCRDs"),
    ),
    Remark(
        "ingressController.admissionWebhook.certificate.provided",
        "the controller makes and renews the webhook's certificate; leave it out",
    ),
    Remark(
        "ingressController.watchNamespaces", "all namespaces are watched; a class of its own tells a gateway's objects"
    ),
    Remark(
        "ingressController.rbac.enableClusterRoles",
        "credentials and Ingresses may be in all namespaces, so the gateway reads them; leave it at true",
        _is_false("ingressController.rbac.enableClusterRoles"),
    ),
    Remark(
        "ingressController.serviceAccount.name", "the pod has one account, deployment.serviceAccount.name; say it there"
    ),
    Remark(
        "ingressController.serviceAccount.annotations",
        "the pod has one account, deployment.serviceAccount.annotations are its own; put them there",
    ),
    Remark(
        "ingressController.serviceAccount.create",
        "the pod has one account, deployment.serviceAccount.create says whether it is made; say it there",
        _is_false("ingressController.serviceAccount.create"),
    ),
    Remark("extraConfigMaps", _VOLUMES),
    Remark("extraSecrets", _VOLUMES),
    Remark("extraObjects", "a release holds what the gateway needs; apply other objects by themselves"),
    Remark("deployment.daemonset", "the gateway is a Deployment; spread its pods with topologySpreadConstraints"),
    Remark("proxy.ingress.enabled", _INGRESS),
    Remark("admin.ingress.enabled", _INGRESS),
    Remark(
        "admin.enabled",
        "the Admin API has no password and no Service; read it through kubectl port-forward",
    ),
    Remark("udpProxy.enabled", "UDP ports are entries of proxy.stream with protocol UDP; put them there"),
    Remark("status.tls.enabled", "the status page answers in clear; leave it out"),
    Remark(
        "cluster.enabled", "the controller configures its proxies itself, there is no cluster of Kongs; leave it out"
    ),
    Remark("clustertelemetry.enabled", _ENTERPRISE),
    Remark("enterprise.enabled", _ENTERPRISE),
    Remark("dblessConfig.configMap", _OBJECTS),
    Remark("dblessConfig.secret", _OBJECTS),
    Remark("plugins.configMaps", _LUA),
    Remark("plugins.secrets", _LUA),
    Remark(
        "podSecurityPolicy.enabled", "Kubernetes has had no PodSecurityPolicy since 1.25; label the namespace instead"
    ),
    Remark(
        "certificates.enabled",
        "certificates of Ingresses come from their Secrets, which cert-manager can make; annotate the Ingresses",
    ),
    Remark(
        "proxy",
        "both listeners are off, so nothing could be reached; enable proxy.http or proxy.tls, or set env.proxy_listen",
        All((Not(Value("proxy.http.enabled")), Not(Value("proxy.tls.enabled")), Not(Unlisted("env.proxy_listen", "")))),
    ),
)
_NO_FILES: Final = "nothing is kept in files"
IDLE: Final = (
    Remark("image.effectiveSemver", "has no effect: the chart's images are of one version"),
    Remark("ingressController.image.effectiveSemver", "has no effect: the chart's images are of one version"),
    Remark("migrations.init", "has no effect: there is no database"),
    Remark("migrations.preUpgrade", "has no effect: there is no database"),
    Remark("migrations.postUpgrade", "has no effect: there is no database"),
    Remark("waitImage.enabled", "has no effect: there is no database to wait for"),
    Remark("deployment.prefixDir", f"has no effect: {_NO_FILES}"),
    Remark("status.enabled", "has no effect: the status page is always there, probes ask it"),
    Remark("status.http.enabled", "has no effect: the status page is always there, probes ask it"),
    Remark("deployment.kong.initContainers", f"has no effect: {_NO_FILES}, so none is stale"),
    Remark("manager.enabled", f"has no effect: {_ENTERPRISE}"),
    Remark("portal.enabled", f"has no effect: {_ENTERPRISE}"),
    Remark("portalapi.enabled", f"has no effect: {_ENTERPRISE}"),
    Remark("dblessConfig.config", f"has no effect: {_OBJECTS}"),
    Remark("deployment.test", "has no effect: the release has no test of its own"),
    Remark("deployment.hostname", "has no effect: pods are called as Kubernetes calls them"),
    Remark("deployment.serviceAccount.automountServiceAccountToken", "has no effect: the controller needs its token"),
    Remark("status.http.parameters", "has no effect: the status page answers in clear"),
    Remark("clusterCaSecretName", "has no effect: the controller and its proxy talk on the pod's loopback"),
    Remark("initContainerResources", "has no effect: no container runs before the gateway"),
    Remark("ingressController.admissionWebhook.matchPolicy", "has no effect: each kind has one version"),
    Remark(
        "ingressController.admissionWebhook.filterSecrets", "has no effect: only Secrets with Kong's labels are seen"
    ),
    Remark("ingressController.admissionWebhook.objectSelector", "has no effect: namespaceSelector chooses"),
    Remark("ingressController.admissionWebhook.service", "has no effect: extraLabels are on that Service too"),
    Remark("ingressController.konnect", "has no effect: there is no Konnect here"),
    Remark("ingressController.adminApi", "has no effect: the controller and its proxy talk on the pod's loopback"),
    Remark("ingressController.rbac.gatewayAPI", "has no effect: of the Gateway API only ReferenceGrants are read"),
)
