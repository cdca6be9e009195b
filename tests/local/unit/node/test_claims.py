"""Where the volume behind a claim lies."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from crossfade_kube.client import Client
from crossfade_kube.kubeconfig import ClusterConfig
from crossfade_local.kubelet import claims
from crossfade_local.kubelet.claims import ClaimedVolumes
from crossfade_local.kubelet.rootfs import MachineView
from crossfade_local.kubelet.volumes import VolumeError
from crossfade_local.local_volumes import DRIVER, LocalVolumes
from tests.support.fake_api import FakeApi, serving

CLAIM = "/api/v1/namespaces/prod/persistentvolumeclaims/tapes"
VOLUME = "/api/v1/persistentvolumes/v"
BOUND = {"spec": {"volumeName": "v"}, "status": {"phase": "Bound"}}
OURS = {"csi": {"driver": DRIVER, "volumeHandle": "v"}}


def on(host: str) -> dict[str, Any]:
    term = {"matchExpressions": [{"key": "host", "operator": "In", "values": [host]}]}
    return {"nodeAffinity": {"required": {"nodeSelectorTerms": [term]}}}


class _Open:
    """Of a machine that has nothing to hide."""

    def closes(self, _path: Path) -> bool:
        return False

    async def looking(self, function: Callable[[], Path]) -> Path:
        return function()


class _View:
    protection = _Open()


async def found(folder: Path, claim: dict[str, Any] | None, volume: dict[str, Any] | None) -> Path:
    api = FakeApi()
    api.put("/api/v1/nodes/here", {"metadata": {"labels": {"host": "here"}}})
    if claim is not None:
        api.put(CLAIM, claim)
    if volume is not None:
        api.put(VOLUME, {"spec": volume})
    async with serving(api) as url, Client(ClusterConfig(server=url)) as client:
        places = ClaimedVolumes(client, LocalVolumes(folder / "volumes"), cast("MachineView", _View()))
        return (await places.path("prod", "tapes", node="here")).path


@pytest.fixture(autouse=True)
def _no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "_PATIENCE_S", (0.0,))


async def test_a_volume_of_the_cluster_is_a_directory_of_its_own(tmp_path: Path) -> None:
    place = await found(tmp_path, BOUND, {**OURS, **on("elsewhere")})
    assert place == tmp_path / "volumes" / "v"
    assert place.is_dir()


@pytest.mark.parametrize("affinity", [{}, on("here")])
@pytest.mark.parametrize("kind", ["hostPath", "local"])
async def test_hand_made_volumes_lie_where_they_say(tmp_path: Path, kind: str, affinity: dict[str, Any]) -> None:
    assert await found(tmp_path, BOUND, {kind: {"path": str(tmp_path)}, **affinity}) == tmp_path


@pytest.mark.parametrize(
    ("claim", "volume", "problem"),
    [
        (None, None, 'persistentvolumeclaim "tapes" not found'),
        ({"spec": {}}, None, 'unbound PersistentVolumeClaim "tapes"'),
        ({**BOUND, "status": {"phase": "Lost"}}, None, 'unbound PersistentVolumeClaim "tapes"'),
        (BOUND, None, 'persistentvolume "v" not found'),
        (BOUND, {"nfs": {"path": "/"}}, "only hostPath, local and volumes of"),
        (BOUND, {"csi": {"driver": "ebs", "volumeHandle": "v"}}, "only hostPath, local and volumes of"),
        (BOUND, {"csi": {"driver": DRIVER, "volumeHandle": "../pki"}}, "is not a name"),
        (BOUND, {**OURS, "volumeMode": "Block"}, "block volumes are not available"),
        (BOUND, {"hostPath": {"path": "/srv"}, **on("elsewhere")}, "is not for this node"),
        (BOUND, {"local": {"path": "/does/not/exist"}}, "hostPath type check failed"),
    ],
)
async def test_what_cannot_be_mounted_is_told(
    tmp_path: Path, claim: dict[str, Any] | None, volume: dict[str, Any] | None, problem: str
) -> None:
    with pytest.raises(VolumeError) as caught:
        await found(tmp_path, claim, volume)
    assert problem in str(caught.value)
