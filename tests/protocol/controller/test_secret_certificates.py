"""Certificates that replicas share through a Secret of a real API server."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime

import pytest

from crossfade.certs.issuer import ServerCertificates
from crossfade.certs.key_files import load_into
from crossfade.controller.secret_certificates import announce, load_or_renew
from crossfade_kube.client import Client
from crossfade_kube.errors import NotFound
from crossfade_kube.kubeconfig import load_kubeconfig
from crossfade_kube.meta import NamespacedName
from crossfade_kube.resources import SECRET, VALIDATING_WEBHOOK_CONFIGURATION
from tests.support.api_server import ApiServerProcess

NAMES = ("hook.default.svc",)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServerProcess]:
    process = ApiServerProcess(tmp_path_factory.mktemp("apiserver"))
    process.start()
    yield process
    process.kill()


@pytest.fixture
async def client(server: ApiServerProcess) -> AsyncIterator[Client]:
    async with Client(load_kubeconfig(server.kubeconfig), user_agent="tester/1.0") as made:
        yield made


async def certificates(client: Client, name: str) -> ServerCertificates:
    secret = NamespacedName("default", name)
    return await load_or_renew(client, secret, NAMES, common_name="test", now=datetime.now(UTC))


async def test_replicas_that_start_at_once_have_the_same(client: Client) -> None:
    found = await asyncio.gather(*(certificates(client, "shared") for _ in range(4)))
    assert found == [found[0]] * 4
    assert await certificates(client, "shared") == found[0]
    load_into(ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), found[0].server)


@pytest.mark.parametrize("data", [{}, {"tls.crt": "", "tls.key": ""}, {"ca.crt": "bm90aGluZw==", "ca.key": ""}])
async def test_a_secret_that_holds_no_certificates_is_filled(client: Client, data: dict[str, str]) -> None:
    name = f"spoiled-{len(data)}-{len(data.get('ca.crt', ''))}"
    labels = {"kept": "yes"}
    await client.create(SECRET, {"metadata": {"name": name, "namespace": "default", "labels": labels}, "data": data})
    found = await certificates(client, name)
    stored = await client.get(SECRET, name, namespace="default")
    assert base64.b64decode(stored["data"]["tls.crt"]) == found.server.certificate_pem
    assert stored["metadata"]["labels"] == labels


async def test_the_authority_is_announced_to_every_webhook(client: Client) -> None:
    authority = (await certificates(client, "announced")).authority
    with pytest.raises(NotFound):
        await announce(client, VALIDATING_WEBHOOK_CONFIGURATION, "hooks", authority)
    webhook = {
        "clientConfig": {"url": "https://127.0.0.1:1/"},
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "rules": [],
    }
    webhooks = [{"name": f"{name}.example.com", **webhook} for name in ("a", "b")]
    await client.create(VALIDATING_WEBHOOK_CONFIGURATION, {"metadata": {"name": "hooks"}, "webhooks": webhooks})
    await announce(client, VALIDATING_WEBHOOK_CONFIGURATION, "hooks", authority)
    found = await client.get(VALIDATING_WEBHOOK_CONFIGURATION, "hooks")
    bundles = {base64.b64decode(one["clientConfig"]["caBundle"]) for one in found["webhooks"]}
    assert bundles == {authority.certificate_pem}
    await announce(client, VALIDATING_WEBHOOK_CONFIGURATION, "hooks", authority)
    unchanged = await client.get(VALIDATING_WEBHOOK_CONFIGURATION, "hooks")
    assert unchanged["metadata"]["resourceVersion"] == found["metadata"]["resourceVersion"]
