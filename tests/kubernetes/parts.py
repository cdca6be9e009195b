"""The processes of a node and how each is started."""

from collections.abc import Callable, Iterator
from typing import Final

from tests.kubernetes.plan import API_PORT, ETCD_URL, SERVICES, Layout, Node

CONTROL_PLANE: Final = ("kube-controller-manager", "kube-scheduler")
"""What is started when the API server is ready."""
EVERYWHERE: Final = ("kubelet", "kube-proxy")


def containerd(layout: Layout, node: Node) -> list[str]:
    return ["containerd", "--config", f"{layout.of(node)}/containerd.toml"]


def etcd(layout: Layout) -> list[str]:
    """Nothing must survive the machine, so it waits for no disk."""
    peer = "http://127.0.0.1:2380"
    return [
        f"{layout.programs}/etcd",
        f"--data-dir={layout.of(layout.control_plane)}/etcd",
        f"--listen-client-urls={ETCD_URL}",
        f"--advertise-client-urls={ETCD_URL}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",
    ]


def api_server(layout: Layout) -> list[str]:
    pki = layout.pki
    options = {
        "advertise-address": layout.control_plane.address,
        "allow-privileged": "true",
        "authorization-mode": "Node,RBAC",
        "bind-address": layout.control_plane.address,
        "client-ca-file": f"{pki}/ca.crt",
        "enable-admission-plugins": "NodeRestriction",
        "etcd-servers": ETCD_URL,
        "kubelet-certificate-authority": f"{pki}/ca.crt",
        "kubelet-client-certificate": f"{pki}/admin.crt",
        "kubelet-client-key": f"{pki}/admin.key",
        "kubelet-preferred-address-types": "InternalIP",
        "proxy-client-cert-file": f"{pki}/front-proxy.crt",
        "proxy-client-key-file": f"{pki}/front-proxy.key",
        "requestheader-allowed-names": "front-proxy",
        "requestheader-client-ca-file": f"{pki}/ca.crt",
        "requestheader-extra-headers-prefix": "X-Remote-Extra-",
        "requestheader-group-headers": "X-Remote-Group",
        "requestheader-username-headers": "X-Remote-User",
        "secure-port": str(API_PORT),
        "service-account-issuer": "https://kubernetes.default.svc.cluster.local",
        "service-account-key-file": f"{pki}/service-accounts.pub",
        "service-account-signing-key-file": f"{pki}/service-accounts.key",
        "service-cluster-ip-range": SERVICES,
        "tls-cert-file": f"{pki}/apiserver.crt",
        "tls-private-key-file": f"{pki}/apiserver.key",
    }
    return [f"{layout.programs}/kube-apiserver", *_flags(options)]


def part(name: str, layout: Layout, node: Node) -> list[str]:
    """One of `CONTROL_PLANE` or `EVERYWHERE`."""
    return [f"{layout.programs}/{name}", *_flags(_OPTIONS[name](layout, node))]


def _controller_manager(layout: Layout, _: Node) -> dict[str, str]:
    pki = layout.pki
    return {
        **_as_user(layout, "controller-manager"),
        "allocate-node-cidrs": "false",
        "cluster-signing-cert-file": f"{pki}/ca.crt",
        "cluster-signing-key-file": f"{pki}/ca.key",
        "root-ca-file": f"{pki}/ca.crt",
        "service-account-private-key-file": f"{pki}/service-accounts.key",
        "use-service-account-credentials": "true",
    }


def _scheduler(layout: Layout, _: Node) -> dict[str, str]:
    return _as_user(layout, "scheduler")


def _kube_proxy(layout: Layout, node: Node) -> dict[str, str]:
    return {"config": f"{layout.of(node)}/kube-proxy.yaml"}


def _as_user(layout: Layout, user: str) -> dict[str, str]:
    names = ("kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig")
    return {**dict.fromkeys(names, str(layout.kubeconfig(user))), "leader-elect": "false"}


def _kubelet(layout: Layout, node: Node) -> dict[str, str]:
    folder = layout.of(node)
    return {
        "cert-dir": f"{folder}/kubelet-pki",
        "config": f"{folder}/kubelet.yaml",
        "hostname-override": node.name,
        "kubeconfig": str(layout.kubeconfig(node.name)),
        "node-ip": node.address,
        "root-dir": f"{folder}/kubelet",
    }


def _flags(options: dict[str, str]) -> Iterator[str]:
    return (f"--{name}={value}" for name, value in options.items())


_OPTIONS: Final[dict[str, Callable[[Layout, Node], dict[str, str]]]] = {
    "kube-controller-manager": _controller_manager,
    "kube-scheduler": _scheduler,
    "kubelet": _kubelet,
    "kube-proxy": _kube_proxy,
}
