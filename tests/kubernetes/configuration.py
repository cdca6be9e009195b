"""The files that the parts of a node read, and the objects that a cluster begins with."""

import json
from typing import Any, Final

from tests.kubernetes.plan import DNS_SERVICE, PODS, Layout, Node

Json = dict[str, Any]

PAUSE_IMAGE: Final = "registry.k8s.io/pause:real"
DNS_IMAGE: Final = "registry.k8s.io/coredns:real"
_HAS_OPINION_ON_CGROUPS: Final = 31
_COREFILE: Final = """\
.:53 {
    errors
    health :8081
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        pods insecure
        ttl 5
    }
    cache 30
}
"""


def files_of(layout: Layout, node: Node, *, registry: str) -> dict[str, str]:
    """By path below the node's folder; `registry` is the URL that all images come from."""
    return {
        "containerd.toml": _containerd(layout, node),
        "registries/_default/hosts.toml": f'[host."{registry}"]\n  capabilities = ["pull", "resolve"]\n',
        "cni/10-pods.conflist": json.dumps(_pod_network(layout, node)),
        "kubelet.yaml": json.dumps(_kubelet(layout, node)),
        "kube-proxy.yaml": json.dumps(_kube_proxy(layout, node)),
        "resolv.conf": f"nameserver {node.address}\n",
    }


def _containerd(layout: Layout, node: Node) -> str:
    """The score of the OOM killer may not be lowered in a container of this kind of machine."""
    folder = layout.of(node)
    return f"""\
version = 2
root = "{folder}/containerd"
state = "/run/containerd-state"
[grpc]
  address = "{layout.containerd_socket(node)}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  disable_apparmor = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{folder}/cni"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "{folder}/registries"
"""


def _pod_network(layout: Layout, node: Node) -> Json:
    """Routed, not bridged: answers of a Service then pass the node's rules on their way back too."""
    addresses = {
        "type": "host-local",
        "ranges": [[{"subnet": node.pods}]],
        "routes": [{"dst": "0.0.0.0/0"}],
        "dataDir": str(layout.of(node) / "addresses"),
    }
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "0.4.0", "name": "pods", "plugins": [{"type": "ptp", "ipam": addresses}, ports]}


def _kubelet(layout: Layout, node: Node) -> Json:
    pki = layout.pki
    allows_old_cgroups = {"failCgroupV1": False} if layout.release.minor >= _HAS_OPINION_ON_CGROUPS else {}
    return {
        **allows_old_cgroups,
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{pki}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": f"{pki}/{node.name}.crt",
        "tlsPrivateKeyFile": f"{pki}/{node.name}.key",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{node.cgroup}",
        "enforceNodeAllocatable": [],
        "failSwapOn": False,
        "clusterDNS": [DNS_SERVICE],
        "clusterDomain": "cluster.local",
        "containerRuntimeEndpoint": f"unix://{layout.containerd_socket(node)}",
        "resolvConf": str(layout.of(node) / "resolv.conf"),
        "maxPods": 100,
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "nodeStatusUpdateFrequency": "10s",
        "syncFrequency": "1m",
    }


def _kube_proxy(layout: Layout, node: Node) -> Json:
    """Limits of connection tracking are the machine's, so they stay as they are."""
    untouched = {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"}
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(layout.kubeconfig("kube-proxy"))},
        "mode": "iptables",
        "clusterCIDR": PODS,
        "hostnameOverride": node.name,
        "conntrack": untouched,
    }


def dns_objects() -> list[Json]:
    """CoreDNS behind the Service that every pod asks."""
    metadata = {"name": "coredns", "namespace": "kube-system"}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:coredns"}
    subject = {"kind": "ServiceAccount", **metadata}
    ports = [{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53, "protocol": "TCP"}]
    selector = {"k8s-app": "kube-dns"}
    service = {"clusterIP": DNS_SERVICE, "selector": selector, "ports": ports}
    template = {"metadata": {"labels": selector}, "spec": _dns_pod()}
    deployment = {"replicas": 1, "selector": {"matchLabels": selector}, "template": template}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        _cluster_scoped("ClusterRole", rules=_dns_rules()),
        _cluster_scoped("ClusterRoleBinding", roleRef=role, subjects=[subject]),
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"Corefile": _COREFILE}},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": deployment},
        {"apiVersion": "v1", "kind": "Service", "metadata": {**metadata, "name": "kube-dns"}, "spec": service},
    ]


def _cluster_scoped(kind: str, **rest: Any) -> Json:
    version = "rbac.authorization.k8s.io/v1"
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "system:coredns"}, **rest}


def _dns_rules() -> list[Json]:
    reads = ["list", "watch"]
    return [
        {"apiGroups": [""], "resources": ["services", "pods", "namespaces"], "verbs": reads},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": reads},
    ]


def _dns_pod() -> Json:
    container = {
        "name": "coredns",
        "image": DNS_IMAGE,
        "args": ["-conf", "/etc/coredns/Corefile"],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8181}, "periodSeconds": 2},
        "volumeMounts": [{"name": "configuration", "mountPath": "/etc/coredns"}],
    }
    return {
        "serviceAccountName": "coredns",
        "priorityClassName": "system-cluster-critical",
        "dnsPolicy": "Default",
        "containers": [container],
        "volumes": [{"name": "configuration", "configMap": {"name": "coredns"}}],
    }
