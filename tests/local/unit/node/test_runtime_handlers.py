"""Which RuntimeClasses run here."""

from typing import Any

import pytest

from crossfade_kube.client import Client
from crossfade_kube.kubeconfig import ClusterConfig
from crossfade_local.kubelet.runtime_handlers import NoRuntimeError, check_runtime
from tests.support.fake_api import FakeApi, serving


async def check(spec: dict[str, Any], **handlers: str) -> None:
    api = FakeApi()
    for name, handler in handlers.items():
        api.put(f"/apis/node.k8s.io/v1/runtimeclasses/{name}", {"handler": handler})
    async with serving(api) as url, Client(ClusterConfig(server=url)) as client:
        await check_runtime(client, spec)


@pytest.mark.parametrize("spec", [{}, {"runtimeClassName": ""}, {"runtimeClassName": "ordinary"}])
async def test_ordinary_containers_run(spec: dict[str, Any]) -> None:
    await check(spec, ordinary="runc")


async def test_other_ways_of_running_containers_are_not_here() -> None:
    with pytest.raises(NoRuntimeError) as raised:
        await check({"runtimeClassName": "safe"}, safe="gvisor")

    assert str(raised.value) == (
        "rpc error: code = Unknown desc = failed to get sandbox runtime: "
        'no runtime for "gvisor" is configured; RuntimeClass safe needs handler runc here'
    )


async def test_a_class_that_is_gone_runs_nothing() -> None:
    with pytest.raises(NoRuntimeError):
        await check({"runtimeClassName": "safe"})
