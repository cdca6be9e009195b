"""Names and ports of the mesh's control plane, as the App Mesh controller's chart had them (appmesh.md §2.1, §6)."""

from typing import Final

NAMESPACE: Final = "appmesh-system"
NAME: Final = "appmesh-controller"
WEBHOOK_SERVICE: Final = "appmesh-controller-webhook-service"
ADS_SERVICE: Final = "appmesh-controller-ads"
CERTIFICATE_SECRET: Final = "appmesh-controller-webhook-server-cert"  # noqa: S105 - the name of a Secret
IDENTITIES_SECRET: Final = "appmesh-controller-mesh-identities"  # noqa: S105 - the name of a Secret
ISSUERS_CONFIG_MAP: Final = "appmesh-controller-mesh-issuers"
MUTATING_CONFIGURATION: Final = "appmesh-controller-mutating-webhook-configuration"
VALIDATING_CONFIGURATION: Final = "appmesh-controller-validating-webhook-configuration"
LEASE: Final = "appmesh-controller-leader-election"

CLUSTER_DOMAIN: Final = "cluster.local"

WEBHOOK_PORT: Final = 9443
ADS_PORT: Final = 18000
HEALTH_PORT: Final = 61779
METRICS_PORT: Final = 8080

# Kinds that pass admission, in lower case as they appear in paths, with their plurals.
ADMITTED: Final[dict[str, str]] = {
    "mesh": "meshes",
    "virtualnode": "virtualnodes",
    "virtualservice": "virtualservices",
    "virtualrouter": "virtualrouters",
    "virtualgateway": "virtualgateways",
    "gatewayroute": "gatewayroutes",
    "backendgroup": "backendgroups",
}
POD_PATH: Final = "/mutate-v1-pod"


def mutating_path(kind: str) -> str:
    return f"/mutate-appmesh-k8s-aws-v1beta2-{kind}"


def validating_path(kind: str) -> str:
    return f"/validate-appmesh-k8s-aws-v1beta2-{kind}"


def server_names(namespace: str, domain: str) -> tuple[str, ...]:
    """DNS names that the controller's certificate must cover: webhooks and ADS; `domain` is the cluster's."""
    return tuple(
        f"{service}.{namespace}{suffix}"
        for service in (WEBHOOK_SERVICE, ADS_SERVICE)
        for suffix in (".svc", f".svc.{domain}")
    )


def ads_address(namespace: str, domain: str) -> str:
    """`host:port` as sidecars know it."""
    return f"{ADS_SERVICE}.{namespace}.svc.{domain}:{ADS_PORT}"
