"""The mesh role's settings, from its environment."""

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct

from crossfade import __version__
from crossfade.api.bounds import Misfit, host_name
from crossfade.certs.identities import LONGEST_IDENTITY
from crossfade.inject.settings import NativeSidecars
from crossfade.install.mesh_names import ADS_PORT, HEALTH_PORT, NAME, NAMESPACE, WEBHOOK_PORT

_MAX_DIGITS: Final = 7
_SHORTEST_IDENTITY_S: Final = 60


class MeshSettings(Struct, frozen=True):
    """Without `kubeconfig` the pod's own service account is used, with `cluster` (the KUBERNETES_* variables).

    `identity` is the pod's name.
    """

    kubeconfig: Path | None = None
    cluster: Mapping[str, str] = {}
    namespace: str = NAMESPACE
    identity: str = NAME
    region: str = "us-west-2"
    account_id: str = "000000000000"
    ip_family: str = "ipv4"
    host: str = "0.0.0.0"
    webhook_port: int = WEBHOOK_PORT
    ads_port: int = ADS_PORT
    health_port: int = HEALTH_PORT
    proxy_image: str = f"crossfade/proxy:{__version__}"
    init_image: str = f"crossfade/proxy-init:{__version__}"
    sidecar_log_level: str = "info"
    sidecar_pre_stop_delay_s: int = 0
    waits_until_proxy_ready: bool = False
    cluster_domain: str = "cluster.local"
    uses_aws_cloud_map: bool = False
    native_sidecars: NativeSidecars = NativeSidecars.AUTO
    sidecar_start_timeout_s: int = 180
    sds_socket: str = ""
    identity_lifetime_s: int = 86_400

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], kubeconfig: str | None) -> "MeshSettings":
        """Raises ValueError naming the variable that is wrong."""
        ip_family = environ.get("CROSSFADE_IP_FAMILY") or "ipv4"
        if ip_family not in ("ipv4", "ipv6"):
            raise ValueError(f"CROSSFADE_IP_FAMILY is {ip_family!r}: it must be ipv4 or ipv6")
        domain = (environ.get("CROSSFADE_CLUSTER_DOMAIN") or "cluster.local").strip(".")
        if isinstance(misfit := host_name(domain), Misfit):
            raise ValueError(f"CROSSFADE_CLUSTER_DOMAIN is {domain!r}: {misfit.problem}")
        cloud_map = environ.get("CROSSFADE_CLOUD_MAP") or "cluster"
        if cloud_map not in ("cluster", "aws"):
            raise ValueError(f"CROSSFADE_CLOUD_MAP is {cloud_map!r}: it must be cluster or aws")
        native = environ.get("CROSSFADE_NATIVE_SIDECARS") or NativeSidecars.AUTO
        if native not in list(NativeSidecars):
            raise ValueError(f"CROSSFADE_NATIVE_SIDECARS is {native!r}: it must be one of {', '.join(NativeSidecars)}")
        return cls(
            kubeconfig=Path(kubeconfig) if kubeconfig else None,
            cluster={name: value for name, value in environ.items() if name.startswith("KUBERNETES_")},
            namespace=environ.get("POD_NAMESPACE") or NAMESPACE,
            identity=environ.get("POD_NAME") or f"{socket.gethostname()}-{os.getpid()}",
            region=environ.get("AWS_REGION") or "us-west-2",
            account_id=environ.get("AWS_ACCOUNT_ID") or "000000000000",
            ip_family=ip_family,
            proxy_image=environ.get("CROSSFADE_PROXY_IMAGE") or f"crossfade/proxy:{__version__}",
            init_image=environ.get("CROSSFADE_PROXY_INIT_IMAGE") or f"crossfade/proxy-init:{__version__}",
            sidecar_log_level=environ.get("CROSSFADE_SIDECAR_LOG_LEVEL") or "info",
            sidecar_pre_stop_delay_s=_seconds(environ, "CROSSFADE_PRE_STOP_DELAY_S", 0),
            waits_until_proxy_ready=environ.get("CROSSFADE_WAIT_UNTIL_PROXY_READY") == "true",
            cluster_domain=domain,
            uses_aws_cloud_map=cloud_map == "aws",
            native_sidecars=NativeSidecars(native),
            sds_socket=environ.get("CROSSFADE_SDS_SOCKET", ""),
            identity_lifetime_s=_identity_lifetime_s(environ),
            sidecar_start_timeout_s=max(_seconds(environ, "CROSSFADE_POST_START_TIMEOUT_S", 180), 1),
        )


def _seconds(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name) or str(default)
    if not (text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS):
        raise ValueError(f"{name} is {text!r}: it must be a whole number of seconds")
    return int(text)


def _identity_lifetime_s(environ: Mapping[str, str]) -> int:
    name, longest = "CROSSFADE_IDENTITY_LIFETIME_S", int(LONGEST_IDENTITY.total_seconds())
    found = _seconds(environ, name, 86_400)
    if not _SHORTEST_IDENTITY_S <= found <= longest:
        raise ValueError(f"{name} is {found}: it must be {_SHORTEST_IDENTITY_S} to {longest}")
    return found
