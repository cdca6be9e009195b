"""The `envoy` container: its environment, probe and resources (appmesh.md §4.4)."""

from typing import Final

from crossfade.envoy.probes import ProbedPort, probes_text
from crossfade.envoy.telemetry.environment import XRAY_SAMPLING_RATE
from crossfade.inject.annotations import PodWishes
from crossfade.inject.probes import VARIABLE as PROBES
from crossfade.inject.resources import resources
from crossfade.inject.sds import sds_mount, sds_variable
from crossfade.inject.settings import (
    AUTHORITY_BUNDLE,
    AUTHORITY_KEY,
    PROBE_TIMEOUT_S,
    PROXY_UID,
    TOKEN_AUDIENCE,
    SidecarSettings,
)
from crossfade.inject.tracing import refuse_wrong_tracing, tracing_variables
from crossfade_kube.meta import JsonObject

ENVOY_NAME: Final = "envoy"
TOKEN_VOLUME: Final = "crossfade-token"  # noqa: S105 - the name of a volume
_TOKEN_DIRECTORY: Final = "/var/run/secrets/crossfade"  # noqa: S105 - a path
_TOKEN_SECONDS: Final = 3600
# Environment names that authors may set although the controller knows them.
_AUTHORS_MAY_SET: Final = frozenset({XRAY_SAMPLING_RATE})


def environment(resource_path: str, settings: SidecarSettings) -> list[JsonObject]:
    """`resource_path` is `mesh/…/virtualNode/…` or `…/virtualGateway/…`."""
    values = {
        "APPMESH_RESOURCE_ARN": resource_path,
        "APPMESH_VIRTUAL_NODE_NAME": resource_path,
        "AWS_REGION": settings.region,
        "ENVOY_LOG_LEVEL": settings.log_level,
        "ENVOY_CONCURRENCY": str(settings.concurrency),
        "ENVOY_ADMIN_ACCESS_PORT": str(settings.admin_port),
        "APPMESH_PLATFORM_APP_MESH_CONTROLLER_VERSION": settings.version,
        **control_plane("CROSSFADE_ADS", settings),
        **({"ENVOY_ADMIN_ACCESS_LOG_FILE": settings.admin_log} if settings.admin_log else {}),
        **({"ENVOY_ADMIN_ACCESS_ENABLE_IPV6": "true"} if settings.has_admin_ipv6 else {}),
        **({"ENABLE_ENVOY_STATS_TAGS": "1"} if settings.has_stats_tags else {}),
    }
    from_fields = {
        "POD_NAME": "metadata.name",
        "POD_NAMESPACE": "metadata.namespace",
        "POD_IP": "status.podIP",
        "APPMESH_PLATFORM_K8S_POD_UID": "metadata.uid",
        **({"POD_IPS": "status.podIPs"} if settings.has_admin_ipv6 else {}),
    }
    return [
        *({"name": name, "value": value} for name, value in values.items()),
        *({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in from_fields.items()),
        *tracing_variables(settings.tracing),
    ]


def control_plane(prefix: str, settings: SidecarSettings) -> dict[str, str]:
    """Variables that say where the mesh's control plane is, whom to trust and by what to be known."""
    return {
        f"{prefix}_ADDRESS": settings.ads_address,
        f"{prefix}_CA": settings.ads_ca_pem,
        f"{prefix}_CA_FILE": f"{_TOKEN_DIRECTORY}/{AUTHORITY_KEY}",
        f"{prefix}_TOKEN_FILE": f"{_TOKEN_DIRECTORY}/token",
    }


def token_volume() -> JsonObject:
    """The pod's own token, also where the author does not mount the usual one, and whom to trust; the kubelet renews
    both. The controller may write its bundle later than the first pod of a namespace is made."""
    bundle = {"name": AUTHORITY_BUNDLE, "optional": True, "items": [{"key": AUTHORITY_KEY, "path": AUTHORITY_KEY}]}
    token = {"audience": TOKEN_AUDIENCE, "expirationSeconds": _TOKEN_SECONDS, "path": "token"}
    return {"name": TOKEN_VOLUME, "projected": {"sources": [{"serviceAccountToken": token}, {"configMap": bundle}]}}


def token_mount() -> JsonObject:
    return {"name": TOKEN_VOLUME, "mountPath": _TOKEN_DIRECTORY, "readOnly": True}


def with_wishes(env: list[JsonObject], wishes: PodWishes) -> list[JsonObject]:
    """Adds the author's variables; those of the controller win. Raises InjectionDenied."""
    taken = {entry["name"] for entry in env} - _AUTHORS_MAY_SET
    found = [*env, *({"name": name, "value": value} for name, value in wishes.env if name not in taken)]
    if wishes.env:
        refuse_wrong_tracing(found)
    return found


def readiness_probe(settings: SidecarSettings) -> JsonObject:
    """Ready once Envoy has its first configuration."""
    return {
        "httpGet": {"path": "/ready", "port": settings.admin_port},
        "initialDelaySeconds": settings.readiness_delay_s,
        "periodSeconds": settings.readiness_period_s,
        "timeoutSeconds": PROBE_TIMEOUT_S,
        "successThreshold": 1,
        "failureThreshold": 3,
    }


def envoy_container(
    resource_path: str,
    wishes: PodWishes,
    settings: SidecarSettings,
    *,
    lifecycle: JsonObject,
    probes: tuple[ProbedPort, ...] = (),
) -> JsonObject:
    """`lifecycle` are the fields that say how it begins and ends beside the others (`inject/lifecycle.py`)."""
    env = [*environment(resource_path, settings), *lifecycle.get("env", ())]
    env += [{"name": PROBES, "value": probes_text(probes)}] if probes else []
    socket = sds_socket(wishes, settings)
    env += [sds_variable(socket)] if socket else []
    return {
        "name": ENVOY_NAME,
        "image": settings.proxy_image,
        "securityContext": {"runAsUser": PROXY_UID},
        "ports": [{"name": "stats", "containerPort": settings.admin_port, "protocol": "TCP"}],
        "resources": _resources(wishes, settings),
        "readinessProbe": readiness_probe(settings),
        **lifecycle,
        "env": with_wishes(env, wishes),
        "volumeMounts": [
            token_mount(),
            *([sds_mount(socket)] if socket else []),
            *({"name": mount.source, "mountPath": mount.path, "readOnly": True} for mount in wishes.secret_mounts),
            *({"name": mount.source, "mountPath": mount.path, "readOnly": True} for mount in wishes.volume_mounts),
        ],
    }


def sds_socket(wishes: PodWishes, settings: SidecarSettings) -> str:
    """Empty for none."""
    return settings.sds_socket if wishes.wants_sds else ""


def _resources(wishes: PodWishes, settings: SidecarSettings) -> JsonObject:
    return resources(
        requests={
            "cpu": wishes.cpu_request or settings.cpu_request,
            "memory": wishes.memory_request or settings.memory_request,
        },
        limits={
            "cpu": wishes.cpu_limit or settings.cpu_limit,
            "memory": wishes.memory_limit or settings.memory_limit,
        },
    )
