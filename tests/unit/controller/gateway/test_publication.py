"""What users see when the gateway's proxy refuses what it is given."""

import asyncio

from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.model import Cluster, Discovery, ProxyModel
from crossfade.compile.routing.origin import Origin
from crossfade.controller.gateway.publication import gateway_publication
from crossfade.envoy.gateway import Built
from crossfade.envoy.resource_set import ResourceType
from crossfade.envoy.resources import resources_from_model
from crossfade.envoy.settings import EnvoyOptions
from crossfade.xds.gateway import PROXY
from crossfade.xds.session import Rejected
from crossfade_kube.client import Client
from crossfade_kube.events import EventRecorder
from crossfade_kube.kubeconfig import ClusterConfig
from crossfade_kube.meta import ObjectRef
from tests.support.fake_api import FakeApi, serving
from tests.support.waiting import eventually

OPTIONS = EnvoyOptions()
POD = ObjectRef("v1", "Pod", "kong", "kong-kong-1")


def built(*names: str) -> Built:
    """With one cluster of a Service for each name."""
    origins = {name: Origin(ObjectRef("v1", "Service", "demo", name)) for name in names}
    model = ProxyModel(clusters=tuple(Cluster(name, Discovery.EDS, (), origin) for name, origin in origins.items()))
    return Built(model, Diagnostics(), resources_from_model(model, options=OPTIONS))


def refused(given: Built, name: str) -> Rejected:
    resource = given.resources.of(ResourceType.CLUSTER)[name]
    return Rejected(ResourceType.CLUSTER, name, resource, "invalid name")


async def test_a_refusal_is_told_on_the_culprit_and_the_pod() -> None:
    api = FakeApi()
    async with serving(api) as url, Client(ClusterConfig(server=url)) as client, asyncio.TaskGroup() as tasks:
        events = EventRecorder(client, "tester")
        publication = gateway_publication(OPTIONS, events, POD)
        stream = publication.publisher.connect(PROXY)
        publication.publish(built("good"))
        for bad in (built("good", "bad"), built("good", "bad", "late")):
            publication.publish(bad)
            stream.report(refused(bad, "bad"))
        running = tasks.create_task(events.run())
        await eventually(lambda: sum(event["count"] for event in api.objects.values()) == 4)
        running.cancel()
    told = {event["involvedObject"]["name"]: event for event in api.objects.values()}
    assert {name: event["count"] for name, event in told.items()} == {"bad": 2, "kong-kong-1": 2}
    for event in told.values():
        assert (event["type"], event["reason"]) == ("Warning", "KongConfigurationApplyFailed")
        assert event["message"].endswith("goes on with what it had: invalid name")
