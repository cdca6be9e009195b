"""What `crossfade up` installs looks as if `kubectl apply` had installed it."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from crossfade_kube.client import Client
from crossfade_kube.kubeconfig import load_kubeconfig
from crossfade_kube.meta import JsonObject
from crossfade_kube.resources import CONFIG_MAP
from crossfade_local.installer import LAST_APPLIED, RELEASE, Installer, is_part, with_last_applied
from tests.support.api_process import ApiProcess


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[ApiProcess]:
    process = ApiProcess(tmp_path / "api")
    try:
        client = await process.start()
        await client.close()
        yield process
    finally:
        await process.stop()


def test_the_manifest_is_remembered_as_kubectl_remembers_it() -> None:
    item = {"kind": "ConfigMap", "metadata": {"name": "one", "annotations": {"kept": "yes"}}, "apiVersion": "v1"}
    annotations = with_last_applied(item)["metadata"]["annotations"]
    assert annotations["kept"] == "yes"
    assert json.loads(annotations[LAST_APPLIED]) == item
    assert annotations[LAST_APPLIED].endswith("\n")


@pytest.mark.parametrize(
    ("wanted", "found", "is_there"),
    [
        ({"a": 1}, {"a": 1, "added": 2}, True),
        ({"a": {"b": [{"c": 1}]}}, {"a": {"b": [{"c": 1, "added": 2}]}}, True),
        ({"a": []}, {"a": []}, True),
        ({"a": 1}, {"a": 2}, False),
        ({"a": 1}, {}, False),
        ({"a": 1}, {"a": True}, False),
        ({"a": [1]}, {"a": [1, 2]}, False),
        ({"a": None}, {}, False),
        ({"a": {"b": 1}}, {"a": "b"}, False),
    ],
)
def test_what_is_there_as_it_should_be(wanted: object, found: object, is_there: bool) -> None:
    assert is_part(wanted, found) is is_there


async def test_only_what_differs_is_written(api: ApiProcess) -> None:
    items = [_config_map(name) for name in ("kept", "changed", "gone")]
    async with Client(load_kubeconfig(api.data_dir / "kubeconfig")) as client:
        await Installer(client).apply(items)
        before = await client.get(CONFIG_MAP, "kept", namespace="default")
        await client.patch(CONFIG_MAP, "changed", {"data": {"a": "c"}}, namespace="default")
        await client.delete(CONFIG_MAP, "gone", namespace="default")
        await Installer(client).apply(items)
        found = {name: await client.get(CONFIG_MAP, name, namespace="default") for name in ("kept", "changed", "gone")}
    assert {name: one["data"] for name, one in found.items()} == {name: {"a": "b"} for name in found}
    assert found["kept"] == before


async def test_what_helm_has_taken_over_is_left_to_it(api: ApiProcess) -> None:
    items = [_config_map(name) for name in ("ours", "theirs")]
    async with Client(load_kubeconfig(api.data_dir / "kubeconfig")) as client:
        installer = Installer(client)
        await installer.apply(items)
        taken = {"metadata": {"annotations": {RELEASE: "r"}}, "data": {"a": "c"}}
        await client.patch(CONFIG_MAP, "theirs", taken, namespace="default")
        await installer.apply([{**item, "data": {"a": "d"}} for item in items])
        found = {name: await client.get(CONFIG_MAP, name, namespace="default") for name in ("ours", "theirs")}
    assert {name: one["data"] for name, one in found.items()} == {"ours": {"a": "d"}, "theirs": {"a": "c"}}


def _config_map(name: str) -> JsonObject:
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "b"}}
