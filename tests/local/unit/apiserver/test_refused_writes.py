"""What the server does by itself goes on after the disk has refused a write."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from crossfade_local.apiserver.crd.lifecycle import BUCKET, CLEANUP, Lifecycle
from crossfade_local.apiserver.housekeeping import RoleAggregation
from crossfade_local.apiserver.state.database import Database
from crossfade_local.apiserver.state.storage import NotWritten, Storage
from crossfade_local.apiserver.types.registry import BuiltinTypes, Registry
from tests.support.filling_disk import FillingDisk
from tests.support.waiting import eventually

ROLES = "rbac.authorization.k8s.io/clusterroles"
RULE = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}
PART = {"metadata": {"name": "part", "labels": {"part": "yes"}}, "rules": [RULE]}
WHOLE = {
    "metadata": {"name": "whole"},
    "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"part": "yes"}}]},
    "rules": [],
}
DEFINITION = {
    "metadata": {"name": "things.example.com", "deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": [CLEANUP]},
    "spec": {"group": "example.com", "names": {"plural": "things", "kind": "Thing"}, "versions": []},
}


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[Storage]:
    found = Storage(Database(tmp_path / "state.db"))
    yield found
    found.close()


@pytest.fixture
def disk(tmp_path: Path, storage: Storage) -> Iterator[FillingDisk]:  # noqa: ARG001 - makes the file
    found = FillingDisk(tmp_path / "state.db")
    yield found
    found.close()


async def test_aggregated_roles_are_filled_once_the_disk_takes_them(storage: Storage, disk: FillingDisk) -> None:
    roles = RoleAggregation(storage)
    for role in (PART, WHOLE):
        await storage.create(ROLES, "", role["metadata"]["name"], role)
    disk.fill()
    with pytest.raises(NotWritten):
        await roles.run()
    disk.clear()
    again = asyncio.create_task(roles.run())
    await eventually(lambda: storage.get(ROLES, "", "whole").object["rules"] == [RULE])
    again.cancel()
    with suppress(asyncio.CancelledError):
        await again


async def test_definitions_are_cleaned_up_once_the_disk_takes_it(storage: Storage, disk: FillingDisk) -> None:
    await storage.create("example.com/things", "ns", "one", {"metadata": {"name": "one"}})
    await storage.create(BUCKET, "", "things.example.com", DEFINITION)
    lifecycle = Lifecycle(storage, Registry(BuiltinTypes.load()), lambda: datetime.now(UTC))
    disk.fill()
    lifecycle.resume()
    await eventually(storage.check)
    disk.clear()
    await eventually(lambda: storage.count(BUCKET) == 0)
    assert storage.count("example.com/things") == 0
    await lifecycle.close()
