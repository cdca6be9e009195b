"""The flags of Kong's ingress controller, 1.0 to 3.5, as arguments and as `CONTROLLER_*` variables.

Both name the same settings; an argument goes before the variable (kong.md §1).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from crossfade.kong_conf.reading import Remark

_PREFIX: Final = "CONTROLLER_"
_ADMIN: Final = "the controller configures the proxy beside it over its own connection, not over the Admin API"
_RATE: Final = "changes are live at once"
_KONNECT: Final = "nothing is connected to Konnect"
_REPORTS: Final = "nothing is ever reported"
_PROFILES: Final = "there is no server for profiles and dumps; the Admin API shows what is configured"
_DEPRECATED: Final = "it had no effect any more in the original either"
_UNKNOWN: Final = "it is not known here"
_KINDS: Final = "every kind is watched that the cluster serves and the role allows"

EFFECTIVE: Final = {
    "admission-webhook-cert-file": "Where the webhook's certificate is mounted; `/admission-webhook/tls.crt`.",
    "admission-webhook-key-file": "Where its key is; `/admission-webhook/tls.key`.",
    "admission-webhook-listen": "`host:port` of the webhook, of which the port counts, or `off`; off unless it is set.",
    "election-id": "The name of the Lease; `kong-ingress-controller-leader-kong` unless it is set.",
    "health-probe-bind-address": "`host:port` of `/healthz` and `/readyz`, of which the port counts; 10254.",
    "ingress-class": "The class of the objects that it takes; `kong`.",
    "kubeconfig": "A file that says where the API server is, in place of the pod's service account.",
    "log-level": "How much is logged: `debug`, `info`, `warn` or `error`; `info`.",
    "metrics-bind-address": "`host:port` of `/metrics`, of which the port counts; 10255.",
    "publish-service": "`namespace/name` of the Service whose addresses statuses show.",
}
WITHOUT_EFFECT: Final = {
    "admission-webhook-cert": "certificates are read from files; mount them",
    "admission-webhook-key": "certificates are read from files; mount them",
    "admin-ca-cert-file": _ADMIN,
    "admin-header": _ADMIN,
    "admin-tls-server-name": _ADMIN,
    "admin-tls-skip-verify": _ADMIN,
    "anonymous-reports": _REPORTS,
    "apiserver-burst": "the API is asked by watches, which need no limit",
    "apiserver-host": "the pod's service account or a kubeconfig says where the API is",
    "apiserver-qps": "the API is asked by watches, which need no limit",
    "cache-sync-period": "watches never end",
    "cache-sync-timeout": "the controller waits until it knows all objects",
    "debug-log-reduce-redundancy": "the same is never logged again and again",
    "dump-config": _PROFILES,
    "dump-sensitive-config": _PROFILES,
    "emit-kubernetes-events": "Events are always written",
    "enable-reverse-sync": _ADMIN,
    "feature-gates": "what is supported is always on; the reference says what that is",
    "init-cache-sync-duration": "the controller waits until it knows all objects",
    "kong-custom-entities-secret": "KongCustomEntity objects take its place",
    "kong-url": _ADMIN,
    "kong-workspace": "there are no workspaces",
    "leader-elect": "a leader is always elected, by Lease or ConfigMap where the role allows one",
    "leader-election-namespace": "the leader is elected in the pod's own namespace",
    "log-format": "each message is one line of text",
    "metrics-access-filter": "the metrics are no secret",
    "profiling": _PROFILES,
    "proxy-sync-seconds": _RATE,
    "proxy-timeout-seconds": _RATE,
    "publish-service-udp": "statuses show the addresses of `publish-service`",
    "publish-status-address": "statuses show the addresses of `publish-service`",
    "publish-status-address-udp": "statuses show the addresses of `publish-service`",
    "skip-ca-certificates": "certificates of authorities are read where a Service or plugin names them",
    "stderrthreshold": _DEPRECATED,
    "sync-period": "watches never end",
    "sync-rate-limit": _RATE,
    "term-delay": "the gateway's proxy drains by itself",
    "update-status": "statuses are always written",
    "update-status-on-shutdown": _DEPRECATED,
    "update-status-queue-buffer-size": "statuses wait in one place, the latest of each object",
    "use-endpoint-slices": "EndpointSlices are used where the role allows it, else Endpoints",
    "use-last-valid-config-for-fallback": "what was valid last always goes on",
}
FAMILIES: Final = (
    ("kong-admin-", _ADMIN),
    ("gateway-", "the proxy is in the same pod"),
    ("konnect-", _KONNECT),
    ("controller-", _KINDS),
    ("enable-controller-", _KINDS),
    ("process-classless-", "objects without a class are taken as an IngressClass says that is the default"),
)
# Not to carry these out would change who is served, or serve nobody.
REFUSED: Final = {
    "kong-admin-svc": (
        "gateways in other pods are not configured: run the proxy beside the controller, as the chart `kong` does "
        "with deployment.kong.enabled and ingressController.enabled"
    ),
    "watch-namespace": (
        "objects of all namespaces are taken: give each gateway an ingress class of its own, or leave it out"
    ),
}
_SWITCHES: Final = frozenset(
    {
        "anonymous-reports",
        "dump-config",
        "dump-sensitive-config",
        "emit-kubernetes-events",
        "enable-reverse-sync",
        "kong-admin-tls-skip-verify",
        "admin-tls-skip-verify",
        "leader-elect",
        "profiling",
        "update-status",
        "update-status-on-shutdown",
        "use-endpoint-slices",
        "version",
    }
)


class Understood(NamedTuple):
    """The environment with the arguments in it, and what is to be told once."""

    environment: Mapping[str, str]
    remarks: tuple[Remark, ...]


def understood(arguments: Sequence[str], environment: Mapping[str, str]) -> Understood:
    """Raises ValueError naming a flag that cannot be carried out."""
    given = dict(_given(arguments))
    merged = {**environment, **{variable(flag): value for flag, value in given.items()}}
    flags = {_flag(name): name for name, value in merged.items() if name.startswith(_PREFIX) and value}
    for flag, reason in REFUSED.items():
        if flag in flags:
            raise ValueError(f"{_shown(flag, given)} is {merged[flags[flag]]!r}: {reason}")
    return Understood(merged, tuple(_remarks(flags, given)))


def variable(flag: str) -> str:
    return _PREFIX + flag.upper().replace("-", "_")


def reason_without_effect(flag: str) -> str | None:
    reason = WITHOUT_EFFECT.get(flag)
    if reason is not None:
        return reason
    return next((reason for start, reason in FAMILIES if flag.startswith(start)), None)


def _remarks(flags: Iterable[str], given: Mapping[str, str]) -> Iterator[Remark]:
    """One for each reason."""
    by_reason: defaultdict[str, list[str]] = defaultdict(list)
    for flag in sorted(flags):
        if flag not in EFFECTIVE:
            by_reason[reason_without_effect(flag) or _UNKNOWN].append(_shown(flag, given))
    for reason, names in by_reason.items():
        yield Remark(", ".join(names), f"has no effect: {reason}")


def _given(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """`--flag=value`, `--flag value`, and switches without a value; other words are told as unknown flags."""
    words = iter(range(len(arguments)))
    for at in words:
        flag, separator, value = arguments[at].lstrip("-").partition("=")
        following = arguments[at + 1] if at + 1 < len(arguments) else None
        if separator:
            yield flag, value
        elif flag in _SWITCHES or following is None or following.startswith("-"):
            yield flag, "true"
        else:
            next(words)
            yield flag, following


def _flag(name: str) -> str:
    return name.removeprefix(_PREFIX).lower().replace("_", "-")


def _shown(flag: str, given: Mapping[str, str]) -> str:
    return f"--{flag}" if flag in given else variable(flag)
