"""Owners of an object that are named more than once."""

from collections.abc import Iterator
from typing import Any

import pytest

from crossfade_local.apiserver.state.database import Database
from crossfade_local.apiserver.state.storage import Storage
from tests.support.api_in_process import ApiInProcess

Json = dict[str, Any]


@pytest.fixture
def api() -> Iterator[ApiInProcess]:
    storage = Storage(Database(None))
    yield ApiInProcess(storage)
    storage.close()


def owner(uid: str) -> Json:
    return {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": uid}


async def test_each_is_stored_once_with_a_warning(api: ApiInProcess) -> None:
    await api.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "d"}})
    owners = [owner("a"), owner("b"), dict(reversed(owner("a").items()))]
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m", "ownerReferences": owners}}
    made = await api.create("/api/v1/namespaces/d/configmaps", body)
    assert made["metadata"]["ownerReferences"] == owners[:2]
    [warning] = api.warnings
    assert warning.startswith(".metadata.ownerReferences contains duplicate entries; ")
    assert warning.endswith("duplicate UID(s) observed: a")


async def test_thousands_of_them_are_taken(api: ApiInProcess) -> None:
    await api.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "d"}})
    owners = [owner(str(number)) for number in range(15_000)]
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m", "ownerReferences": owners}}
    made = await api.create("/api/v1/namespaces/d/configmaps", body)
    assert len(made["metadata"]["ownerReferences"]) == len(owners)
    assert api.warnings == ()
