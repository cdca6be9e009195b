"""Bindings, evictions, scales and tokens are refused in another form, as Go refuses them."""

import pytest

from crossfade_local.apiserver.state.database import Database
from crossfade_local.apiserver.state.storage import Storage
from tests.support.api_in_process import ApiInProcess, Json

PLACE = "/api/v1/namespaces/default"
NO_STRING = "json: cannot unmarshal string into Go struct field"


@pytest.mark.parametrize(
    ("method", "path", "obj", "said"),
    [
        ("POST", "pods/a/binding", {"target": "n"}, f"{NO_STRING} Binding.target of type v1.ObjectReference"),
        ("POST", "pods/a/eviction", {"metadata": "a"}, f"{NO_STRING} Eviction.metadata of type v1.ObjectMeta"),
        (
            "POST",
            "serviceaccounts/a/token",
            {"spec": "a"},
            f"{NO_STRING} TokenRequest.spec of type v1.TokenRequestSpec",
        ),
        ("PUT", "replicationcontrollers/a/scale", {"spec": "a"}, f"{NO_STRING} Scale.spec of type v1.ScaleSpec"),
        (
            "PUT",
            "replicationcontrollers/a/scale",
            {"apiVersion": "apps/v1", "kind": "Deployment"},
            "converting (v1.Deployment) to (autoscaling.Scale): unknown conversion",
        ),
        ("POST", "pods/a/binding", {}, "name in URL does not match name in Binding object"),
        ("POST", "pods/a/eviction", {}, "name in URL does not match name in Eviction object"),
    ],
)
async def test_object_of_another_form(method: str, path: str, obj: Json, said: str) -> None:
    api = ApiInProcess(Storage(Database(None)))
    await api.create("/api/v1/namespaces", {"metadata": {"name": "default"}})
    await api.create(f"{PLACE}/serviceaccounts", {"metadata": {"name": "a"}})
    container = {"name": "web", "image": "web:1"}
    await api.create(f"{PLACE}/pods", {"metadata": {"name": "a"}, "spec": {"containers": [container]}})
    template = {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [container]}}
    await api.create(
        f"{PLACE}/replicationcontrollers",
        {"metadata": {"name": "a"}, "spec": {"selector": {"app": "a"}, "template": template}},
    )
    code, answer = await api.send(method, f"{PLACE}/{path}", obj)
    assert code == 400
    assert answer["message"].endswith(said)
