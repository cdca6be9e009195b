"""Cloud Map of AWS, as moto plays it: what is registered there, and what is found that others have registered."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import botocore.session
import pytest
from moto.server import ThreadedMotoServer
from msgspec import structs

from crossfade.api.appmesh import Mesh, VirtualNode
from crossfade.compile.mesh.cloud_map import CloudMapName, Instance, InstancesByName, Registration
from crossfade.controller.mesh.aws_cloud_map import AwsCloudMap, AwsError
from crossfade.controller.mesh.aws_registry import AwsDiscovery, AwsRegistry
from crossfade_kube.logging import EventLog
from crossfade_kube.meta import LabelSelector, NamespacedName
from crossfade_kube.resources import NAMESPACE, POD, SERVICE_ACCOUNT
from tests.protocol.mesh.conftest import Lab

REGION = "us-west-2"
COLOR = CloudMapName("corp.local", "color")
OWNER = (("appmesh.k8s.aws/mesh", "m"), ("appmesh.k8s.aws/virtualNode", "blue_prod"))
REGISTRATION = Registration(COLOR, NamespacedName("prod", "blue"), LabelSelector(), OWNER, (8080,))


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    yield f"http://127.0.0.1:{port}"
    server.stop()


@pytest.fixture
def aws(endpoint: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> AwsCloudMap:
    """In a region of the test's own, with the namespace `corp.local`."""
    for name, value in (("ACCESS_KEY_ID", "key"), ("SECRET_ACCESS_KEY", "secret"), ("ENDPOINT_URL", endpoint)):
        monkeypatch.setenv(f"AWS_{name}", value)
    regions = ("us-west-1", "us-west-2", "us-east-1", "us-east-2", "eu-west-1", "eu-west-2", "eu-central-1")
    region = regions[sum(map(ord, request.node.name)) % len(regions)]
    client: Any = botocore.session.get_session().create_client("servicediscovery", region_name=region)
    for known in client.list_services()["Services"]:
        for instance in client.list_instances(ServiceId=known["Id"])["Instances"]:
            client.deregister_instance(ServiceId=known["Id"], InstanceId=instance["Id"])
        client.delete_service(Id=known["Id"])
    if not client.list_namespaces()["Namespaces"]:
        client.create_private_dns_namespace(Name="corp.local", Vpc="vpc-1")
    return AwsCloudMap(region)


def instance(address: str, **attributes: str) -> Instance:
    own = {**dict(OWNER), "AWS_INSTANCE_IPV4": address, **attributes}
    return Instance({"IPv4": address}, own, is_draining=False, ports=(8080,))


def stored(aws: AwsCloudMap) -> dict[str, dict[str, str]]:
    namespace = aws.namespaces()["corp.local"]
    service = aws.services(namespace).get("color")
    return {} if service is None else aws.instances(service)


@contextlib.asynccontextmanager
async def registry(aws: AwsCloudMap) -> AsyncIterator[tuple[AwsRegistry, list[tuple[CloudMapName, str]]]]:
    problems: list[tuple[CloudMapName, str]] = []
    made = AwsRegistry(aws, log=EventLog("test"), on_problem=lambda name, text: problems.append((name, text)))
    task = asyncio.create_task(made.run())
    yield made, problems
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def until(aws: AwsCloudMap, condition: Callable[[dict[str, dict[str, str]]], bool]) -> None:
    async with asyncio.timeout(15):
        while not condition(await asyncio.to_thread(stored, aws)):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.02)


async def test_instances_follow_pods_and_those_of_others_stay(aws: AwsCloudMap) -> None:
    async with registry(aws) as (found, problems):
        found.submit({COLOR: (instance("10.0.0.1", version="blue"),)}, [REGISTRATION])
        await until(aws, lambda there: there.keys() == {"10.0.0.1"})
        assert stored(aws)["10.0.0.1"] == dict(instance("10.0.0.1", version="blue").attributes)

        service = aws.services(aws.namespaces()["corp.local"])["color"]
        aws.register(service, "vm", {"AWS_INSTANCE_IPV4": "192.0.2.1"})
        found.submit({COLOR: (instance("10.0.0.1", version="red"), instance("10.0.0.2"))}, [REGISTRATION])
        await until(aws, lambda there: len(there) == 3 and there["10.0.0.1"].get("version") == "red")

        found.submit({}, [])
        await until(aws, lambda there: there.keys() == {"vm"})
        assert not problems


async def test_a_namespace_that_is_not_there_is_told(aws: AwsCloudMap) -> None:
    elsewhere = CloudMapName("nowhere.local", "color")
    async with registry(aws) as (found, problems):
        one = Registration(elsewhere, NamespacedName("prod", "blue"), LabelSelector(), OWNER, (8080,))
        both = {elsewhere: (instance("10.0.0.1"),), COLOR: (instance("10.0.0.2"),)}
        found.submit(both, [one, REGISTRATION])
        await until(aws, lambda there: there.keys() == {"10.0.0.2"})
        async with asyncio.timeout(60):
            while not problems:  # noqa: ASYNC110 - another thread
                await asyncio.sleep(0.01)
        assert problems == [(elsewhere, "cloudMap namespace not found: nowhere.local")]


async def test_what_others_registered_is_found_and_our_own_is_not(aws: AwsCloudMap) -> None:
    namespace = aws.namespaces()["corp.local"]
    service = aws.create_service(namespace, "color", record="A")
    aws.register(service, "10.0.0.1", instance("10.0.0.1").attributes)
    aws.register(service, "vm", {"AWS_INSTANCE_IPV4": "192.0.2.1", "stage": "prod"})
    aws.register(service, "odd", {"AWS_EC2_INSTANCE_ID": "i-1"})
    changes: asyncio.Queue[InstancesByName] = asyncio.Queue()
    discovery = AwsDiscovery(aws, log=EventLog("test"), on_change=changes.put_nowait)
    task = asyncio.create_task(discovery.run())
    discovery.ask([COLOR, CloudMapName("corp.local", "unknown")], [REGISTRATION])
    found = await asyncio.wait_for(changes.get(), 15)
    assert {name: [one.addresses for one in some] for name, some in found.items()} == {COLOR: [{"IPv4": "192.0.2.1"}]}
    assert found[COLOR][0].attributes["stage"] == "prod"
    discovery.ask([], [])
    assert await asyncio.wait_for(changes.get(), 15) == {}
    task.cancel()


async def test_the_controller_registers_the_pods_of_a_node(aws: AwsCloudMap, lab: Lab) -> None:
    cloud_map = {"namespaceName": "corp.local", "serviceName": "color", "attributes": [{"key": "stage", "value": "x"}]}
    node = {
        "meshRef": {"name": "mapped", "uid": ""},
        "podSelector": {"matchLabels": {"app": "color"}},
        "listeners": [{"portMapping": {"port": 8080, "protocol": "http"}}],
        "serviceDiscovery": {"awsCloudMap": cloud_map},
    }
    metadata = {"name": "color", "namespace": "mapped", "labels": {"app": "color"}}
    await lab.admin.create(NAMESPACE, {"metadata": {"name": "mapped"}})
    await lab.admin.create(SERVICE_ACCOUNT, {"metadata": {"name": "default", "namespace": "mapped"}})
    await lab.admin.create(Mesh.RESOURCE, {"metadata": {"name": "mapped"}, "spec": {}})
    await lab.admin.create(POD, {"metadata": metadata, "spec": {"containers": [{"name": "app", "image": "x"}]}})
    ready = {"type": "ContainersReady", "status": "True"}
    status = {"phase": "Running", "podIP": "10.244.9.9", "conditions": [ready]}
    await lab.admin.patch(POD, "color", {"status": status}, namespace="mapped", subresource="status")
    settings = structs.replace(lab.settings, region=aws.region, uses_aws_cloud_map=True)
    async with Lab(lab.admin, settings).running():
        await lab.admin.create(VirtualNode.RESOURCE, {"metadata": {**metadata, "labels": {}}, "spec": node})
        await until(aws, lambda there: there.keys() == {"10.244.9.9"})
        found = stored(aws)["10.244.9.9"]
        assert found["stage"] == "x"
        assert found["appmesh.k8s.aws/virtualNode"] == "color_mapped"
        await lab.admin.delete(POD, "color", namespace="mapped", grace_period_s=0)
        await until(aws, lambda there: not there)


def test_a_failure_is_told_in_botocores_words(aws: AwsCloudMap) -> None:
    with pytest.raises(AwsError, match="RegisterInstance"):
        aws.register("srv-unknown", "a", {})
