"""Who may see requests of which namespace, cell by cell: with the rules that `crossfade install` prints, at the API
server that enforces them, and as the controller's own service account asks.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import yaml

from crossfade.controller.mesh.settings import MeshSettings
from crossfade.controller.record_access import LONGEST_TOKEN, MOST_A_SECOND, RecordAccess
from crossfade.install.mesh import MeshInstallSettings
from crossfade.install.tap_access import tap_manifests
from crossfade.observe.access import ACCOUNT, AUDIENCE, NotAdmitted
from crossfade.observe.places import Cluster, ClusterFailed
from crossfade_kube.client import Client
from crossfade_kube.kubeconfig import load_kubeconfig
from crossfade_kube.meta import Resource
from crossfade_kube.resources import NAMESPACE, POD, SERVICE_ACCOUNT
from tests.protocol.gateway.test_access import kubeconfig_of
from tests.protocol.mesh.conftest import Lab, api_server, install
from tests.support.ports import free_ports

RBAC = "rbac.authorization.k8s.io"
KINDS = {
    "ServiceAccount": SERVICE_ACCOUNT,
    "Role": Resource(RBAC, "v1", "roles", "Role", namespaced=True),
    "RoleBinding": Resource(RBAC, "v1", "rolebindings", "RoleBinding", namespaced=True),
}
CONTROL_PLANE = "appmesh-system"
LENA = "system:serviceaccount:people:lena"


async def made(admin: Client) -> None:
    """Two namespaces with the right to see their requests, which Lena has for `prod`, and a control plane's pod."""
    await install(admin, MeshInstallSettings())
    for name in ("prod", "shop", "people"):
        await admin.create(NAMESPACE, {"metadata": {"name": name}})
        await admin.create(SERVICE_ACCOUNT, {"metadata": {"name": "default", "namespace": name}})
    await admin.create(SERVICE_ACCOUNT, {"metadata": {"name": "lena", "namespace": "people"}})
    granted = [*tap_manifests("prod", [], [LENA], [CONTROL_PLANE]), *tap_manifests("shop", ["team"], [], [])]
    for manifest in granted:
        await admin.create(KINDS[manifest["kind"]], manifest)
    labels = {"app.kubernetes.io/name": "appmesh-controller"}
    metadata = {"name": "controller-0", "namespace": CONTROL_PLANE, "labels": labels}
    container = {"name": "controller", "image": "x"}
    spec = {"serviceAccountName": "appmesh-controller", "containers": [container]}
    await admin.create(POD, {"metadata": metadata, "spec": spec})
    status = {"phase": "Running", "podIP": "10.244.9.9", "podIPs": [{"ip": "10.244.9.9"}]}
    await admin.patch(POD, "controller-0", {"status": status}, namespace=CONTROL_PLANE, subresource="status")


@asynccontextmanager
async def someone(folder: Path, lab: Lab, name: str, namespace: str) -> AsyncIterator[Client]:
    """A client with a service account's rights only."""
    config = yaml.safe_load((folder / "api" / "kubeconfig").read_text())
    server, authority = (config["clusters"][0]["cluster"][key] for key in ("server", "certificate-authority-data"))
    own: dict[str, Any] = kubeconfig_of(server, await lab.token(name, namespace))
    own["clusters"][0]["cluster"]["certificate-authority-data"] = authority
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(own))
    async with Client(load_kubeconfig(path), user_agent="test") as client:
        yield client


async def refusal(access: RecordAccess, token: str, namespace: str) -> tuple[int, str]:
    """Status and the reason; 200 and who it is."""
    try:
        return 200, await access.admit(token, namespace)
    except NotAdmitted as refused:
        return refused.status, str(refused)


async def status(access: RecordAccess, token: str, namespace: str) -> int:
    return (await refusal(access, token, namespace))[0]


async def test_each_sees_what_the_rules_say_and_no_more(tmp_path: Path) -> None:
    with api_server(tmp_path / "api") as kubeconfig:
        async with Client(load_kubeconfig(kubeconfig), user_agent="test") as admin:
            await made(admin)
            lab = Lab(admin, MeshSettings())
            async with someone(tmp_path, lab, "appmesh-controller", CONTROL_PLANE) as controller:
                await check_cells(lab, RecordAccess(controller, clock=iter(range(1000)).__next__))
            async with someone(tmp_path, lab, "default", "shop") as nobody:
                token = await lab.token(ACCOUNT, "prod", audience=AUDIENCE)
                # A chart's role that knows nothing of reviews shows nothing.
                assert await status(RecordAccess(nobody), token, "prod") == 503
            async with someone(tmp_path, lab, "lena", "people") as lena:
                await check_doors(lena)


async def check_cells(lab: Lab, access: RecordAccess) -> None:
    accounts = {
        "prod": (ACCOUNT, "prod"),
        "shop": (ACCOUNT, "shop"),
        "all": ("appmesh-controller", CONTROL_PLANE),
        "stranger": ("default", "prod"),
    }
    tokens = {who: await lab.token(*account, audience=AUDIENCE) for who, account in accounts.items()}
    found = {
        (who, where): await status(access, token, where)
        for who, token in tokens.items()
        for where in ("prod", "shop", "", "no-such-namespace", "../prod")
    }
    allowed = {("prod", "prod"), ("shop", "shop"), *(cell for cell in found if cell[0] == "all")}
    assert found == {cell: 200 if cell in allowed else 403 for cell in found}
    assert await access.admit(tokens["prod"], "prod") == f"system:serviceaccount:prod:{ACCOUNT}"
    for_others = [await lab.token(ACCOUNT, "prod", audience=audience) for audience in ("", "crossfade-mesh")]
    wrong = ["", "no.token.at-all", "é", "x" * (LONGEST_TOKEN + 1), tokens["prod"][:-4], *for_others]
    reasons = [await refusal(access, token, "prod") for token in wrong]
    assert all(code == 403 and "token is" in reason for code, reason in reasons), reasons


async def check_doors(lena: Client) -> None:
    """She may list pods in the control plane's namespace only, and make tokens of one account only."""
    (door,) = await Cluster(lena, [CONTROL_PLANE]).doors("prod")
    assert door.name == f"{CONTROL_PLANE}/controller-0"
    assert [one.name for one in await Cluster(lena).doors("prod")] == [door.name]
    assert await Cluster(lena).named("vn", "jazz", "prod") == [("node", "prod/jazz")]
    hints = {"shop": "install tap -n shop", "": "name a namespace with -n", "people": "install tap -n people"}
    for namespace, hint in hints.items():
        assert hint in await failure(Cluster(lena), namespace)
    assert "--control-plane" in await failure(Cluster(lena, ["shop"]), "prod")


async def failure(cluster: Cluster, namespace: str) -> str:
    try:
        await cluster.doors(namespace)
    except ClusterFailed as error:
        return str(error)
    return ""


async def test_the_api_server_is_not_asked_without_end(tmp_path: Path) -> None:
    """Whoever reaches the port can ask: nobody listens at this client's address, so that what asks gets 503."""
    kubeconfig = tmp_path / "none.yaml"
    kubeconfig.write_text(yaml.safe_dump(kubeconfig_of(f"http://127.0.0.1:{free_ports(1)[0]}", "x")))
    async with Client(load_kubeconfig(kubeconfig), user_agent="test") as client:
        access = RecordAccess(client, clock=lambda: 1.0)
        found = await asyncio.gather(*(status(access, "a.b.c", "prod") for _ in range(MOST_A_SECOND + 5)))
    assert sorted(found) == [429] * 5 + [503] * MOST_A_SECOND
