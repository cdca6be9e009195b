"""A pod's /etc/hostname, /etc/hosts and /etc/resolv.conf. Pure."""

from crossfade_kube.meta import JsonObject
from crossfade_local.network import DNS_ADDRESS

CLUSTER_DOMAIN = "cluster.local"


def hostname_of(pod: JsonObject) -> str:
    return str(pod["spec"].get("hostname") or pod["metadata"]["name"])[:63]


def name_files(pod: JsonObject, address: str) -> dict[str, str]:
    """Contents by file name."""
    return {
        "hostname": f"{hostname_of(pod)}\n",
        "hosts": hosts(pod, address),
        "resolv.conf": resolv_conf(pod["spec"], pod["metadata"]["namespace"]),
    }


def hosts(pod: JsonObject, address: str) -> str:
    spec, names = pod["spec"], hostname_of(pod)
    if spec.get("subdomain"):
        names = f"{names}.{spec['subdomain']}.{pod['metadata']['namespace']}.svc.{CLUSTER_DOMAIN}\t{names}"
    lines = ["127.0.0.1\tlocalhost", "::1\tlocalhost ip6-localhost ip6-loopback", f"{address}\t{names}"]
    lines += [f"{alias['ip']}\t{' '.join(alias.get('hostnames') or ())}" for alias in spec.get("hostAliases") or ()]
    return "\n".join([*lines, ""])


def resolv_conf(spec: JsonObject, namespace: str) -> str:
    """`dnsPolicy: Default` is no different: the machine's resolver is out of reach."""
    extra = spec.get("dnsConfig") or {}
    servers, searches = list(extra.get("nameservers") or ()), list(extra.get("searches") or ())
    options: dict[str, str | None] = {}
    if spec.get("dnsPolicy") != "None":
        servers = [DNS_ADDRESS, *servers]
        searches = [f"{namespace}.svc.{CLUSTER_DOMAIN}", f"svc.{CLUSTER_DOMAIN}", CLUSTER_DOMAIN, *searches]
        options = {"ndots": "5"}
    options |= {option["name"]: option.get("value") for option in extra.get("options") or ()}
    lines = [f"nameserver {server}" for server in servers]
    lines += [f"search {' '.join(searches)}"] if searches else []
    shown = [name if value is None else f"{name}:{value}" for name, value in options.items()]
    lines += [f"options {' '.join(shown)}"] if shown else []
    return "\n".join([*lines, ""])
