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


async def test_rules_of_several_roles_are_there_once(storage: Storage) -> None:
    rules = [{**RULE, "resources": [f"r{number}"]} for number in range(3)]
    for name, own in (("a", [*rules[:2], rules[0]]), ("b", rules[1:])):
        await storage.create(ROLES, "", name, {**PART, "metadata": {**PART["metadata"], "name": name}, "rules": own})
    assert RoleAggregation(storage).rules_of(WHOLE) == rules


async def test_roles_too_large_to_be_one_are_told_of_once(storage: Storage, caplog: pytest.LogCaptureFixture) -> None:
    await storage.create(ROLES, "", "whole", WHOLE)
    for name in "abc":
        own = [{**RULE, "resources": [name * 700_000]}]
        await storage.create(ROLES, "", name, {**PART, "metadata": {**PART["metadata"], "name": name}, "rules": own})
    running = asyncio.create_task(RoleAggregation(storage).run())
    await eventually(lambda: "role.not_aggregated" in caplog.messages)
    last = {"metadata": {"name": "last"}, "aggregationRule": WHOLE["aggregationRule"], "rules": []}
    await storage.create(ROLES, "", "zlast", last)
    await eventually(lambda: caplog.messages.count("role.not_aggregated") == 2)
    assert not running.done()
    assert storage.get(ROLES, "", "whole").object["rules"] == []
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


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
