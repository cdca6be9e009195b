"""What compiling makes of the plugin acme, beyond the golden case."""

import pytest

from crossfade.admin_api.entities import all_entities
from crossfade.api.kong.plugin import KongClusterPlugin
from crossfade.compile.gateway.acme_store import Certificate, Kept, encoded
from crossfade.compile.gateway.compiler import CompiledGateway, compile_gateway
from crossfade.compile.gateway.settings import CompileSettings
from crossfade.kong_conf.listen import Listen
from crossfade.kong_conf.settings import KongSettings
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core.ingress import Ingress
from crossfade_kube.meta import JsonObject, ObjectMeta
from crossfade_kube.registry import decode
from tests.support.tls import issue

PLUGIN: JsonObject = {
    "apiVersion": "configuration.konghq.com/v1",
    "kind": "KongClusterPlugin",
    "metadata": {
        "name": "acme",
        "labels": {"global": "true"},
        "annotations": {"kubernetes.io/ingress.class": "kong"},
    },
    "plugin": "acme",
    "config": {"account_email": "ops@a.test", "tos_accepted": True, "domains": ["a.test"]},
}
BACKEND = {"service": {"name": "web", "port": {"number": 80}}}
INGRESS: JsonObject = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "Ingress",
    "metadata": {"namespace": "shop", "name": "a"},
    "spec": {
        "ingressClassName": "kong",
        "rules": [
            {"host": "a.test", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": BACKEND}]}},
        ],
    },
}


def compiled(*listens: Listen, **plugin: object) -> CompiledGateway:
    snapshot = Snapshot.of([decode({**PLUGIN, **plugin}, KongClusterPlugin), decode(INGRESS, Ingress)])
    return compile_gateway(snapshot, CompileSettings(kong=KongSettings(proxy_listen=listens)))


def told(found: CompiledGateway) -> set[str]:
    return {one.code for one in found.diagnostics if one.code.startswith("acme.")}


@pytest.mark.parametrize(("ssl", "hosts", "codes"), [(True, ("a.test",), set()), (False, (), {"acme.no-tls"})])
def test_without_tls_no_certificate_is_asked_for(ssl: bool, hosts: tuple[str, ...], codes: set[str]) -> None:
    found = compiled(Listen("0.0.0.0", 8443, ssl=ssl))
    demand = found.entities.acme
    assert demand is not None
    assert demand.hosts == hosts
    assert told(found) == codes
    ours = (
        [row for row in found.model.gateway.routes if row.value.match.schemes == ("http",)]
        if found.model.gateway
        else []
    )
    assert [row.value.match.hosts for row in ours] == [hosts] * len(hosts)


@pytest.mark.parametrize("changed", [{"disabled": True}, {"metadata": {**PLUGIN["metadata"], "labels": {}}}])
def test_a_plugin_that_does_not_run_asks_for_nothing(changed: JsonObject) -> None:
    assert compiled(Listen("0.0.0.0", 8443, ssl=True), **changed).entities.acme is None


def test_a_demand_shows_no_secret() -> None:
    secret = {"eab_kid": "kid", "eab_hmac_key": "c2VjcmV0LWtleQ"}
    demand = compiled(Listen("0.0.0.0", 8443, ssl=True), config={**PLUGIN["config"], **secret}).entities.acme
    assert demand is not None
    assert demand.config["eab_hmac_key"] == "c2VjcmV0LWtleQ"
    assert "c2VjcmV0LWtleQ" not in repr(demand)


def test_the_admin_api_lists_each_certificate_that_is_kept() -> None:
    def kept(host: str) -> bytes:
        pair = issue("authority", hosts=(host,))
        return encoded(Certificate(pair.certificate_pem.decode(), pair.key_pem.decode()))

    hosts = ("a.test", "b.test")
    store = Kept(ObjectMeta(name="acme"), {f"certificate.{host}": kept(host) for host in hosts})
    config = {**PLUGIN["config"], "domains": list(hosts)}
    rules = [{**INGRESS["spec"]["rules"][0], "host": host} for host in hosts]
    ingress = {**INGRESS, "spec": {**INGRESS["spec"], "rules": rules}}
    items = [decode({**PLUGIN, "config": config}, KongClusterPlugin), decode(ingress, Ingress), store]
    listens = (Listen("0.0.0.0", 8443, ssl=True),)
    found = compile_gateway(Snapshot.of(items), CompileSettings(kong=KongSettings(proxy_listen=listens)))
    listed = all_entities(found.entities)
    assert sorted(name for item in listed["certificates"] for name in item["snis"]) == list(hosts)
    assert len({item["id"] for item in listed["certificates"]}) == len(hosts)
