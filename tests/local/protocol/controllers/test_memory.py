"""Nothing is kept of namespaces that are gone, whatever was in them."""

from crossfade_kube.resources import NAMESPACE, SERVICE
from tests.local.protocol.controllers.conftest import Bed
from tests.support.kept import holders_of

_GONE = "soon-gone"


async def test_controllers_keep_nothing_of_namespaces_that_are_gone(bed: Bed) -> None:
    for name in (_GONE, "another", "the-last"):
        await _come_and_go(bed, name)

    async def is_forgotten() -> bool:
        return not holders_of(_GONE)

    await bed.until(is_forgotten, f"{_GONE} to be forgotten by {holders_of(_GONE)}")


async def _come_and_go(bed: Bed, name: str) -> None:
    inside = Bed(bed.client, name)
    await inside.create(NAMESPACE, {"metadata": {"name": name}})
    ports = {"selector": {"app": "a"}, "ports": [{"port": 80}]}
    await inside.create(SERVICE, {"metadata": {"name": "a"}, "spec": ports})
    await inside.deploy("a", replicas=2)
    await inside.rolled_out("a")
    await bed.client.delete(NAMESPACE, name)
    await bed.until(lambda: _is_gone(bed, name), f"namespace {name} to go")


async def _is_gone(bed: Bed, name: str) -> bool:
    return await bed.get(NAMESPACE, name) is None
