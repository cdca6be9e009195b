"""A controller that runs with the flags of App Mesh's chart."""

import asyncio
import contextlib
import logging
import ssl

import pytest
from msgspec import structs

from crossfade.api.appmesh import Mesh
from crossfade.controller.mesh.settings import MeshSettings
from crossfade.install.mesh_names import LEASE, NAMESPACE
from crossfade_kube.errors import NotFound
from crossfade_kube.meta import Resource
from tests.protocol.mesh.conftest import Lab
from tests.protocol.mesh.test_control_plane import condition, make

LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease", namespaced=True)
FLAGS = (
    "/controller --enable-leader-election=false --aws-account-id=123456789012 --tls-min-version VersionTLS13 "
    "--enable-statsd --statsd-port=8125 --unheard-of secret"
)


async def handshake(port: int, version: ssl.TLSVersion) -> str | None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    found: str | None = writer.get_extra_info("ssl_object").version()
    writer.close()
    return found


async def test_flags_have_their_effect_in_a_running_controller(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    own = lab.settings
    arguments = [*FLAGS.split(), f"--health-probe-port={own.health_port}"]
    read = MeshSettings.from_environment({}, str(own.kubeconfig), arguments)
    settings = structs.replace(read, host=own.host, webhook_port=own.webhook_port, ads_port=own.ads_port)
    with contextlib.suppress(NotFound):
        # Of an earlier controller.
        await lab.admin.delete(LEASES, LEASE, namespace=NAMESPACE)
    with caplog.at_level(logging.WARNING, "crossfade.mesh"):
        async with Lab(lab.admin, settings).running():
            assert await handshake(own.webhook_port, ssl.TLSVersion.TLSv1_3) == "TLSv1.3"
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await handshake(own.webhook_port, ssl.TLSVersion.TLSv1_2)
            await make(lab, Mesh, "flags", {"namespaceSelector": {"matchLabels": {"mesh": "flags"}}})
            mesh = await condition(lab, Mesh, "flags", None, "True")
    assert mesh["status"]["meshARN"].split(":")[4] == "123456789012"
    with pytest.raises(NotFound):
        await lab.admin.get(LEASES, LEASE, namespace=NAMESPACE)
    told = [(record.getMessage(), getattr(record, "fields", {})) for record in caplog.records]
    assert [fields["flags"] for event, fields in told if event == "settings.unknown"] == ["--unheard-of"]
    without = {fields["setting"]: fields["reason"] for event, fields in told if event == "settings.without-effect"}
    assert list(without) == ["--enable-statsd"]
    assert "secret" not in str(told)
