"""What users see when the gateway's proxy refuses what it is given."""

import asyncio

from crossfade.compile.model import Origin, ProxyModel, Respond, Route, RouteMatch, RouteTable, VirtualHost
from crossfade.controller.gateway.publication import PROXY, GatewayPublication
from crossfade.envoy.resource_set import ResourceType
from crossfade.envoy.resources import resources_from_model
from crossfade.envoy.settings import EnvoyOptions
from crossfade.xds.session import Rejected
from crossfade_kube.client import Client
from crossfade_kube.events import EventRecorder
from crossfade_kube.kubeconfig import ClusterConfig
from crossfade_kube.meta import ObjectRef
from tests.support.fake_api import FakeApi, serving
from tests.support.waiting import eventually

POD = ObjectRef("v1", "Pod", "kong", "kong-kong-1")
OPTIONS = EnvoyOptions()
TABLE = "kong-http"


def model(*names: str) -> ProxyModel:
    """With one route of an Ingress for each name."""
    origins = {name: Origin(ObjectRef("networking.k8s.io/v1", "Ingress", "demo", name)) for name in names}
    routes = tuple(Route(name, RouteMatch(f"/{name}"), Respond(200), origin) for name, origin in origins.items())
    return ProxyModel(route_tables=(RouteTable(TABLE, (VirtualHost("*", ("*",), routes),)),))


def refused(given: ProxyModel) -> Rejected:
    resource = resources_from_model(given, options=OPTIONS).of(ResourceType.ROUTES)[TABLE]
    return Rejected(ResourceType.ROUTES, TABLE, resource, "invalid regex")


async def test_a_refusal_is_told_on_the_culprit_and_the_pod() -> None:
    api = FakeApi()
    async with serving(api) as url, Client(ClusterConfig(server=url)) as client, asyncio.TaskGroup() as tasks:
        events = EventRecorder(client, "tester")
        publication = GatewayPublication(events, POD, OPTIONS)
        stream = publication.publisher.connect(PROXY)
        publication.publish(model("good"))
        for bad in (model("good", "bad"), model("good", "bad", "late")):
            publication.publish(bad)
            stream.report(refused(bad))
        publication.publish(model("good", "fine"))
        running = tasks.create_task(events.run())
        await eventually(lambda: sum(event["count"] for event in api.objects.values()) == 5)
        running.cancel()
    told = {event["involvedObject"]["name"]: event for event in api.objects.values()}
    assert {name: event["count"] for name, event in told.items()} == {"bad": 2, "late": 1, "kong-kong-1": 2}
    for event in told.values():
        assert (event["type"], event["reason"]) == ("Warning", "KongConfigurationApplyFailed")
        assert event["message"].endswith("goes on with what it had: invalid regex")
