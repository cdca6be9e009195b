"""What a role does not allow is told as the rule that is missing, once."""

import pytest

from crossfade_kube.client import Client
from crossfade_kube.denials import Access, Denials, access_of
from crossfade_kube.errors import Forbidden, NotFound
from crossfade_kube.kubeconfig import ClusterConfig
from crossfade_kube.resources import CONFIG_MAP
from tests.support.fake_api import FakeApi, serving

RBAC = 'configmaps is forbidden: User "system:serviceaccount:kong:kong" cannot create resource "configmaps"'


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/api/v1/services", Access("list", "", "services")),
        ("GET", "/api/v1/namespaces", Access("list", "", "namespaces")),
        ("GET", "/api/v1/namespaces/kong", Access("get", "", "namespaces")),
        ("GET", "/api/v1/namespaces/kong/secrets/a", Access("get", "", "secrets")),
        ("POST", "/api/v1/namespaces/kong/secrets", Access("create", "", "secrets")),
        (
            "PATCH",
            "/apis/networking.k8s.io/v1/namespaces/a/ingresses/b/status",
            Access("patch", "networking.k8s.io", "ingresses/status"),
        ),
        (
            "PUT",
            "/apis/coordination.k8s.io/v1/namespaces/a/leases/b",
            Access("update", "coordination.k8s.io", "leases"),
        ),
        ("DELETE", "/apis/g/v1/things/a", Access("delete", "g", "things")),
        ("DELETE", "/apis/g/v1/things", Access("deletecollection", "g", "things")),
        ("GET", "/version", None),
        ("GET", "/apis", None),
    ],
)
def test_the_rule_that_a_request_needs(method: str, path: str, expected: Access | None) -> None:
    assert access_of(method, path) == expected


def test_each_rule_is_told_once_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    denials = Denials()
    denied = Forbidden(403, {"message": RBAC})
    for name in "abc":
        denials.tell(denied, "PATCH", f"/api/v1/namespaces/n/configmaps/{name}")
        denials.tell(denied, "POST", "/api/v1/namespaces/n/configmaps")
        denials.tell(denied, "GET", "/api/v1/configmaps")
        denials.tell(Forbidden(403, {"message": "exceeded quota"}), "POST", "/api/v1/namespaces/n/configmaps")
        denials.tell(NotFound(404, {}), "GET", f"/api/v1/namespaces/n/configmaps/{name}")
    told = [(fields["verb"], fields["resource"]) for fields in (record.__dict__["fields"] for record in caplog.records)]
    assert told == [("patch", "configmaps"), ("create", "configmaps")]


async def test_a_client_tells_what_it_is_denied(caplog: pytest.LogCaptureFixture) -> None:
    api = FakeApi()
    answer = (403, {"kind": "Status", "code": 403, "reason": "Forbidden", "message": RBAC}, {})
    async with serving(api) as url, Client(ClusterConfig(server=url)) as client:
        for _ in range(3):
            api.answers.append(answer)
            with pytest.raises(Forbidden):
                await client.create(CONFIG_MAP, {"metadata": {"name": "a", "namespace": "n"}})
    (record,) = [record for record in caplog.records if record.message == "permissions.denied"]
    assert record.__dict__["fields"]["reason"] == RBAC
