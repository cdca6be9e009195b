"""The one table of the flags of App Mesh's controller (appmesh.md §5.1, §6): what each does here, or why nothing."""

from collections.abc import Callable
from typing import Final, NamedTuple

from crossfade.controller.mesh import flag_values as values
from crossfade.controller.mesh import webhook_tls
from crossfade.envoy.telemetry.environment import XRAY_COLLECTOR
from crossfade.install.mesh_names import ADS_PORT, WEBHOOK_PORT
from crossfade.kong_conf.values import number

_LEVELS: Final = {"debug": "DEBUG", "info": "INFO", "warn": "WARNING", "warning": "WARNING", "error": "ERROR"}
_ENVOY_LEVELS: Final = {
    **{level: level for level in ("trace", "debug", "info", "warning", "error", "critical", "off")},
    "warn": "warning",
}


JAEGER: Final = "enable-jaeger-tracing"
DATADOG: Final = "enable-datadog-tracing"
XRAY: Final = "enable-xray-tracing"


class Flag(NamedTuple):
    """One with an effect. `read` raises ValueError with what is allowed.

    `field` is of MeshSettings, or behind a point of what it holds; empty where several flags make one setting.
    `default` is ours and `original` App Mesh's, as texts; `variable` says the same in the environment.
    """

    name: str
    read: Callable[[str], object]
    field: str
    default: str
    original: str
    effect: str
    variable: str = ""

    @property
    def is_switch(self) -> bool:
        return self.read is values.switch


class Ignored(NamedTuple):
    """A flag without effect; told unless it says what App Mesh's controller did anyway, `original`.

    `of` is the switch without which it meant nothing there either; such a flag is told with it.
    """

    name: str
    original: str
    reason: str
    of: str = ""
    is_switch: bool = False


_RESOURCE: Final = "that the sidecar and the init container {}; an annotation of the pod goes before for the sidecar"
_IMAGE: Final = "AWS's own images stand for those of this version: they cannot be configured from here."

FLAGS: Final[tuple[Flag, ...]] = (
    Flag(
        "aws-region",
        values.region,
        "region",
        "us-west-2",
        "",
        "The region in ARNs, `AWS_REGION` of sidecars, and the one whose Cloud Map is asked.",
        "AWS_REGION",
    ),
    Flag(
        "aws-account-id",
        values.account,
        "account_id",
        "000000000000",
        "",
        "The account in ARNs; twelve digits that Helm turned into a number are taken as they were.",
        "AWS_ACCOUNT_ID",
    ),
    Flag(
        "sidecar-image-repository",
        values.image,
        "",
        "crossfade/proxy",
        "public.ecr.aws/appmesh/aws-appmesh-envoy",
        f"The image of sidecars. {_IMAGE}",
        "CROSSFADE_PROXY_IMAGE",
    ),
    Flag("sidecar-image-tag", values.tag, "", "this version", "v1.34.13.3-prod", "Its tag.", "CROSSFADE_PROXY_IMAGE"),
    Flag(
        "init-image",
        values.image,
        "",
        "crossfade/proxy-init",
        "…/aws-appmesh-proxy-route-manager:v7-prod",
        f"The image of the init container that captures traffic. {_IMAGE}",
        "CROSSFADE_PROXY_INIT_IMAGE",
    ),
    Flag(
        "sidecar-cpu-requests",
        values.resource,
        "sidecar.cpu_request",
        "10m",
        "10m",
        f"CPU {_RESOURCE.format('request')}.",
    ),
    Flag(
        "sidecar-memory-requests",
        values.resource,
        "sidecar.memory_request",
        "32Mi",
        "32Mi",
        f"Memory {_RESOURCE.format('request')}.",
    ),
    Flag(
        "sidecar-cpu-limits",
        values.resource,
        "sidecar.cpu_limit",
        "",
        "",
        f"The most CPU {_RESOURCE.format('may use')}.",
    ),
    Flag(
        "sidecar-memory-limits",
        values.resource,
        "sidecar.memory_limit",
        "",
        "",
        f"The most memory {_RESOURCE.format('may use')}.",
    ),
    Flag(
        "sidecar-log-level",
        values.one_of(**_ENVOY_LEVELS),
        "sidecar.log_level",
        "info",
        "info",
        "How much the Envoy of sidecars logs.",
        "CROSSFADE_SIDECAR_LOG_LEVEL",
    ),
    Flag(
        "log-level",
        values.one_of(**_LEVELS),
        "log_level",
        "info",
        "info",
        "How much the controller logs.",
        "CROSSFADE_LOG_LEVEL",
    ),
    Flag(
        "prestop-delay",
        number(0, values.MOST_SECONDS),
        "sidecar.pre_stop_delay_s",
        "0",
        "20",
        "How many seconds a sidecar is held back when its pod ends. It stays as long as it is needed without that.",
        "CROSSFADE_PRE_STOP_DELAY_S",
    ),
    Flag(
        "poststart-timeout",
        number(1, values.MOST_SECONDS),
        "sidecar.start_timeout_s",
        "180",
        "180",
        "How many seconds an application waits for its sidecar before this is started anew.",
        "CROSSFADE_POST_START_TIMEOUT_S",
    ),
    Flag(
        "wait-until-proxy-ready",
        values.switch,
        "sidecar.waits_until_ready",
        "false",
        "false",
        "Sidecars that are no native ones come first among the pod's containers, and the others wait for them. Behind "
        "a native one they always do.",
        "CROSSFADE_WAIT_UNTIL_PROXY_READY",
    ),
    Flag(
        "readiness-probe-initial-delay",
        number(0, values.MOST_SECONDS),
        "sidecar.readiness_delay_s",
        "0",
        "1",
        "After how many seconds the kubelet first asks whether a sidecar is ready.",
    ),
    Flag(
        "readiness-probe-period",
        number(1, values.MOST_SECONDS),
        "sidecar.readiness_period_s",
        "1",
        "10",
        "How often it asks, in seconds. A rollout waits for the answer.",
    ),
    Flag(
        "envoy-admin-access-port",
        values.port_in_pods,
        "sidecar.admin_port",
        "9901",
        "9901",
        "The port of a sidecar's admin interface: all of it inside the pod, statistics and readiness from outside too.",
    ),
    Flag(
        "envoy-admin-access-log-file",
        values.path,
        "sidecar.admin_log",
        "",
        "/tmp/envoy_admin_access.log",  # noqa: S108 - of App Mesh
        "Where a sidecar logs who asks its admin interface, but for questions whether it is ready. A path at which it "
        "cannot write costs the log alone.",
    ),
    Flag(
        "envoy-admin-access-enable-ipv6",
        values.switch,
        "sidecar.has_admin_ipv6",
        "false",
        "false",
        "In pods with addresses of both families the statistics are at both.",
    ),
    Flag(
        "enable-stats-tags",
        values.switch,
        "sidecar.has_stats_tags",
        "false",
        "false",
        "Statistics of sidecars have the tags `appmesh.mesh` and `appmesh.virtual_node` or `appmesh.virtual_gateway`.",
    ),
    Flag(
        "enable-sds",
        values.switch,
        "",
        "false",
        "false",
        "Sidecars get the socket of the node at which an agent gives certificates.",
        "CROSSFADE_SDS_SOCKET",
    ),
    Flag(
        "sds-uds-path",
        values.path,
        "",
        "/run/spire/sockets/agent.sock",
        "/run/spire/sockets/agent.sock",
        "Where that socket is.",
        "CROSSFADE_SDS_SOCKET",
    ),
    Flag(
        "enable-backend-groups",
        values.switch,
        "uses_backend_groups",
        "true",
        "false",
        "`false`: `backendGroups` of VirtualNodes have no effect, and their authors are told.",
    ),
    Flag(
        "cloudmap-dns-ttl",
        number(0, 2_147_483_647),
        "dns_ttl_s",
        "300",
        "300",
        "The time to live, in seconds, of DNS records of Cloud Map's services.",
    ),
    Flag(
        "use-aws-fips-endpoint",
        values.switch,
        "uses_fips",
        "false",
        "false",
        "Cloud Map of AWS is asked at its endpoint for FIPS, where `CROSSFADE_CLOUD_MAP` is `aws`.",
    ),
    Flag(
        "ignored-ips",
        values.networks,
        "sidecar.ignored_ips",
        "169.254.169.254",
        "169.254.169.254",
        "Traffic to them passes sidecars by, unless the pod's annotation says otherwise.",
    ),
    Flag(
        "enable-iam-for-service-accounts",
        values.switch,
        "sidecar.sets_group",
        "true",
        "true",
        "Pods without an `fsGroup` get 1337, so that sidecars can read the tokens of their service accounts.",
    ),
    Flag(
        "enable-ecr-secret",
        values.switch,
        "sidecar.uses_ecr_secret",
        "false",
        "false",
        "Pods get the image pull secret `appmesh-ecr-secret`.",
    ),
    Flag(
        "health-probe-port",
        values.own_port((WEBHOOK_PORT, ADS_PORT)),
        "health_port",
        "61779",
        "61779",
        "The port of `/healthz` and `/readyz`.",
    ),
    Flag(
        "enable-leader-election",
        values.switch,
        "elects_leader",
        "true",
        "false",
        "`false`: this process writes statuses whoever else does. Only for a single one.",
    ),
    Flag(
        "tls-min-version",
        webhook_tls.version,
        "webhook_tls.minimum",
        "VersionTLS12",
        "VersionTLS12",
        "The oldest TLS that the webhooks take. `VersionTLS10` and `VersionTLS11` stand for `VersionTLS12`.",
    ),
    Flag(
        "tls-cipher-suite",
        webhook_tls.suites,
        "webhook_tls.suites",
        "",
        "",
        "The cipher suites of TLS 1.2 that the webhooks take, in Go's words; those without forward secrecy or with "
        "broken ciphers are left out.",
    ),
    Flag(
        JAEGER,
        values.switch,
        "",
        "false",
        "false",
        "Sidecars send spans in Zipkin's format, and read and write B3 and W3C headers.",
        "CROSSFADE_TRACING",
    ),
    Flag(
        "jaeger-address",
        values.tracer_host,
        "",
        "appmesh-jaeger.appmesh-system",
        "appmesh-jaeger.appmesh-system",
        "The host they go to, of Jaeger or Zipkin.",
        "CROSSFADE_TRACING_ADDRESS",
    ),
    Flag(
        "jaeger-port",
        number(1, 65_535),
        "",
        "9411",
        "9411",
        "Its port.",
        "CROSSFADE_TRACING_PORT",
    ),
    Flag(
        DATADOG,
        values.switch,
        "",
        "false",
        "false",
        "Sidecars send spans to Datadog's agent, and read and write its headers and W3C's.",
        "CROSSFADE_TRACING",
    ),
    Flag(
        "datadog-address",
        values.tracer_host,
        "",
        "datadog.appmesh-system",
        "datadog.appmesh-system",
        "The agent's host; `ref:status.hostIP` stands for the pod's node.",
        "CROSSFADE_TRACING_ADDRESS",
    ),
    Flag(
        "datadog-port",
        number(1, 65_535),
        "",
        "8126",
        "8126",
        "Its port.",
        "CROSSFADE_TRACING_PORT",
    ),
    Flag(
        XRAY,
        values.switch,
        "",
        "false",
        "false",
        "Sidecars send spans by OTLP over HTTP to a collector, which hands them on to X-Ray: Envoy knows no X-Ray "
        f"daemon. `CROSSFADE_TRACING_ADDRESS` says where, `{XRAY_COLLECTOR}` unless it is set.",
        "CROSSFADE_TRACING",
    ),
    Flag(
        "xray-sampling-rate",
        values.share,
        "",
        "0.05",
        "0.05",
        "The share of the requests without a trace that begin one, with X-Ray.",
        "CROSSFADE_TRACING_SAMPLING_RATE",
    ),
)

_NO_APP_MESH: Final = "nothing asks AWS for App Mesh"
_NO_CREDENTIALS: Final = "sidecars need nothing of AWS, so no credentials either"
_STATSD: Final = "sidecars send no statsd; their statistics can be read at `/stats/prometheus` of the admin port"
_NO_DAEMON: Final = "there is no X-Ray daemon: sidecars send OTLP over HTTP to a collector"
_STATSD_SWITCH: Final = "enable-statsd"

IGNORED: Final[tuple[Ignored, ...]] = (
    Ignored(
        "poststart-interval",
        "5",
        "applications begin as soon as the sidecar is ready, which is looked at five times a second",
    ),
    Ignored("preview", "false", "there is no preview channel", is_switch=True),
    Ignored("dual-stack-endpoint", "false", f"{_NO_APP_MESH}: sidecars ask this controller", is_switch=True),
    Ignored("fips-endpoint", "false", f"{_NO_APP_MESH}: sidecars ask this controller", is_switch=True),
    Ignored("use-aws-dual-stack-endpoint", "false", _NO_APP_MESH, is_switch=True),
    Ignored("aws-api-throttle", "", f"{_NO_APP_MESH}, and Cloud Map is asked one question after another"),
    Ignored("envoy-aws-access-key-id", "", _NO_CREDENTIALS),
    Ignored("envoy-aws-secret-access-key", "", _NO_CREDENTIALS),
    Ignored("envoy-aws-session-token", "", _NO_CREDENTIALS),
    Ignored("cluster-name", "", "EKS is not asked for the cluster's address family: `CROSSFADE_IP_FAMILY` says it"),
    Ignored(
        "enable-custom-health-check",
        "false",
        "pods that are not ready are not registered at Cloud Map, so none has to be marked unhealthy",
        is_switch=True,
    ),
    Ignored("sync-period", "10h0m0s", "changes are watched; nothing is repeated from time to time"),
    Ignored("page-limit", "100", "lists are read in pages of a fixed size"),
    *(
        Ignored(f"xray-{name}", original, _NO_DAEMON, of=XRAY)
        for name, original in (("image", ""), ("daemon-port", "2000"), ("log-level", "prod"), ("config-roleArn", ""))
    ),
    Ignored(_STATSD_SWITCH, "false", _STATSD, is_switch=True),
    Ignored("statsd-address", "127.0.0.1", _STATSD, of=_STATSD_SWITCH),
    Ignored("statsd-port", "8125", _STATSD, of=_STATSD_SWITCH),
    Ignored("statsd-socket-path", "", _STATSD, of=_STATSD_SWITCH),
)

BY_NAME: Final = {flag.name: flag for flag in FLAGS}
IGNORED_BY_NAME: Final = {flag.name: flag for flag in IGNORED}
TRACERS: Final = (JAEGER, DATADOG, XRAY)
SWITCHES: Final = frozenset(
    [*(flag.name for flag in FLAGS if flag.is_switch), *(flag.name for flag in IGNORED if flag.is_switch)]
)
