"""cert-manager makes the certificates of the mesh: they are renewed, and lost, while callers ask and pods begin."""

import base64
import json
import re
import time
from collections.abc import Callable
from typing import Final

from crossfade.install.gateway import GatewayInstallSettings, gateway_manifests
from crossfade.install.mesh import MeshInstallSettings, mesh_objects
from crossfade.install.mesh_names import ISSUERS_CONFIG_MAP
from tests.kubernetes import faults
from tests.kubernetes.authority import (
    INJECTED,
    NAMESPACE,
    POD_OF_MESH,
    Happen,
    Outcome,
    controllers,
    stranded,
    until,
)
from tests.kubernetes.cluster import Cluster, Json
from tests.kubernetes.events import Gateway, roll_out
from tests.kubernetes.load import Tally, callers
from tests.support.admissions import pods_admitted

_AUTHORITY: Final = "appmesh-controller-authority"
_SERVING: Final = "appmesh-controller-serving-cert"
_MESH: Final = "dj-app"
_READY_S: Final = 240
ENDS: Final = re.compile(r"^crossfade_certificate_not_after_timestamp_seconds\{.*?\} (\S+)$", re.MULTILINE)


def set_up(cluster: Cluster) -> None:
    """Where cert-manager is. The mesh's pods are made anew, since sidecars ask elsewhere then."""
    cluster.apply(*mesh_objects(MeshInstallSettings(values={"enableCertManager": True})))
    cluster.kubectl("wait", "certificate", "--all", "-n", NAMESPACE, "--for=condition=Ready", f"--timeout={_READY_S}s")
    roll_out(controllers(cluster, 1))
    for namespace in (INJECTED, faults.NAMESPACE):
        cluster.kubectl("rollout", "restart", "deployment", "-n", namespace)
        cluster.kubectl("rollout", "status", "deployment", "-n", namespace, f"--timeout={_READY_S}s")
    until(lambda: not stranded(cluster), "sidecars do not come")


def _renewed(cluster: Cluster, url: str, host: str) -> Outcome:
    """Pods are asked for all the time too; at the end a new controller shows the new certificate to every sidecar."""
    with callers(url, host) as load, pods_admitted(cluster.kubeconfig, INJECTED, POD_OF_MESH) as admissions:
        seconds = _until_taken(cluster, lambda: _renew(cluster, _SERVING))
        roll_out(controllers(cluster, 1))
        until(lambda: not stranded(cluster), "sidecars do not come back")
        asked = load.result()
    return seconds, Tally(asked.sent + admissions.sent, {**asked.lost, **admissions.lost})


def _replaced(cluster: Cluster, url: str, host: str) -> Outcome:
    """The authority's Secret is lost, so that another one signs."""
    before = _data(cluster, "secret", _AUTHORITY)

    def lose() -> None:
        cluster.kubectl("delete", "secret", "-n", NAMESPACE, _AUTHORITY)
        until(lambda: _data(cluster, "secret", _AUTHORITY) not in ({}, before), "there is no other authority")
        _renew(cluster, _SERVING)

    with callers(url, host) as load:
        seconds = _until_taken(cluster, lose)
        roll_out(controllers(cluster, 1))
        until(lambda: not stranded(cluster), "sidecars do not come back")
        return seconds, load.result()


def _identified(cluster: Cluster, url: str, host: str) -> Outcome:
    """A gateway that is a virtual node by itself, in a mesh whose nodes take nobody without an identity."""
    notes = {"mesh-tls-issuer": f"Issuer/{_SERVING}", "mesh-tls": "strict"}
    cluster.kubectl("annotate", "mesh", _MESH, "--overwrite", *(f"crossfade.dev/{key}={notes[key]}" for key in notes))
    cluster.apply(*gateway_manifests(GatewayInstallSettings(mesh_native=True)))
    gateway = Gateway(cluster, faults.NAMESPACE, faults.DEPLOYMENT, faults.SELECTOR, 1)
    gateway.settle(1)
    names = {container["name"] for pod in gateway.pods() for container in pod["spec"]["containers"]}
    if names != {"ingress-controller", "proxy"}:
        raise RuntimeError(f"the gateway has the containers {', '.join(sorted(names))}")
    with callers(url, host) as load:
        begun = time.monotonic()
        roll_out(gateway)
        seconds, result = time.monotonic() - begun, load.result()
    signer = base64.b64decode(_data(cluster, "secret", _AUTHORITY)["tls.crt"]).decode().strip()
    if signer not in "".join(map(_plain, _data(cluster, "configmap", ISSUERS_CONFIG_MAP).values())):
        raise RuntimeError("no identity was signed by the authority of cert-manager")
    return seconds, result


CERTIFIED: Final[dict[str, Happen]] = {
    "certificate of cert-manager renewed": _renewed,
    "authority of cert-manager replaced": _replaced,
    "gateway without sidecar, identity of cert-manager": _identified,
}


def _until_taken(cluster: Cluster, change: Callable[[], None]) -> float:
    """Seconds from the change until the controller has what came of it."""
    begun, before = time.monotonic(), _ends(cluster)
    change()
    until(lambda: _ends(cluster) != before, "the controller does not take the new certificate")
    return time.monotonic() - begun


def _ends(cluster: Cluster) -> list[str]:
    """Of the certificates that the controller shows."""
    (pod,) = controllers(cluster, 1).pods()
    path = f"/api/v1/namespaces/{NAMESPACE}/pods/{pod['metadata']['name']}:8080/proxy/metrics"
    return sorted(ENDS.findall(cluster.kubectl("get", "--raw", path)))


def _renew(cluster: Cluster, name: str) -> None:
    """As `cmctl renew` does it."""
    certificate = cluster.read("certificate", name, "-n", NAMESPACE)
    issuing = {"type": "Issuing", "status": "True", "reason": "ManuallyTriggered", "message": "renewed by a test"}
    status = {"status": {"conditions": [*certificate["status"]["conditions"], issuing]}}
    where = ("certificate", name, "-n", NAMESPACE, "--subresource=status", "--type=merge")
    cluster.kubectl("patch", *where, "-p", json.dumps(status))


def _data(cluster: Cluster, kind: str, name: str) -> Json:
    """Nothing as long as it is not there."""
    try:
        found: Json = cluster.read(kind, name, "-n", NAMESPACE).get("data") or {}
    except RuntimeError:
        return {}
    return found


def _plain(text: str) -> str:
    return text.replace("\\n", "\n")
