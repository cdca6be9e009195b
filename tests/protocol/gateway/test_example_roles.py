"""What examples/eks/rbac.yaml lets each team do, cell by cell, as an API server decides it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from crossfade_kube.client import Client
from crossfade_kube.kubeconfig import load_kubeconfig
from crossfade_kube.meta import JsonObject
from tests.support.api_server import ApiServerProcess

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "eks"
PATHS = {
    "Namespace": "/api/v1/namespaces",
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings",
}
TEAMS = ("platform-team", "api-team", "dj-team")
READ, CHANGE = ("get", "list", "watch"), ("create", "update", "patch", "delete")
ALL = (*READ, *CHANGE)
KONG, MESH, NET, RBAC = (
    "configuration.konghq.com",
    "appmesh.k8s.aws",
    "networking.k8s.io",
    "rbac.authorization.k8s.io",
)
# Namespace, group, resource; what each team may do.
CELLS: dict[tuple[str, str, str], tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    ("kong", "apps", "deployments"): (ALL, (), ()),
    ("kong", "", "secrets"): (ALL, (), ()),
    ("kong", "", "pods"): (ALL, (), ()),
    ("kong", NET, "ingresses"): (ALL, (), ()),
    ("kong", KONG, "kongplugins"): ((), (), ()),
    ("appmesh-system", "apps", "deployments"): (ALL, (), ()),
    ("appmesh-system", "", "secrets"): (ALL, (), ()),
    ("", "apiextensions.k8s.io", "customresourcedefinitions"): (ALL, (), ()),
    ("", NET, "ingressclasses"): (ALL, (), ()),
    ("", MESH, "meshes"): (ALL, (), ()),
    ("", "admissionregistration.k8s.io", "validatingwebhookconfigurations"): (ALL, (), ()),
    ("", RBAC, "clusterroles"): (ALL, (), ()),
    ("", KONG, "kongclusterplugins"): ((), ALL, ()),
    ("", KONG, "kongvaults"): ((), ALL, ()),
    ("prod", KONG, "kongplugins"): ((), ALL, READ),
    ("prod", KONG, "kongconsumers"): ((), ALL, READ),
    ("prod", "", "secrets"): ((), CHANGE, ()),
    ("prod", NET, "ingresses"): ((), (*READ, "patch"), ALL),
    ("prod", "", "services"): ((), READ, ALL),
    ("prod", "apps", "deployments"): ((), (), ALL),
    ("prod", MESH, "virtualnodes"): ((), (), ALL),
    ("prod", MESH, "gatewayroutes"): ((), (), ()),
    ("other", NET, "ingresses"): ((), (), ()),
    ("other", "", "secrets"): ((), (), ()),
    ("other", KONG, "kongplugins"): ((), (), ()),
}


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Iterator[Path]:
    server = ApiServerProcess(tmp_path)
    server.start()
    try:
        yield server.kubeconfig
    finally:
        server.kill()


async def test_each_team_may_do_what_the_page_says_and_nothing_else(kubeconfig: Path) -> None:
    async with Client(load_kubeconfig(kubeconfig), user_agent="test") as client:
        for name in ("namespaces.yaml", "rbac.yaml"):
            for document in yaml.safe_load_all((EXAMPLES / name).read_text()):
                path = PATHS[document["kind"]].format(document["metadata"].get("namespace", ""))
                await client.request("POST", path, body=document)
        for (namespace, group, resource), cell in CELLS.items():
            for team, expected in zip(TEAMS, cell, strict=True):
                about = {"namespace": namespace, "group": group, "resource": resource}
                allowed = {verb for verb in ALL if await _may(client, team, {**about, "verb": verb})}
                assert allowed == set(expected), (team, namespace, resource)


async def _may(client: Client, team: str, attributes: JsonObject) -> bool:
    """As somebody of the team would be answered."""
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": "somebody", "groups": [team, "system:authenticated"], "resourceAttributes": attributes},
    }
    made = await client.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", body=body)
    return bool(made["status"]["allowed"])
