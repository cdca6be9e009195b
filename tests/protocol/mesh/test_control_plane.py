"""From objects to statuses, certificates and identities, as an API server sees them."""

import base64
import contextlib
import ssl
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from cryptography import x509

from crossfade.api.appmesh import Mesh, VirtualNode, VirtualRouter, VirtualService
from crossfade.compile.mesh import MeshModel
from crossfade.controller.mesh.identity import sidecar_authentication
from crossfade.xds.auth import NotAuthenticatedError
from crossfade_kube.errors import NotFound
from crossfade_kube.meta import ObjectRef, Resource
from crossfade_kube.resources import (
    CONFIG_MAP,
    EVENT,
    MUTATING_WEBHOOK_CONFIGURATION,
    NAMESPACE,
    POD,
    SECRET,
    SERVICE_ACCOUNT,
    VALIDATING_WEBHOOK_CONFIGURATION,
)
from tests.protocol.mesh.conftest import Lab

Json = dict[str, Any]
ARN = "arn:aws:appmesh:us-west-2:000000000000:mesh"
SECRET_NAME = "appmesh-controller-webhook-server-cert"


async def make(lab: Lab, kind: Any, name: str, spec: Json, namespace: str | None = None) -> Json:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    resource: Resource = kind.RESOURCE
    obj = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, "spec": spec}
    return await lab.admin.create(resource, obj)


async def condition(lab: Lab, kind: Any, name: str, namespace: str | None, status: str) -> Json:
    """The object, once its condition has that status."""

    async def found() -> Json | None:
        obj = await lab.admin.get(kind.RESOURCE, name, namespace=namespace)
        conditions = (obj.get("status") or {}).get("conditions") or [{}]
        return obj if conditions[0].get("status") == status else None

    return await lab.until(found)


async def observed(lab: Lab, kind: Any, name: str, namespace: str, *, generation: int) -> None:
    """The controller has this generation of the object: what it decides next takes it into account."""

    async def found() -> bool | None:
        obj = await lab.admin.get(kind.RESOURCE, name, namespace=namespace)
        return (obj.get("status") or {}).get("observedGeneration", 0) >= generation or None

    await lab.until(found)


async def gone(lab: Lab, kind: Any, name: str, namespace: str | None = None) -> None:
    async def found() -> bool | None:
        try:
            await lab.admin.get(kind.RESOURCE, name, namespace=namespace)
        except NotFound:
            return True
        return None

    await lab.until(found)


async def test_objects_report_what_became_of_them_in_any_order(lab: Lab) -> None:
    namespace = {"metadata": {"name": "prod", "labels": {"mesh": "dj-app"}}}
    await lab.admin.create(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", **namespace})
    listeners = [{"portMapping": {"port": 9080, "protocol": "http"}}]
    action = {"weightedTargets": [{"virtualNodeRef": {"name": "v1"}, "weight": 1}]}
    route = {"name": "all", "httpRoute": {"match": {"prefix": "/"}, "action": action}}
    node = {"listeners": listeners, "serviceDiscovery": {"dns": {"hostname": "v1.prod"}}, "podSelector": {}}
    async with lab.running():
        await make(
            lab, VirtualService, "jazz", {"provider": {"virtualRouter": {"virtualRouterRef": {"name": "r"}}}}, "prod"
        )
        await make(lab, VirtualRouter, "r", {"listeners": listeners, "routes": [route]}, "prod")
        await make(lab, Mesh, "dj-app", {"namespaceSelector": {"matchLabels": {"mesh": "dj-app"}}})
        waiting = await condition(lab, VirtualRouter, "r", "prod", "False")
        assert "virtualRouterARN" not in waiting["status"]
        await make(lab, VirtualNode, "v1", node, "prod")
        router = await condition(lab, VirtualRouter, "r", "prod", "True")
        assert router["status"]["virtualRouterARN"] == f"{ARN}/dj-app/virtualRouter/r_prod"
        assert router["status"]["routeARNs"] == {"all": f"{ARN}/dj-app/virtualRouter/r_prod/route/all"}
        service = await condition(lab, VirtualService, "jazz", "prod", "True")
        assert service["status"]["virtualServiceARN"] == f"{ARN}/dj-app/virtualService/jazz.prod"

        reference = {
            "meshRef": {"name": "dj-app", "uid": (await lab.admin.get(Mesh.RESOURCE, "dj-app"))["metadata"]["uid"]}
        }
        patched = await lab.admin.patch(VirtualNode.RESOURCE, "v1", {"spec": reference}, namespace="prod")
        await observed(lab, VirtualNode, "v1", "prod", generation=patched["metadata"]["generation"])
        await lab.admin.delete(Mesh.RESOURCE, "dj-app")

        async def told() -> str | None:
            events = (await lab.admin.list(EVENT)).items
            return next((event["message"] for event in events if event["reason"] == "PendingMembersDeletion"), None)

        assert (await lab.until(told)).endswith("virtualNode: 1")
        await lab.admin.delete(VirtualNode.RESOURCE, "v1", namespace="prod")
        await gone(lab, Mesh, "dj-app")


async def test_the_author_of_a_fault_is_told_when_it_begins_and_ends(lab: Lab) -> None:
    namespace = {"metadata": {"name": "faulty", "labels": {"mesh": "faulty"}}}
    await lab.admin.create(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", **namespace})
    listeners = [{"portMapping": {"port": 9080, "protocol": "http"}}]
    node = {"listeners": listeners, "serviceDiscovery": {"dns": {"hostname": "v1.faulty"}}, "podSelector": {}}
    caller = {"backends": [{"virtualService": {"virtualServiceRef": {"name": "jazz"}}}]}

    async def told(reason: str) -> Json:
        async def found() -> Json | None:
            events = (await lab.admin.list(EVENT)).items
            return next((event for event in events if event["reason"] == reason), None)

        return await lab.until(found)

    async with lab.running():
        await make(lab, Mesh, "faulty", {"namespaceSelector": {"matchLabels": {"mesh": "faulty"}}})
        await make(lab, VirtualNode, "v1", node, "faulty")
        await make(lab, VirtualNode, "caller", caller, "faulty")
        provider = {"virtualNode": {"virtualNodeRef": {"name": "v1"}}}
        await make(lab, VirtualService, "jazz", {"provider": provider}, "faulty")
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        fault = {"crossfade.dev/fault": f"abort 503 5%, from {now} for 1h"}
        patch = {"metadata": {"annotations": fault}}
        await lab.admin.patch(VirtualService.RESOURCE, "jazz", patch, namespace="faulty")
        event = await told("FaultBegins")
        assert event["involvedObject"]["kind"] == "VirtualService"
        assert event["message"].startswith("metadata.annotations[crossfade.dev/fault]: callers get the fault until 20")
        gone = {"metadata": {"annotations": dict.fromkeys(fault)}}
        await lab.admin.patch(VirtualService.RESOURCE, "jazz", gone, namespace="faulty")
        assert (await told("FaultEnds"))["type"] == "Normal"


async def test_certificates_are_made_once_announced_and_served(lab: Lab) -> None:
    async with lab.running():
        secret = await lab.admin.get(SECRET, SECRET_NAME, namespace="appmesh-system")
        bundle = secret["data"]["ca.crt"]
        served = x509.load_pem_x509_certificate(base64.b64decode(secret["data"]["tls.crt"]))
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"http://127.0.0.1:{lab.settings.metrics_port}/metrics") as page,
        ):
            name = "crossfade_certificate_not_after_timestamp_seconds"
            labels = f'name="{SECRET_NAME}",namespace="appmesh-system",purpose="webhook"'
            shown = dict(line.rsplit(" ", 1) for line in (await page.text()).splitlines() if line.startswith(name))
            assert float(shown[f"{name}{{{labels}}}"]) == served.not_valid_after_utc.timestamp()
        for resource, name in (
            (MUTATING_WEBHOOK_CONFIGURATION, "appmesh-controller-mutating-webhook-configuration"),
            (VALIDATING_WEBHOOK_CONFIGURATION, "appmesh-controller-validating-webhook-configuration"),
        ):
            webhooks = (await lab.admin.get(resource, name))["webhooks"]
            assert {webhook["clientConfig"]["caBundle"] for webhook in webhooks} == {bundle}
        tls = ssl.create_default_context(cadata=base64.b64decode(bundle).decode())
        review = {
            "request": {
                "uid": "u",
                "kind": {"kind": "Mesh"},
                "operation": "CREATE",
                "object": {"metadata": {"name": "m"}},
            }
        }
        async with (
            aiohttp.ClientSession() as http,
            http.post(
                f"https://127.0.0.1:{lab.settings.webhook_port}/mutate-appmesh-k8s-aws-v1beta2-mesh",
                json=review,
                ssl=tls,
                server_hostname="appmesh-controller-webhook-service.appmesh-system.svc",
            ) as answer,
        ):
            assert (await answer.json())["response"]["allowed"]
    async with lab.running():
        assert await lab.admin.get(SECRET, SECRET_NAME, namespace="appmesh-system") == secret


async def test_a_registration_that_was_written_anew_is_completed_at_once(lab: Lab) -> None:
    """Until then no pod of the mesh can be made."""
    resource, name = MUTATING_WEBHOOK_CONFIGURATION, "appmesh-controller-mutating-webhook-configuration"

    async def bundles() -> set[str] | None:
        found = {
            webhook["clientConfig"].get("caBundle", "") for webhook in (await lab.admin.get(resource, name))["webhooks"]
        }
        return None if "" in found else found

    async with lab.running():
        first = await lab.until(bundles)
        for _ in range(3):
            wiped = await lab.admin.get(resource, name)
            for webhook in wiped["webhooks"]:
                del webhook["clientConfig"]["caBundle"]
            await lab.admin.replace(resource, wiped)
            assert await lab.until(bundles) == first


async def test_a_lost_secret_costs_no_sidecar_its_control_plane(lab: Lab) -> None:
    """Who knows the former authority only is shown that it vouches for the new one."""
    resource, name = VALIDATING_WEBHOOK_CONFIGURATION, "appmesh-controller-validating-webhook-configuration"

    async def made() -> str | None:
        with contextlib.suppress(NotFound):
            secret = await lab.admin.get(SECRET, SECRET_NAME, namespace="appmesh-system")
            return base64.b64decode(secret["data"]["ca.crt"]).decode()
        return None

    async with lab.running():
        former = await lab.until(made)
        await lab.admin.delete(SECRET, SECRET_NAME, namespace="appmesh-system")
        # Whatever wakes the controller before its minute is over.
        await lab.admin.patch(resource, name, {"metadata": {"annotations": {"looked-at": "yes"}}})
        latter = await lab.until(made)
        assert latter != former
        for authority in (former, latter):
            tls = ssl.create_default_context(cadata=authority)
            async with (
                aiohttp.ClientSession() as http,
                http.get(
                    f"https://127.0.0.1:{lab.settings.webhook_port}/",
                    ssl=tls,
                    server_hostname="appmesh-controller-ads.appmesh-system.svc",
                ) as answer,
            ):
                assert answer.status == 404


async def test_sidecars_are_told_of_the_authority_wherever_they_may_be_and_of_a_new_one_too(lab: Lab) -> None:
    await lab.admin.create(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "told"}})
    await make(lab, VirtualNode, "v", {"podSelector": {"matchLabels": {"app": "v"}}}, "told")

    async def told(former: str = "") -> str | None:
        with contextlib.suppress(NotFound):
            bundle = await lab.admin.get(CONFIG_MAP, "crossfade-mesh-authority", namespace="told")
            secret = await lab.admin.get(SECRET, SECRET_NAME, namespace="appmesh-system")
            text: str = bundle["data"]["ca.crt"]
            return text if text.encode() == base64.b64decode(secret["data"]["ca.crt"]) and text != former else None
        return None

    async with lab.running():
        first = await lab.until(told)
    await lab.admin.delete(SECRET, SECRET_NAME, namespace="appmesh-system")
    async with lab.running():
        await lab.until(lambda: told(first))
        with pytest.raises(NotFound):
            await lab.admin.get(CONFIG_MAP, "crossfade-mesh-authority", namespace="default")
    await lab.admin.delete(NAMESPACE, "told")


async def test_a_sidecar_is_known_by_its_pods_token(lab: Lab) -> None:
    path = "mesh/m/virtualNode/jazz_music"
    await lab.admin.create(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "music"}})
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "player", "namespace": "music"}}
    await lab.admin.create(SERVICE_ACCOUNT, account)
    envoy = {"name": "envoy", "image": "x", "env": [{"name": "APPMESH_VIRTUAL_NODE_NAME", "value": path}]}
    spec = {"serviceAccountName": "player", "containers": [envoy]}
    metadata = {"name": "jazz-1", "namespace": "music"}
    pod = await lab.admin.create(POD, {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    owner = ObjectRef("appmesh.k8s.aws/v1beta2", "VirtualNode", "music", "jazz")
    model = MeshModel({}, {path: owner}, {}, ())
    authenticate = sidecar_authentication(lab.admin, lambda: model)

    async def key(token: str) -> str:
        return await authenticate({"authorization": f"Bearer {token}"})

    bound = await lab.token("player", "music", pod, "crossfade-mesh")
    assert await key(bound) == path
    unbound = await lab.token("player", "music", audience="crossfade-mesh")
    for_the_api = await lab.token("player", "music", pod)
    for other in (unbound, for_the_api, "nonsense", bound[:-4] + "AAAA"):
        with pytest.raises(NotAuthenticatedError):
            await key(other)
    await lab.admin.delete(POD, "jazz-1", namespace="music", grace_period_s=0)
    with pytest.raises(NotAuthenticatedError):
        await key(bound)
