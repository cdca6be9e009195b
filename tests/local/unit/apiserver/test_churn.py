"""Objects of ever new names come and go: when the past is forgotten, the API server holds what it held before."""

from typing import Any, Final

from crossfade_local.apiserver.state.database import Database
from crossfade_local.apiserver.state.storage import Storage
from tests.support.api_in_process import ApiInProcess
from tests.support.reachable import reachable

_DEFINITIONS: Final = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_GROUP: Final = "churn.test"


async def test_nothing_is_kept_of_names_of_the_past() -> None:
    api = ApiInProcess(Storage(Database(None)))
    held = []
    for numbers in (range(5), range(5, 10), range(10, 40)):
        for number in numbers:
            await _come_and_go(api, f"n{number}")
        api.storage.forget_before(api.storage.revision)
        held.append(reachable(api))
    await api.lifecycle.close()
    assert max(held[1:]) - held[0] < 5, held


async def _come_and_go(api: ApiInProcess, name: str) -> None:
    made = [await _create(api, path, obj) for path, obj in _objects(name)]
    for path in made:
        body = {"metadata": {"annotations": {name: name}}}
        status, answer = await api.send("PATCH", path, body, content_type="application/merge-patch+json")
        assert status == 200, answer
    for path in (made[1].rpartition("/")[0], made[-1].rpartition("/")[0]):
        await api.send("GET", path, labelSelector=f"app={name}")
        await api.watch(path, labelSelector=f"app={name}")
    for path in reversed(made):
        status, answer = await api.send("DELETE", path, {"gracePeriodSeconds": 0})
        assert status == 200, answer


async def _create(api: ApiInProcess, path: str, obj: dict[str, Any]) -> str:
    status, answer = await api.send("POST", path, obj)
    assert status == 201, answer
    return f"{path}/{answer['metadata']['name']}"


def _objects(name: str) -> list[tuple[str, dict[str, Any]]]:
    """Each behind what it needs."""
    metadata = {"name": name, "namespace": name, "labels": {"app": name}}
    plural, kind = f"{name}s", name.capitalize()
    pod = {"containers": [{"name": name, "image": "none"}]}
    template = {"metadata": {"labels": {"app": name}}, "spec": pod}
    deployment = {"selector": {"matchLabels": {"app": name}}, "template": template}
    quota = {"hard": {"configmaps": "9"}}
    core = f"/api/v1/namespaces/{name}"
    return [
        (f"{core}/configmaps", {"metadata": metadata, "data": {name: name}}),
        (f"{core}/pods", {"metadata": metadata, "spec": pod}),
        (f"{core}/resourcequotas", {"metadata": metadata, "spec": quota}),
        (f"{core}/secrets", {"metadata": metadata, "stringData": {name: name}}),
        (f"/apis/apps/v1/namespaces/{name}/deployments", {"metadata": metadata, "spec": deployment}),
        (_DEFINITIONS, {"metadata": {"name": f"{plural}.{_GROUP}"}, "spec": _definition(plural, kind)}),
        (f"/apis/{_GROUP}/v1/namespaces/{name}/{plural}", _custom(metadata, kind)),
    ]


def _custom(metadata: dict[str, Any], kind: str) -> dict[str, Any]:
    return {"apiVersion": f"{_GROUP}/v1", "kind": kind, "metadata": metadata, "spec": {"text": "a"}}


def _definition(plural: str, kind: str) -> dict[str, Any]:
    text = {"type": "string", "pattern": f"^a|{plural}$"}
    spec = {"type": "object", "properties": {"text": text}}
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    return {"group": _GROUP, "scope": "Namespaced", "names": {"plural": plural, "kind": kind}, "versions": [version]}
