"""What `crossfade up` installs looks as if `kubectl apply` had installed it."""

import json
from pathlib import Path

from crossfade_kube.client import Client
from crossfade_kube.kubeconfig import load_kubeconfig
from crossfade_kube.resources import CONFIG_MAP
from crossfade_local.installer import LAST_APPLIED, RELEASE, Installer, with_last_applied
from tests.support.api_process import ApiProcess


def test_the_manifest_is_remembered_as_kubectl_remembers_it() -> None:
    item = {"kind": "ConfigMap", "metadata": {"name": "one", "annotations": {"kept": "yes"}}, "apiVersion": "v1"}
    annotations = with_last_applied(item)["metadata"]["annotations"]
    assert annotations["kept"] == "yes"
    assert json.loads(annotations[LAST_APPLIED]) == item
    assert annotations[LAST_APPLIED].endswith("\n")


async def test_what_helm_has_taken_over_is_left_to_it(tmp_path: Path) -> None:
    items = [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": "default"},
            "data": {"a": "b"},
        }
        for name in ("ours", "theirs")
    ]
    process = ApiProcess(tmp_path / "api")
    try:
        api = await process.start()
        await api.close()
        async with Client(load_kubeconfig(tmp_path / "api" / "kubeconfig")) as client:
            installer = Installer(client)
            await installer.apply(items)
            taken = {"metadata": {"annotations": {RELEASE: "r"}}, "data": {"a": "c"}}
            await client.patch(CONFIG_MAP, "theirs", taken, namespace="default")
            await installer.apply([{**item, "data": {"a": "d"}} for item in items])
            found = {name: await client.get(CONFIG_MAP, name, namespace="default") for name in ("ours", "theirs")}
    finally:
        await process.stop()
    assert {name: one["data"] for name, one in found.items()} == {"ours": {"a": "d"}, "theirs": {"a": "c"}}
