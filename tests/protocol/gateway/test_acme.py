"""Certificates in a cluster: one replica asks with the rights that its manifests give, all answer and show them."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from cryptography import x509

from crossfade.certs.default_certificate import self_signed_certificate
from crossfade.compile.gateway.acme_store import secret_names
from crossfade.compile.gateway.compiler import INPUT_KINDS
from crossfade.compile.gateway.settings import CompileSettings
from crossfade.controller.gateway.role import run_gateway_role
from crossfade.controller.gateway.settings import GatewaySettings
from crossfade.envoy.bootstrap import AdsPeer, bootstrap
from crossfade.install.gateway import ACME_SECRETS, ELECTION_ID, GatewayInstallSettings, gateway_manifests
from crossfade.kong_conf.listen import Listen
from crossfade.kong_conf.settings import KongSettings
from crossfade.proxy.envoy_process import EnvoyProcess
from crossfade_kube.client import Client
from crossfade_kube.core.lease import Lease
from crossfade_kube.errors import NotFound
from crossfade_kube.kubeconfig import load_kubeconfig
from crossfade_kube.meta import NamespacedName, Resource
from crossfade_kube.resources import EVENT, SECRET
from tests.support.envoy import until
from tests.support.gateway_role import kong_api
from tests.support.pebble import Pebble, programs, running_pebble
from tests.support.ports import free_ports

pytestmark = [pytest.mark.envoy, pytest.mark.timeout(200)]

KINDS = {kind.RESOURCE.kind: kind.RESOURCE for kind in INPUT_KINDS}
RBAC = "rbac.authorization.k8s.io"
INSTALLED = {
    "ServiceAccount": Resource("", "v1", "serviceaccounts", "ServiceAccount", namespaced=True),
    "ClusterRole": Resource(RBAC, "v1", "clusterroles", "ClusterRole", namespaced=False),
    "ClusterRoleBinding": Resource(RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False),
    "Role": Resource(RBAC, "v1", "roles", "Role", namespaced=True),
    "RoleBinding": Resource(RBAC, "v1", "rolebindings", "RoleBinding", namespaced=True),
}
NAMESPACE = Resource("", "v1", "namespaces", "Namespace", namespaced=False)
TOKENS = "/api/v1/namespaces/kong/serviceaccounts/kong-kong/token"
WITHIN_S = 60.0


class Replica(NamedTuple):
    http_port: int
    https_port: int

    async def is_certified(self, host: str) -> bool:
        """By Pebble."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.https_port, ssl=context, server_hostname=host)
        except OSError:
            return False
        found: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
        return "Pebble" in x509.load_der_x509_certificate(found).issuer.rfc4514_string()


async def installed(admin: Client, found: Path, kubeconfig: Path) -> None:
    """At `found` a kubeconfig for the gateway's service account, which may do what its manifests allow and no more."""
    await admin.create(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kong"}})
    for item in gateway_manifests(GatewayInstallSettings()):
        if item["kind"] in INSTALLED:
            await admin.create(INSTALLED[item["kind"]], item)
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    answer = await admin.request("POST", TOKENS, body=request)
    write_kubeconfig(found, kubeconfig, answer["status"]["token"])


def write_kubeconfig(path: Path, administrators: Path, token: str) -> None:
    config = yaml.safe_load(administrators.read_text())
    config["users"][0]["user"] = {"token": token}
    path.write_text(yaml.safe_dump(config))


@asynccontextmanager
async def replica(
    number: int, kubeconfig: Path, folder: Path, pebble: Pebble, http_port: int
) -> AsyncIterator[Replica]:
    https_port, ads_port, health_port, admin_port = free_ports(4)
    listens = (Listen("127.0.0.1", http_port), Listen("127.0.0.1", https_port, ssl=True))
    settings = GatewaySettings(
        CompileSettings(
            kong=KongSettings(proxy_listen=listens),
            default_certificate=self_signed_certificate(),
            authorities=str(pebble.authorities),
            acme_secrets=secret_names("kong", ACME_SECRETS),
        ),
        NamespacedName("kong", ELECTION_ID),
        f"gateway-{number}",
        kubeconfig=kubeconfig,
        ads_address=f"127.0.0.1:{ads_port}",
        health_port=health_port,
        admin_listen=(),
    )
    config = bootstrap(node_id="default/gateway", ads=AdsPeer("127.0.0.1", ads_port), admin_port=admin_port)
    workdir = folder / f"envoy-{number}"
    workdir.mkdir()
    role = asyncio.create_task(run_gateway_role(settings))
    envoy = EnvoyProcess.start(json.dumps(config), workdir=workdir, log_level="critical")
    try:
        yield Replica(http_port, https_port)
    finally:
        role.cancel()
        await asyncio.gather(role, return_exceptions=True)
        envoy.kill()
        envoy.wait(10)


async def apply(admin: Client, text: str) -> None:
    for document in yaml.safe_load_all(text):
        await admin.apply(KINDS[document["kind"]], document, field_manager="test")


def manifests(url: str, *hosts: str) -> str:
    rules = "".join(
        f"  - host: {host}\n    http: {{paths: [{{path: /, pathType: Prefix, backend: {{service: "
        "{name: web, port: {number: 80}}}}]}\n"
        for host in hosts
    )
    return f"""\
apiVersion: configuration.konghq.com/v1
kind: KongClusterPlugin
metadata: {{name: acme, labels: {{global: "true"}}, annotations: {{kubernetes.io/ingress.class: kong}}}}
plugin: acme
config: {{account_email: ops@a.test, api_uri: "{url}", tos_accepted: true, cert_type: ecc, domains: ["*.test"]}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: hosts, namespace: default}}
spec:
  ingressClassName: kong
  rules:
{rules}"""


async def test_one_asks_and_all_answer(tmp_path: Path) -> None:
    programs()
    first_port, second_port = free_ports(2)
    # The authority comes to the replica that does not ask.
    with running_pebble(tmp_path / "pebble", second_port) as pebble:
        async with kong_api(tmp_path / "api") as kubeconfig, Client(load_kubeconfig(kubeconfig)) as admin:
            as_gateway = tmp_path / "gateway.kubeconfig"
            await installed(admin, as_gateway, kubeconfig)

            async def leader() -> str:
                try:
                    found = await admin.get(Lease.RESOURCE, ELECTION_ID, namespace="kong")
                except NotFound:
                    return ""
                return str(found["spec"].get("holderIdentity"))

            async def is_led() -> bool:
                return bool(await leader())

            async def is_led_by_the_second() -> bool:
                return await leader() == "gateway-1"

            async with replica(1, as_gateway, tmp_path, pebble, second_port) as second:
                async with replica(0, as_gateway, tmp_path, pebble, first_port) as first:
                    await until(is_led, within_s=WITHIN_S)
                    await apply(admin, manifests(pebble.url, "one.test"))
                    for one in (first, second):
                        await until(lambda one=one: one.is_certified("one.test"), within_s=WITHIN_S)
                    kept = [item for item in (await admin.list(SECRET)).items if "acme" in item["metadata"]["name"]]
                    assert {item["metadata"]["labels"]["app.kubernetes.io/component"] for item in kept} == {"acme"}
                    keys = sorted(key for item in kept for key in item.get("data") or {})
                    assert [key.partition(".")[0] for key in keys] == ["account", "certificate"]
                # Whoever led, the second does now.
                await until(is_led_by_the_second, within_s=WITHIN_S)
                await apply(admin, manifests(pebble.url, "one.test", "two.test"))
                await until(lambda: second.is_certified("two.test"), within_s=WITHIN_S)
                assert await second.is_certified("one.test")

            async def told() -> bool:
                events = (await admin.list(EVENT)).items
                found = [event for event in events if event["involvedObject"]["name"] == "acme"]
                texts = {(event["reason"], event["message"]) for event in found}
                wanted = {
                    ("CertificateIssued", f"the certificate for {host}.test was issued") for host in ("one", "two")
                }
                return wanted <= texts

            await until(told, within_s=WITHIN_S)
