"""What the mesh's controller asks of a cluster and what the manifests allow it, where that is enforced."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from msgspec import structs

from crossfade.api.appmesh import (
    BackendGroup,
    GatewayRoute,
    Mesh,
    VirtualGateway,
    VirtualNode,
    VirtualRouter,
    VirtualService,
)
from crossfade.controller.mesh.identity import sidecar_authentication
from crossfade.controller.mesh.objects import MeshObjects
from crossfade.controller.mesh.role import run_mesh_role
from crossfade.controller.mesh.settings import MeshSettings
from crossfade.install.mesh import MeshInstallSettings, mesh_manifests
from crossfade.observe.access import AUDIENCE
from crossfade.store.snapshot import Snapshot
from crossfade.xds.auth import NotAuthenticatedError
from crossfade_kube.client import Client
from crossfade_kube.kubeconfig import load_kubeconfig
from crossfade_kube.resources import CUSTOM_RESOURCE_DEFINITION, NAMESPACE, POD, SERVICE_ACCOUNT
from tests.protocol.gateway.test_access import OF_WHO_WATCHES, grants, kubeconfig_of, records_are_shown
from tests.protocol.mesh.conftest import Lab, api_server, install
from tests.protocol.mesh.test_requested_identities import CRD, Signer
from tests.support.api_recorder import Asked, Recorder, recording
from tests.support.envoy import until
from tests.support.ports import free_ports
from tests.support.waiting import eventually

GROUP: Final = "appmesh.k8s.aws"
LEFT_BEHIND: Final = "finalizers.appmesh.k8s.aws/aws-appmesh-resources"
REFERENCE: Final = {"meshRef": {"name": "m", "uid": ""}}
NO_SETTINGS: Final = MeshSettings(host="127.0.0.1", stranded_after_s=1)
LISTENER: Final = {"portMapping": {"port": 80, "protocol": "http"}}
DNS: Final = {"serviceDiscovery": {"dns": {"hostname": "a.n"}}, "listeners": [LISTENER], **REFERENCE}
TLS: Final = {"mode": "STRICT", "certificate": {"acm": {"certificateARN": "arn:aws:acm:us-west-2:1:certificate/a"}}}
CLOUD_MAP: Final = {"awsCloudMap": {"namespaceName": "corp", "serviceName": "color"}}
SELECTS: Final = {"podSelector": {"matchLabels": {"app": "color"}}}
OBJECTS: Final[list[tuple[Any, str, dict[str, Any]]]] = [
    (VirtualNode, "plain", {"awsName": "plain", **DNS}),
    (VirtualNode, "secured", {"awsName": "secured", **DNS, "listeners": [{**LISTENER, "tls": TLS}]}),
    (
        VirtualNode,
        "color",
        {"awsName": "color", **SELECTS, "listeners": [LISTENER], "serviceDiscovery": CLOUD_MAP, **REFERENCE},
    ),
    (
        VirtualNode,
        "faulty",
        {"awsName": "faulty", "backends": [{"virtualService": {"virtualServiceRef": {"name": "no"}}}], **DNS},
    ),
    (VirtualRouter, "router", {"awsName": "router", "listeners": [LISTENER], "routes": [], **REFERENCE}),
    (VirtualService, "a.n", {"awsName": "a.n", **REFERENCE}),
    (VirtualGateway, "gateway", {"awsName": "gateway", "listeners": [LISTENER], **REFERENCE}),
    (
        GatewayRoute,
        "route",
        {
            "awsName": "route",
            "virtualGatewayRef": {"name": "gateway", "uid": ""},
            "httpRoute": {
                "match": {"prefix": "/"},
                "action": {"target": {"virtualService": {"virtualServiceRef": {"name": "a.n"}}}},
            },
            **REFERENCE,
        },
    ),
    (BackendGroup, "group", {"virtualservices": [], **REFERENCE}),
]
# What comes later: news that come again, authorities and certificates that end, a lease that is kept.
LATER: Final = {
    Asked("patch", "", "events"),
    Asked("update", "", "configmaps"),
    Asked("update", "", "secrets"),
    Asked("update", "coordination.k8s.io", "leases"),
}
# Names of Cloud Map go, and objects are let go of.
AT_THE_END: Final = {
    Asked("delete", "", "services"),
    Asked("delete", "discovery.k8s.io", "endpointslices"),
    *(Asked("patch", GROUP, kind.RESOURCE.plural) for kind, _, _ in OBJECTS),
}
# Who applies what is not there yet needs it besides `patch`.
BY_APPLYING: Final = {Asked("create", "", "services"), Asked("create", "discovery.k8s.io", "endpointslices")}
# It is found out by trying whether Secrets may be read.
TRIED: Final = {Asked("list", "", "secrets")}


def granted(settings: MeshInstallSettings) -> set[Asked]:
    roles = [item for item in mesh_manifests(settings) if item["kind"] in ("ClusterRole", "Role")]
    return {one for role in roles for rule in role["rules"] for one in grants(rule)}


async def make_objects(admin: Client) -> None:
    await admin.create(NAMESPACE, {"metadata": {"name": "n", "labels": {"mesh": "m"}}})
    await admin.create(SERVICE_ACCOUNT, {"metadata": {"name": "default", "namespace": "n"}})
    meshes = {
        "m": {"crossfade.dev/mesh-tls": "permissive"},
        "issued": {"crossfade.dev/mesh-tls": "strict", "crossfade.dev/mesh-tls-issuer": "ClusterIssuer/mesh"},
    }
    for name, annotations in meshes.items():
        metadata = {"name": name, "annotations": annotations, "finalizers": [LEFT_BEHIND]}
        await admin.create(
            Mesh.RESOURCE, {"metadata": metadata, "spec": {"namespaceSelector": {"matchLabels": {"mesh": name}}}}
        )
    await admin.create(
        VirtualNode.RESOURCE,
        {
            "metadata": {"name": "other", "namespace": "n"},
            "spec": {"awsName": "other", "podSelector": {}, **DNS, "meshRef": {"name": "issued", "uid": ""}},
        },
    )
    for kind, name, spec in OBJECTS:
        metadata = {"name": name, "namespace": "n", "finalizers": [LEFT_BEHIND]}
        await admin.create(kind.RESOURCE, {"metadata": metadata, "spec": spec})
    pod = {"metadata": {"name": "color", "namespace": "n", "labels": {"app": "color"}}}
    await admin.create(POD, {**pod, "spec": {"containers": [{"name": "app", "image": "x"}]}})
    ready = {"type": "ContainersReady", "status": "True"}
    status = {"phase": "Running", "podIP": "10.244.9.9", "podIPs": [{"ip": "10.244.9.9"}], "conditions": [ready]}
    await admin.patch(POD, "color", {"status": status}, namespace="n", subresource="status")
    await admin.create(POD, MISSED)
    await admin.patch(POD, "missed", {"status": RUNS}, namespace="n", subresource="status")


@contextlib.asynccontextmanager
async def role_as_its_service_account(
    folder: Path, installed: MeshInstallSettings
) -> AsyncIterator[tuple[Lab, Recorder]]:
    """`Lab.settings` are those of the role, which asks by way of the recorder."""
    with api_server(folder / "api") as kubeconfig:
        config = load_kubeconfig(kubeconfig)
        async with Client(config, user_agent="test") as admin, recording(config) as recorder:
            await admin.create(CUSTOM_RESOURCE_DEFINITION, CRD)
            await install(admin, installed)
            await make_objects(admin)
            token = await Lab(admin, NO_SETTINGS).token("appmesh-controller", "appmesh-system")
            own = folder / "own.yaml"
            own.write_text(yaml.safe_dump(kubeconfig_of(recorder.url, token)))
            webhook, ads, health, records = free_ports(4)
            settings = structs.replace(
                NO_SETTINGS,
                kubeconfig=own,
                webhook_port=webhook,
                ads_port=ads,
                health_port=health,
                records_port=records,
            )
            tasks = [asyncio.create_task(run_mesh_role(settings)), asyncio.create_task(Signer(admin).run())]
            try:
                yield Lab(admin, settings), recorder
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)


# Its sidecar never connects.
MISSED: Final = {
    "metadata": {"name": "missed", "namespace": "n", "labels": {"crossfade.dev/mesh-proxy": "sidecar"}},
    "spec": {"containers": [{"name": "envoy", "image": "x"}]},
}
RUNS: Final = {
    "phase": "Running",
    "containerStatuses": [{"name": "envoy", "state": {"running": {"startedAt": "2026-11-28T10:00:00Z"}}}],
}


async def be_asked(lab: Lab) -> None:
    """As by a sidecar with its token, and by the API server for an object that was admitted just now."""
    assert lab.settings.kubeconfig is not None
    pod = await lab.admin.get(POD, "color", namespace="n")
    token = await lab.token("default", "n", pod, "crossfade-mesh")
    async with Client(load_kubeconfig(lab.settings.kubeconfig), user_agent="test") as client:
        with pytest.raises(NotAuthenticatedError, match="no sidecar"):
            await sidecar_authentication(client, lambda: None)({"authorization": f"Bearer {token}"})
        watching = await lab.token("appmesh-controller", "appmesh-system", audience=AUDIENCE)
        await until(lambda: records_are_shown(lab.settings.records_port, watching), within_s=60)
        objects = MeshObjects(client, lambda: Snapshot(0, {}))
        assert await objects.namespace_labels("n")
        assert (await objects.fresh("n", Mesh, VirtualNode)).all(VirtualNode)


async def until_asked(recorder: Recorder, wanted: set[Asked]) -> None:
    with contextlib.suppress(AssertionError):
        await eventually(lambda: wanted <= set(recorder.asked), within_s=20)
    assert wanted - set(recorder.asked) == set()


@pytest.mark.parametrize("acm", [False, True], ids=["plain", "acm"])
async def test_nothing_is_forbidden_and_nothing_is_allowed_in_vain(acm: bool, tmp_path: Path) -> None:
    installed = MeshInstallSettings(reads_acm_secrets=acm)
    expected = granted(installed) - LATER - BY_APPLYING - OF_WHO_WATCHES
    async with role_as_its_service_account(tmp_path, installed) as (lab, recorder):
        await be_asked(lab)
        await until_asked(recorder, expected - AT_THE_END)
        for kind, name, _ in OBJECTS:
            await lab.admin.delete(kind.RESOURCE, name, namespace="n")
        await until_asked(recorder, AT_THE_END)
        forbidden = {one for one, statuses in recorder.asked.items() if 403 in statuses}
        assert forbidden == (set() if acm else TRIED)
        assert set(recorder.asked) - forbidden - LATER == expected
