"""What an operator decides about all sidecars."""

from enum import StrEnum
from typing import Final

from msgspec import Struct

PROXY_UID: Final = 1337
# A host that is busy for a second must not take all its pods out of service; Envoy answers late then, but it answers.
PROBE_TIMEOUT_S: Final = 5
# A token for this audience proves who the pod is to the control plane, and opens nothing else.
TOKEN_AUDIENCE: Final = "crossfade-mesh"  # noqa: S105 - not a secret

AUTHORITY_BUNDLE: Final = "crossfade-mesh-authority"
AUTHORITY_KEY: Final = "ca.crt"
"""A ConfigMap in each namespace with members of a mesh, and its key."""


class NativeSidecars(StrEnum):
    """AUTO: where the cluster has them, in all pods but those of Kong's charts."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


class Provider(StrEnum):
    """Whose tracer a sidecar has, in the words of App Mesh's chart; OTLP is ours."""

    JAEGER = "jaeger"
    DATADOG = "datadog"
    XRAY = "x-ray"
    OTLP = "otlp"


class Tracing(Struct, frozen=True):
    """Where sidecars send spans. `host` may be `ref:status.hostIP`, for an agent on each node.

    `sampling` is the share of the requests without a trace that begin one; None for the sidecar's own default.
    """

    provider: Provider
    host: str
    port: int
    sampling: float | None = None


class SidecarSettings(Struct, frozen=True):
    """`ads_ca_pem` is what sidecars trust; resource values are Kubernetes quantities, empty for none.

    `has_native_sidecars`: the cluster knows init containers that are never done (Kubernetes 1.29); `native` says
    which pods get one unasked. `pre_stop_delay_s` holds the sidecar back when a pod ends; 0, because `crossfade
    proxy` stays as long as it is needed. `start_timeout_s` is how long the application waits for its sidecar's
    first configuration before the sidecar is started anew. `sds_socket` is a socket of the node at which an agent gives
    certificates; empty for none. `admin_log` is a file of the sidecar's, empty for none. With `has_admin_ipv6` the
    statistics are at every address of the pod. With `sets_group` pods without an `fsGroup` get
    one. Without `tracing` sidecars send no traces.
    """

    proxy_image: str
    init_image: str
    ads_address: str
    ads_ca_pem: str
    version: str
    region: str = "us-west-2"
    admin_port: int = 9901
    log_level: str = "info"
    concurrency: int = 1
    cpu_request: str = "10m"
    memory_request: str = "32Mi"
    cpu_limit: str = ""
    memory_limit: str = ""
    pre_stop_delay_s: int = 0
    readiness_delay_s: int = 0
    readiness_period_s: int = 1
    ignored_ips: str = "169.254.169.254"
    waits_until_ready: bool = False
    has_native_sidecars: bool = True
    native: NativeSidecars = NativeSidecars.AUTO
    start_timeout_s: int = 180
    sds_socket: str = ""
    admin_log: str = ""
    has_admin_ipv6: bool = False
    has_stats_tags: bool = False
    sets_group: bool = True
    uses_ecr_secret: bool = False
    tracing: Tracing | None = None
