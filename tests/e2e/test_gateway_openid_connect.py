"""Tokens of an OpenID provider, from the manifests that users write to Envoy; Kong's own answers need a licence."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from crossfade.compile.policies import registry
from tests.support.gateway import RunningGateway, eventually, ingress, running_gateway, service, upstream
from tests.support.openid_provider import DISCOVERY, Provider, openid_provider

pytestmark = [pytest.mark.envoy, pytest.mark.timeout(120)]

README = Path(registry.__file__).parent / "openid_connect" / "README.md"
ISSUER_IN_EXAMPLE = "https://id.example.com/realms/shop"


class Both(NamedTuple):
    """`impostor` is a provider whose certificate nobody vouches for."""

    gateway: RunningGateway
    provider: Provider
    impostor: Provider


def route(name: str, issuer: str, *, verifies: bool) -> str:
    plugin = f"""\
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {{name: {name}}}
plugin: openid-connect
config: {{issuer: "{issuer}", auth_methods: [bearer], ssl_verify: {str(verifies).lower()}}}
---
"""
    return plugin + ingress(name, f"/{name}", "web", f"konghq.com/plugins: {name}")


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Both]:
    """The example of the plugin's page, with the provider of this test; keys may be asked for at any time."""
    folder, elsewhere = tmp_path / "manifests", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    example, _ = re.findall(r"^```yaml\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)
    with openid_provider(tmp_path) as provider, openid_provider(elsewhere) as impostor, upstream("web") as port:
        plugin = example.replace(ISSUER_IN_EXAMPLE, f"{provider.url}\n  rediscovery_lifetime: 0")
        (folder / "all.yaml").write_text(
            service("web", port)
            + plugin
            + "---\n"
            + ingress("orders", "/orders", "web", "konghq.com/plugins: staff")
            + route("nowhere", "https://127.0.0.1:1", verifies=True)
            + route("impostor", impostor.url, verifies=True)
            + route("trusting", impostor.url, verifies=False)
        )
        with running_gateway(folder, settings={"SSL_CERT_FILE": str(provider.authorities)}) as gateway:
            yield Both(gateway, provider, impostor)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_a_token_of_the_provider_opens_the_route(both: Both) -> None:
    gateway, provider, _ = both
    without = gateway.get("/orders")
    assert (without.status, without.body) == (401, '{"message":"Unauthorized"}')
    assert without.headers["WWW-Authenticate"] == 'Bearer realm="kong"'
    assert provider.asked == []
    good = provider.token(aud="shop", scope="openid orders")
    for _ in range(3):
        assert gateway.get("/orders", bearer(good)).body == "web"
    assert provider.asked == [DISCOVERY, "/keys"]
    assert gateway.get(f"/orders?access_token={good}").body == "web"
    other = gateway.get("/orders", bearer(provider.token(aud="another", scope="orders")))
    assert (other.status, other.body) == (403, '{"message":"Forbidden"}')
    assert other.headers["WWW-Authenticate"] == 'Bearer realm="kong", error="insufficient_scope"'
    for bad in (good[:-8] + "AAAAAAAA", provider.token(aud="shop", scope="orders", exp=1), "opaque"):
        refused = gateway.get("/orders", bearer(bad))
        assert (refused.status, refused.body) == (401, '{"message":"Unauthorized"}')
        assert refused.headers["WWW-Authenticate"] == 'Bearer realm="kong", error="invalid_token"'


def test_keys_change_and_outlive_their_provider(both: Both) -> None:
    gateway, provider, _ = both
    claims = {"aud": "shop", "scope": "orders"}
    first = provider.token(**claims)
    assert gateway.get("/orders", bearer(first)).status == 200
    provider.change_key("second")
    second = provider.token(**claims)
    assert gateway.get("/orders", bearer(second)).status == 200
    assert gateway.get("/orders", bearer(first)).status == 401
    provider.is_down = True
    assert gateway.get("/orders", bearer(second)).status == 200
    provider.change_key("third")
    assert gateway.get("/orders", bearer(provider.token(**claims))).status == 401


def test_who_cannot_be_asked_or_believed_lets_nobody_in(both: Both) -> None:
    gateway, _, impostor = both
    token = impostor.token()
    for path, trouble in (("/nowhere", "refused"), ("/impostor", "certificate")):
        answer = gateway.get(path, bearer(token))
        assert (answer.status, json.loads(answer.body)["message"]) == (500, "An unexpected error occurred")
        told = re.compile(f"openid-connect: .*{trouble}", re.IGNORECASE)
        eventually(lambda told=told: any(map(told.search, gateway.lines)), seen=gateway.lines)
    assert impostor.asked == []
    assert gateway.get("/trusting", bearer(token)).status == 200
    assert token not in "\n".join(gateway.lines)
