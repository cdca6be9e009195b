"""What Envoy refuses of the gateway, though the compiler let it through, costs the object that brought it alone."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from msgspec import structs

from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.model import Dialect, FilterChain, HttpHandler, ProxyModel, ServerCertificate
from crossfade.compile.routing import tables
from crossfade.compile.routing.matches import PathMatchKind
from crossfade.compile.routing.origin import Origin
from crossfade.envoy.bootstrap import AdsPeer, bootstrap
from crossfade.envoy.gateway import Built
from crossfade.envoy.resources import Encoded, resources_from_model
from crossfade.envoy.settings import EnvoyOptions
from crossfade.policy_module.path import policy_library_path
from crossfade.proxy.envoy_process import EnvoyProcess
from crossfade.xds.auth import always
from crossfade.xds.gateway import PROXY, GatewayPublication
from crossfade.xds.inquiry import Finding
from crossfade.xds.server import AdsServer
from crossfade_kube.meta import ObjectRef
from tests.e2e.test_gateway_listener import certificate_shown
from tests.support.certificates import self_signed
from tests.support.envoy import Answer, backend, get, until
from tests.support.models import ORIGIN, gateway_tables, kong_model, local_cluster
from tests.support.ports import free_ports

pytestmark = pytest.mark.envoy

BAD = ObjectRef("v1", "Secret", "shop", "bad")


class Gateway:
    """Models are expected to listen on `port`; what is published is remembered as in a controller."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self.port, self.admin_port, self.ads_port = free_ports(3)
        self.findings: list[Finding] = []
        self._options = EnvoyOptions(policy_library_path())
        self.publication = GatewayPublication(self._options, on_found=self.findings.append)
        self._memory = Encoded()
        self._http = http

    def publish(self, model: ProxyModel) -> None:
        resources = resources_from_model(model, options=self._options, before=self._memory)
        self.publication.publish(Built(model, Diagnostics(), resources, tuple(self._memory.failed)))

    async def get(self, path: str) -> Answer:
        return await get(self._http, self.port, path)

    async def until_found(self) -> Finding:
        async def is_found() -> bool:
            return bool(self.findings)

        await until(is_found)
        return self.findings[0]

    async def until_shown(self, server_name: str) -> None:
        async def is_shown() -> bool:
            return (await certificate_shown(self.port, server_name))[0] == server_name

        await until(is_shown)

    async def until_body(self, path: str, body: str) -> None:
        async def answered() -> bool:
            return (await self.get(path)).body == body

        await until(answered)


@asynccontextmanager
async def running_gateway(workdir: Path) -> AsyncIterator[Gateway]:
    async with aiohttp.ClientSession() as http:
        gateway = Gateway(http)
        server = await AdsServer.start(
            publisher=gateway.publication.publisher,
            address=f"127.0.0.1:{gateway.ads_port}",
            authenticate=always(PROXY),
        )
        config = bootstrap(
            node_id="test/gateway", ads=AdsPeer("127.0.0.1", gateway.ads_port), admin_port=gateway.admin_port
        )
        envoy = EnvoyProcess.start(json.dumps(config), workdir=workdir, log_level="critical")
        try:
            yield gateway
        finally:
            envoy.kill()
            envoy.wait(10)
            await server.stop()


def chain(name: str, *, certificate: ServerCertificate | None = None, ref: ObjectRef | None = None) -> FilterChain:
    pair = self_signed(name)
    return FilterChain(
        name,
        HttpHandler("gateway", "kong", Dialect.KONG, takes_http2=True),
        server_names=(name,) if ref is not None else (),
        certificate=certificate or ServerCertificate(pair.certificate, pair.key),
        origin=Origin(ref) if ref is not None else None,
    )


def secret(name: str) -> ObjectRef:
    return ObjectRef("v1", "Secret", "shop", name)


@pytest.mark.parametrize("starts_with_it", [False, True], ids=["later", "from the start"])
async def test_a_refused_certificate_costs_its_own_server_name(tmp_path: Path, starts_with_it: bool) -> None:
    no_certificate = ServerCertificate("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "no key")
    default, first, later = chain("default.test"), chain("a.test", ref=secret("a")), chain("c.test", ref=secret("c"))
    bad = chain("b.test", certificate=no_certificate, ref=BAD)
    async with running_gateway(tmp_path) as gateway, backend("ok") as target:

        def model(*chains: FilterChain) -> ProxyModel:
            return kong_model(local_cluster("ok", target.port), port=gateway.port, chains=(*chains, default))

        if not starts_with_it:
            gateway.publish(model(first))
            assert await certificate_shown(gateway.port, "a.test") == ("a.test", "h2")
        gateway.publish(model(first, bad))
        finding = await gateway.until_found()
        assert [culprit.ref for culprit in finding.culprits] == [BAD]
        gateway.publish(model(first, bad, later))
        await gateway.until_shown("c.test")
        assert await certificate_shown(gateway.port, "a.test") == ("a.test", "h2")
        assert await certificate_shown(gateway.port, "b.test") == ("default.test", "h2")
        assert len(gateway.findings) == 1
        gateway.publish(model(first, chain("b.test", ref=BAD), later))
        await gateway.until_shown("b.test")


@pytest.mark.parametrize("starts_with_it", [False, True], ids=["later", "from the start"])
async def test_a_refused_action_costs_the_routes_that_want_it(tmp_path: Path, starts_with_it: bool) -> None:
    """Envoy lets nobody write `:status`."""
    async with running_gateway(tmp_path) as gateway, backend("ok") as target:
        wrong = tables.Action(response_headers=((":status", "1"),))
        slow = tables.Action(idle_timeout_s=7)

        def model(**actions: tables.Action) -> ProxyModel:
            """Each name is a path, and a route of an object of its own."""
            made = kong_model(local_cluster("ok", target.port), port=gateway.port)
            (template,) = gateway_tables("ok").routes
            rows = []
            for name, action in actions.items():
                match = structs.replace(
                    template.value.match, paths=(tables.PathMatch("", PathMatchKind.PREFIX, f"/{name}"),)
                )
                route = structs.replace(template.value, id=name, match=match, action=tables.action_name(action))
                rows.append(tables.Row(Origin(ORIGIN.ref._replace(name=name)), route))
            wanted = {tables.action_name(action): action for action in actions.values()}
            assert made.gateway is not None
            return structs.replace(made, gateway=structs.replace(made.gateway, routes=tuple(rows), actions=wanted))

        if not starts_with_it:
            gateway.publish(model(good=tables.Action()))
            await gateway.until_body("/good", "ok")
        gateway.publish(model(good=tables.Action(), bad=wrong))
        finding = await gateway.until_found()
        assert [culprit.ref.name for culprit in finding.culprits] == ["bad"]
        await gateway.until_body("/good", "ok")
        gateway.publish(model(good=tables.Action(), bad=wrong, later=slow))
        await gateway.until_body("/later", "ok")
        assert (await gateway.get("/bad")).status == 503
        gateway.publish(model(good=tables.Action(), bad=slow, later=slow))
        await gateway.until_body("/bad", "ok")
        gateway.publish(model(good=slow))
        await gateway.until_body("/good", "ok")
        assert len(gateway.findings) == 1
