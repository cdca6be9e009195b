"""Browsers that sign in at an OpenID provider others have written, through the gateway as users configure it."""

import json
import re
import time
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
import pytest

from crossfade.compile.policies import registry
from tests.support.browser import Browser, Page
from tests.support.gateway import RunningGateway, eventually, ingress, running_gateway
from tests.support.oidc_provider import OidcProvider, oidc_provider, secret_of
from tests.support.ports import free_ports
from tests.support.upstreams import Upstream, service_of, upstreams

pytestmark = [pytest.mark.envoy, pytest.mark.timeout(300)]

README = Path(registry.__file__).parent / "openid_connect" / "README.md"
SESSION_SECRET = "a secret for sessions"


class World(NamedTuple):
    gateway: RunningGateway
    provider: OidcProvider
    upstream: Upstream
    url: str

    def tells(self, text: str) -> None:
        eventually(lambda: any(text in line for line in self.gateway.lines), seen=self.gateway.lines)


FLOW = {"auth_methods": ["authorization_code", "session", "bearer"], "scopes": ["openid", "email", "orders"]}
ROUTES: dict[str, dict[str, Any]] = {
    "shop": {
        **FLOW,
        "consumer_claim": ["sub"],
        "consumer_optional": True,
        "upstream_headers_claims": ["sub", "scope"],
        "upstream_headers_names": ["X-Sub", "X-Scope"],
        "logout_uri_suffix": "/logout",
        "logout_methods": ["GET"],
        "logout_redirect_uri": ["http://bye.test/"],
        "logout_revoke": True,
        "preserve_query_args": True,
    },
    "back": {**FLOW, "login_action": "redirect", "login_tokens": []},
    "elsewhere": {**FLOW, "login_action": "redirect", "login_redirect_uri": ["http://app.test/in"]},
    "tokens": {**FLOW, "login_action": "response", "login_tokens": ["id_token", "access_token"]},
    "posted": {**FLOW, "response_mode": "form_post", "login_action": "redirect", "login_tokens": []},
    "closed": {**FLOW, "scopes_required": ["admin"], "forbidden_redirect_uri": ["http://app.test/no"]},
    "denied": {**FLOW, "unauthorized_redirect_uri": ["http://app.test/sorry"]},
    "short": {**FLOW, "session_cookie_name": "short", "authorization_cookie_name": "short-begun"},
    "remembered": {**FLOW, "session_cookie_name": "sid", "session_remember": True},
    "public": {**FLOW, "client_id": ["public"], "client_secret": None, "session_cookie_name": "p"},
    "introspected": {"client_id": ["opaque"], "auth_methods": ["introspection"], "scopes_required": ["email"]},
    "uncached": {"client_id": ["opaque"], "auth_methods": ["introspection"], "cache_introspection": False},
    "granted": {"auth_methods": ["client_credentials", "password"], "scopes": ["openid", "orders"]},
}


def manifest(name: str, issuer: str, config: dict[str, Any]) -> str:
    client = config.get("client_id", ["shop"])[0]
    whole = {
        "issuer": issuer,
        "client_id": [client],
        "client_secret": [secret_of(client)],
        "session_secret": SESSION_SECRET,
        "rediscovery_lifetime": 0,
        **config,
    }
    content = json.dumps({name: value for name, value in whole.items() if value is not None})
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"config": content}}
    plugin = {
        "apiVersion": "configuration.konghq.com/v1",
        "kind": "KongPlugin",
        "metadata": {"name": name},
        "plugin": "openid-connect",
        "configFrom": {"secretKeyRef": {"name": name, "key": "config"}},
    }
    route = ingress(name, f"/{name}", "web", f'konghq.com/plugins: {name}, konghq.com/strip-path: "false"')
    return f"{json.dumps(secret)}\n---\n{json.dumps(plugin)}\n---\n{route}"


def example(issuer: str) -> str:
    """The second one of the plugin's page, with the provider of this test."""
    _, text = re.findall(r"^```yaml\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)
    secret = json.dumps([secret_of("shop")]).replace("'", "''")
    for old, new in (("https://id.example.com/realms/shop", issuer), ('["3c469e0cd2c5"]', secret)):
        assert old in text
        text = text.replace(old, new)
    return text + "---\n" + ingress("sign-in", "/sign-in", "web", "konghq.com/plugins: sign-in")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder: Path = tmp_path_factory.mktemp("manifests")
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    with (
        oidc_provider(*(f"{url}/{name}" for name in (*ROUTES, "sign-in"))) as provider,
        upstreams("web") as (upstream,),
    ):
        plugins = "".join(manifest(name, provider.url, config) for name, config in ROUTES.items())
        manifests = service_of("web", [upstream.port]) + plugins + example(provider.url)
        (folder / "all.yaml").write_text(manifests)
        with running_gateway(folder, settings={"KONG_PROXY_LISTEN": f"127.0.0.1:{port}"}) as gateway:
            yield World(gateway, provider, upstream, url)
            said = "\n".join(gateway.lines)
            assert SESSION_SECRET not in said
            assert secret_of("shop") not in said


@pytest.fixture(autouse=True)
def _usual(world: World) -> None:
    world.provider.change(account="ann", denies=False, accessTokenSeconds=600, padding=0)
    world.upstream.seen.clear()


def query(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def signed_in(world: World, path: str) -> tuple[Browser, Page]:
    browser = Browser()
    page = browser.visit(f"{world.url}{path}")
    assert page.status == 200, page
    return browser, page


def test_a_browser_signs_in_once(world: World) -> None:
    browser = Browser()
    first = browser.open(f"{world.url}/shop/x?a=1")
    assert (first.status, first.body, first.headers["cache-control"]) == (302, "", "no-store")
    asked = query(first.location)
    assert first.location.startswith(f"{world.provider.url}/auth?")
    assert {name: asked[name] for name in ("response_type", "client_id", "redirect_uri", "scope")} == {
        "response_type": "code",
        "client_id": "shop",
        "redirect_uri": f"{world.url}/shop/x",
        "scope": "openid email orders",
    }
    assert asked["code_challenge_method"] == "S256"
    assert len({asked["state"], asked["nonce"], asked["code_challenge"]}) == 3
    (begun,) = first.set_cookies
    assert re.fullmatch(r"authorization=1\.[\w-]+; Path=/; SameSite=Lax; HttpOnly", begun)

    # oidc-provider takes addresses as they are registered: without the rest of the path.
    browser = Browser()
    page = browser.visit(f"{world.url}/shop?a=1")
    assert (page.status, page.body) == (200, "web")
    assert any(re.fullmatch(r"session=1\.[\w-]+; Path=/; SameSite=Lax; HttpOnly", line) for line in page.set_cookies)
    assert any(line.startswith("authorization=;") for line in page.set_cookies)
    path, headers = world.upstream.seen[-1]
    assert path == "/shop?a=1"
    assert (headers["x-sub"], headers["x-credential-identifier"]) == ("ann", "ann")
    assert headers["authorization"].startswith("Bearer ey")
    assert "cookie" not in headers

    before = world.provider.asked("/token")
    again = browser.open(f"{world.url}/shop/y", headers={"X-Sub": "eve"})
    assert (again.status, again.set_cookies) == (200, ())
    assert world.upstream.seen[-1][1]["x-sub"] == "ann"
    assert world.provider.asked("/token") == before
    # The token itself is good too, for whoever has no cookies.
    assert Browser().open(f"{world.url}/shop", headers={"Authorization": headers["authorization"]}).status == 200


def test_the_example(world: World) -> None:
    browser, page = signed_in(world, "/sign-in?a=1")
    assert page.url == f"{world.url}/sign-in?a=1"
    assert world.upstream.seen[-1][1]["x-email"] == "ann@shop.test"
    out = browser.open(f"{world.url}/sign-in/logout")
    assert query(out.location)["post_logout_redirect_uri"] == "https://www.example.com/"


def test_nobody_comes_back_who_did_not_begin(world: World) -> None:
    browser = Browser()
    callback = browser.follow(browser.open(f"{world.url}/shop"), until=f"{world.url}/shop").location
    stranger = Browser().open(callback)
    assert (stranger.status, stranger.body) == (401, '{"message":"Unauthorized"}')
    early = Browser(browser.cookies)
    assert browser.open(callback).status == 200
    # Whoever shows a token need not have begun anything: arguments of these names may be the Service's own.
    bearer = {"Authorization": world.upstream.seen[-1][1]["authorization"]}
    assert Browser().open(callback, headers=bearer).status == 200
    # Again without the session: the browser has come back already.
    browser.cookies[urlsplit(world.url).netloc].pop("session")
    assert browser.open(callback).status == 401
    # With the cookies of before, the provider does not give tokens for a code twice.
    assert early.open(callback).status == 401
    forged = Browser({urlsplit(world.url).netloc: {"session": "1.AAAA", "authorization": "1.AAAA"}})
    assert forged.open(f"{world.url}/shop").status == 302


def test_two_windows(world: World) -> None:
    browser = Browser()
    pages = [browser.open(f"{world.url}/back?window={number}") for number in range(2)]
    callbacks = [browser.follow(page, until=f"{world.url}/back").location for page in pages]
    for number in (0, 1):
        done = browser.open(callbacks[number])
        assert (done.status, done.location) == (302, f"{world.url}/back?window={number}")


def test_after_login(world: World) -> None:
    browser = Browser()
    page = browser.follow(browser.open(f"{world.url}/elsewhere"), until="http://app.test")
    assert re.fullmatch(r"http://app\.test/in#id_token=ey[\w.-]+", page.location)
    _, told = signed_in(world, "/tokens")
    assert told.headers["content-type"] == "application/json; charset=utf-8"
    assert sorted(json.loads(told.body)) == ["access_token", "id_token"]
    _, posted = signed_in(world, "/posted")
    assert posted.url == f"{world.url}/posted"
    assert signed_in(world, "/public")[1].body == "web"


def test_who_is_not_let_in(world: World) -> None:
    browser = Browser()
    forbidden = browser.follow(browser.open(f"{world.url}/closed"), until="http://app.test")
    assert forbidden.location == "http://app.test/no"
    assert "session" not in browser.cookies[urlsplit(world.url).netloc]
    world.provider.change(denies=True)
    assert Browser().visit(f"{world.url}/shop").status == 401
    browser = Browser()
    assert (
        browser.follow(browser.open(f"{world.url}/denied"), until="http://app.test").location == "http://app.test/sorry"
    )


@pytest.mark.parametrize("host", ["evil.test", "evil.test:99", "a@b", "[::1]", "a b"])
def test_no_host_leads_elsewhere(world: World, host: str) -> None:
    page = Browser().open(f"{world.url}//shop.test/../shop", headers={"Host": host})
    if page.status == 302:
        assert page.location.startswith(f"{world.provider.url}/auth?")
        # The provider knows no such address.
        assert Browser().open(page.location).status == 400
    else:
        assert page.status in (400, 401, 404)


def test_tokens_are_refreshed_once_for_all_who_wait(world: World) -> None:
    world.provider.change(accessTokenSeconds=1)
    browser, _ = signed_in(world, "/short")
    world.provider.change(accessTokenSeconds=600)
    first = world.upstream.seen[-1][1]["authorization"]
    before = world.provider.asked("/token")
    expiry = jwt.decode(first.removeprefix("Bearer "), options={"verify_signature": False})["exp"]
    eventually(lambda: time.time() > expiry)

    def again(_: int) -> tuple[int, str]:
        page = Browser(browser.cookies).open(f"{world.url}/short")
        return page.status, "".join(page.set_cookies)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(again, range(16)))
    assert all(status == 200 and line.startswith("short=1.") for status, line in answers)
    assert world.provider.asked("/token") == before + 1
    assert world.upstream.seen[-1][1]["authorization"] != first


def test_a_browser_is_remembered(world: World) -> None:
    browser, page = signed_in(world, "/remembered")
    assert any(re.search(r"^remember=.*Max-Age=604800$", line) for line in page.set_cookies)
    browser.cookies[urlsplit(world.url).netloc].pop("sid")
    again = browser.open(f"{world.url}/remembered")
    assert again.status == 200
    assert any(line.startswith("sid=1.") for line in again.set_cookies)
    assert browser.open(f"{world.url}/remembered").set_cookies == ()


def test_signing_out(world: World) -> None:
    browser, _ = signed_in(world, "/shop")
    token = world.upstream.seen[-1][1]["authorization"]
    before = world.provider.asked("/token/revocation")
    out = browser.open(f"{world.url}/shop/logout")
    assert out.status == 302
    assert any(line.startswith("session=;") for line in out.set_cookies)
    assert out.location.startswith(f"{world.provider.url}/session/end?")
    said = query(out.location)
    assert (said["client_id"], said["post_logout_redirect_uri"]) == ("shop", "http://bye.test/")
    assert said["id_token_hint"].startswith("ey")
    assert said["id_token_hint"] not in token
    assert world.provider.asked("/token/revocation") == before + 2
    assert "<form" in browser.open(out.location).body
    assert browser.open(f"{world.url}/shop").status == 302


def test_large_tokens_take_several_cookies_and_too_large_ones_are_told(world: World) -> None:
    world.provider.change(padding=2200)
    browser, page = signed_in(world, "/shop")
    assert [line.split("=")[0] for line in page.set_cookies if not line.startswith("authorization")] == [
        "session",
        "session2",
    ]
    assert all(len(line) <= 4096 for line in page.set_cookies)
    assert browser.open(f"{world.url}/shop").status == 200
    browser.open(f"{world.url}/shop/logout")
    assert set(browser.cookies[urlsplit(world.url).netloc]) == set()
    world.provider.change(padding=9000)
    assert Browser().visit(f"{world.url}/shop").status == 500
    world.tells("have no room in cookies")


def test_opaque_tokens_are_asked_about(world: World) -> None:
    path = "/token/introspection"
    flow = {"grant_type": "client_credentials", "client_id": "opaque", "client_secret": secret_of("opaque")}
    granted = Browser().open(f"{world.provider.url}/token", "POST", form=urlencode(flow | {"scope": "email"}))
    bearer = {"Authorization": f"Bearer {json.loads(granted.body)['access_token']}"}
    before = world.provider.asked(path)
    for _ in range(3):
        assert Browser().open(f"{world.url}/introspected", headers=bearer).status == 200
    assert world.provider.asked(path) == before + 1
    for _ in range(2):
        assert Browser().open(f"{world.url}/uncached", headers=bearer).status == 200
    assert world.provider.asked(path) == before + 3
    bad = Browser().open(f"{world.url}/introspected", headers={"Authorization": "Bearer nonsense"})
    assert (bad.status, bad.headers["www-authenticate"]) == (401, 'Bearer realm="kong", error="invalid_token"')


def test_names_and_secrets_become_tokens(world: World) -> None:
    def login(name: str, secret: str) -> int:
        header = {"Authorization": "Basic " + b64encode(f"{name}:{secret}".encode()).decode()}
        return Browser().open(f"{world.url}/granted", headers=header).status

    before = world.provider.asked("/token")
    assert login("bob", "password of bob") == 200
    assert world.upstream.seen[-1][1]["x-credential-identifier"] == "bob"
    assert login("bob", "password of bob") == 200
    assert world.provider.asked("/token") == before + 1
    assert login("shop", secret_of("shop")) == 200
    assert world.upstream.seen[-1][1]["authorization"].startswith("Bearer ey")
    for name, secret in (("bob", "wrong"), ("shop", "wrong"), ("nobody", "x")):
        assert login(name, secret) == 401
    assert Browser().open(f"{world.url}/granted").status == 401


def test_keys_change(world: World) -> None:
    browser, _ = signed_in(world, "/shop")
    old = world.upstream.seen[-1][1]["authorization"]
    world.provider.change(keys=2)
    assert signed_in(world, "/shop")[1].body == "web"
    assert browser.open(f"{world.url}/shop").status == 200
    assert Browser().open(f"{world.url}/shop", headers={"Authorization": old}).status == 401
