"""A pod whose sidecar is connected to no controller says so, until it is back."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import grpc
import grpc.aio
from msgspec import structs

from crossfade.api.appmesh import Mesh, VirtualNode
from crossfade.compile.mesh.sidecars import PROXY_LABEL
from crossfade.envoy.proto import discovery_v3
from crossfade.install.mesh_names import CERTIFICATE_SECRET
from crossfade.status.sidecars import CONDITION
from crossfade.xds.server import SERVICE
from crossfade_kube.lease import LeaseTimes
from crossfade_kube.resources import EVENT, NAMESPACE, POD, SECRET, SERVICE_ACCOUNT
from tests.protocol.mesh.conftest import Lab

Json = dict[str, Any]
NAME: Final = "lost"
PATH: Final = f"mesh/{NAME}/virtualNode/v1_{NAME}"
NODE: Final[Json] = {"serviceDiscovery": {"dns": {"hostname": "v1.test"}}, "podSelector": {"matchLabels": {"a": "b"}}}
CONTAINER: Final[Json] = {
    "name": "envoy",
    "image": "x",
    "env": [{"name": "APPMESH_VIRTUAL_NODE_NAME", "value": PATH}, {"name": "CROSSFADE_ADS_CA", "value": "another"}],
}
RUNS: Final = {
    "phase": "Running",
    "conditions": [{"type": "Ready", "status": "True"}],
    "containerStatuses": [{"name": "envoy", "state": {"running": {"startedAt": "2026-11-28T10:00:00Z"}}}],
}


async def make(lab: Lab) -> Json:
    """The pod."""
    await lab.admin.create(NAMESPACE, {"metadata": {"name": NAME, "labels": {"mesh": NAME}}})
    await lab.admin.create(SERVICE_ACCOUNT, {"metadata": {"name": "default", "namespace": NAME}})
    selects = {"namespaceSelector": {"matchLabels": {"mesh": NAME}}}
    await lab.admin.create(Mesh.RESOURCE, {"metadata": {"name": NAME}, "spec": selects})
    await lab.admin.create(VirtualNode.RESOURCE, {"metadata": {"name": "v1", "namespace": NAME}, "spec": NODE})
    metadata = {"name": "v1", "namespace": NAME, "labels": {PROXY_LABEL: "sidecar"}}
    await lab.admin.create(POD, {"metadata": metadata, "spec": {"containers": [CONTAINER]}})
    return await lab.admin.patch(POD, "v1", {"status": RUNS}, namespace=NAME, subresource="status")


async def condition(lab: Lab, status: str) -> Json:
    """The pod's, once it has that status; the kubelet's own stays beside it."""

    async def found() -> Json | None:
        pod = await lab.admin.get(POD, "v1", namespace=NAME)
        conditions: Json = {one["type"]: one for one in pod["status"]["conditions"]}
        assert conditions["Ready"]["status"] == "True"
        own = conditions.get(CONDITION)
        return own if own is not None and own["status"] == status else None

    # A controller of another test may have been killed with the lease.
    return await lab.until(found, within_s=LeaseTimes().duration_s + LeaseTimes().retry_s + 10)


async def event(lab: Lab, reason: str) -> Json:
    async def found() -> Json | None:
        events = (await lab.admin.list(EVENT, namespace=NAME)).items
        return next((one for one in events if one["reason"] == reason), None)

    return await lab.until(found)


@asynccontextmanager
async def connected(lab: Lab, pod: Json) -> AsyncIterator[None]:
    """As its sidecar would be."""
    secret = await lab.admin.get(SECRET, CERTIFICATE_SECRET, namespace="appmesh-system")
    credentials = grpc.ssl_channel_credentials(base64.b64decode(secret["data"]["ca.crt"]))
    options = [("grpc.ssl_target_name_override", "appmesh-controller-ads.appmesh-system.svc")]
    token = await lab.token("default", NAME, pod, "crossfade-mesh")
    async with grpc.aio.secure_channel(f"127.0.0.1:{lab.settings.ads_port}", credentials, options) as channel:
        stream = channel.stream_stream(
            f"/{SERVICE}/DeltaAggregatedResources",
            request_serializer=discovery_v3.DeltaDiscoveryRequest.SerializeToString,
            response_deserializer=discovery_v3.DeltaDiscoveryResponse.FromString,
        )(metadata=[("authorization", f"Bearer {token}")])
        request = discovery_v3.DeltaDiscoveryRequest(type_url="type.googleapis.com/envoy.config.cluster.v3.Cluster")
        request.node.id = f"{NAME}/v1"
        await stream.write(request)
        async with asyncio.timeout(10):
            await stream.read()
        yield
        stream.cancel()


async def test_a_pod_is_told_that_its_sidecar_is_missed_and_that_it_is_back(lab: Lab) -> None:
    pod = await make(lab)
    lab = lab._replace(settings=structs.replace(lab.settings, stranded_after_s=1))
    async with lab.running():
        missed = await condition(lab, "False")
        assert missed["reason"] == "SidecarStranded"
        assert "made under another authority" in missed["message"]
        assert missed["lastTransitionTime"] in missed["message"]
        warning = await event(lab, "SidecarStranded")
        assert (warning["type"], warning["involvedObject"]["uid"]) == ("Warning", pod["metadata"]["uid"])
        assert warning["message"] == missed["message"]
        async with connected(lab, pod):
            await condition(lab, "True")
            assert (await event(lab, "SidecarConnected"))["type"] == "Normal"
        await condition(lab, "False")
