"""Callers that sign: the examples of the plugins' pages, and what Envoy shows of the secrets in them."""

import base64
import hashlib
import hmac
import json
import re
import time
import urllib.request
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import jwt
import pytest

from crossfade.compile.policies import registry
from tests.support.gateway import RunningGateway, ingress, running_gateway, service, upstream

pytestmark = pytest.mark.envoy

POLICIES = Path(registry.__file__).parent
SECRET = "5f2b7c7e4d1a4c0f9a6e8b3d2c1f0e9d"
# Who signs in at the example of sessions.
KEY_OF_ANN = """\
apiVersion: v1
kind: Secret
metadata: {name: ann-key, labels: {konghq.com/credential: key-auth}}
stringData: {key: the key of ann}
---
apiVersion: configuration.konghq.com/v1
kind: KongConsumer
metadata: {name: ann, annotations: {kubernetes.io/ingress.class: kong}}
username: ann
credentials: [ann-key]
---
"""


def example(plugin: str) -> str:
    """The manifests on the plugin's page."""
    readme = POLICIES / plugin / "README.md"
    return "---\n".join(re.findall(r"^```yaml\n(.*?)^```$", readme.read_text(), re.MULTILINE | re.DOTALL)) + "---\n"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    folder = tmp_path_factory.mktemp("authentication")
    with upstream("web") as port:
        (folder / "all.yaml").write_text(
            service("web", port)
            + example("jwt")
            + ingress("tokens", "/tokens", "web", "konghq.com/plugins: tokens")
            + example("hmac_auth")
            + ingress("signed", "/signed", "web", "konghq.com/plugins: signed")
            + example("session")
            + KEY_OF_ANN
            + ingress("browsers", "/browsers", "web", 'konghq.com/plugins: "session, login"')
        )
        with running_gateway(folder) as running:
            yield running


def token(**changes: object) -> str:
    claims = {"iss": "https://issuer.example", "exp": int(time.time()) + 600, **changes}
    return jwt.encode(claims, SECRET, algorithm="HS256")


def signed(path: str, secret: str) -> dict[str, str]:
    date = formatdate(usegmt=True)
    text = f"date: {date}\n@request-target: get {path}"
    signature = base64.b64encode(hmac.digest(secret.encode(), text.encode(), hashlib.sha256)).decode()
    parts = f'username="bob", algorithm="hmac-sha256", headers="date @request-target", signature="{signature}"'
    return {"Date": date, "Authorization": f"hmac {parts}"}


def test_a_token_opens_the_route(gateway: RunningGateway) -> None:
    assert gateway.get("/tokens").status == 401
    assert gateway.get("/tokens", {"Authorization": f"Bearer {token()}"}).body == "web"
    assert gateway.get(f"/tokens?jwt={token()}").status == 200
    assert gateway.get(f"/tokens?jwt={token(exp=1)}").body == '{"exp":"token expired"}'
    assert gateway.get(f"/tokens?jwt={token()[:-4]}AAAA").body == '{"message":"Invalid signature"}'


def test_a_signed_request_opens_the_route(gateway: RunningGateway) -> None:
    assert gateway.get("/signed/a?b=1", signed("/signed/a?b=1", SECRET)).body == "web"
    assert gateway.get("/signed/other", signed("/signed/a", SECRET)).status == 401
    assert gateway.get("/signed", signed("/signed", "another")).status == 401


def test_a_session_takes_the_place_of_the_key(gateway: RunningGateway) -> None:
    assert gateway.get("/browsers").body == '{"message":"sign in"}'
    first = gateway.get("/browsers", {"apikey": "the key of ann"})
    cookie, _, attributes = first.headers["Set-Cookie"].partition(";")
    assert (first.body, attributes) == ("web", " Path=/; SameSite=Strict; Secure; HttpOnly")
    again = gateway.get("/browsers", {"Cookie": cookie})
    assert (again.body, again.headers["Set-Cookie"]) == ("web", None)
    assert gateway.get("/browsers", {"Cookie": cookie[:-2] + "AA"}).status == 403


def test_envoy_shows_no_secret(gateway: RunningGateway) -> None:
    assert gateway.get("/signed", signed("/signed", SECRET)).status == 200
    dumped = config_dump(gateway)
    assert '"crossfade_policy"' in dumped or "libcrossfade_policy" in dumped
    assert "[redacted]" in dumped
    for hidden in (
        "8c1f5c0d3a7e4b62",
        SECRET,
        base64.b64encode(SECRET.encode()).decode(),
        "jim",
        "https://issuer.example",
    ):
        assert hidden not in dumped
    assert SECRET not in "\n".join(gateway.lines)


def config_dump(gateway: RunningGateway) -> str:
    """From the admin port that Envoy's bootstrap names."""
    (envoy,) = gateway.children()
    arguments = Path(f"/proc/{envoy}/cmdline").read_text().split("\0")
    bootstrap = json.loads(Path(arguments[arguments.index("-c") + 1]).read_text())
    port = bootstrap["admin"]["address"]["socket_address"]["port_value"]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/config_dump?include_eds", timeout=10) as response:
        return str(response.read().decode())
