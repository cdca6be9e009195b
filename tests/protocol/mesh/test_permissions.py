import contextlib
from pathlib import Path

import pytest

from crossfade.controller.mesh.permissions import may_read
from crossfade_kube.client import Client
from crossfade_kube.core import EndpointSlice, Service
from crossfade_kube.errors import AlreadyExists
from crossfade_kube.kubeconfig import load_kubeconfig
from crossfade_kube.logging import EventLog
from crossfade_kube.resources import SERVICE_ACCOUNT
from tests.protocol.mesh.conftest import Lab, with_token

KINDS = (Service, EndpointSlice)


async def test_the_installed_role_lets_the_controller_read_endpoints(lab: Lab) -> None:
    assert lab.settings.kubeconfig is not None
    async with Client(load_kubeconfig(lab.settings.kubeconfig), user_agent="test") as client:
        assert await may_read(client, KINDS, EventLog("test"), otherwise="they come from DNS")


async def test_what_a_role_does_not_allow_is_told_once(
    lab: Lab, kubeconfig: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with contextlib.suppress(AlreadyExists):
        await lab.admin.create(SERVICE_ACCOUNT, {"metadata": {"name": "nobody", "namespace": "appmesh-system"}})
    token = await lab.token("nobody", "appmesh-system")
    async with Client(load_kubeconfig(with_token(kubeconfig, token, tmp_path / "nobody")), user_agent="test") as client:
        assert not await may_read(client, KINDS, EventLog("test"), otherwise="they come from DNS")
    (record,) = caplog.records
    fields = record.__dict__["fields"]
    assert (record.getMessage(), fields["resources"], fields["effect"]) == (
        "permissions.missing",
        "services,endpointslices",
        "they come from DNS",
    )
