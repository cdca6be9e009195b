"""Webhooks, signed here as standardwebhooks.com says, at a real Envoy."""

import base64
import hashlib
import hmac
import time
from collections.abc import Iterator

import pytest

from tests.e2e.policy_module.harness import Gateway, echo_upstream, instance, route, tables

pytestmark = pytest.mark.envoy

SECRET = b"correct horse battery staple"
BODY = '{"type":"order.paid","ü":1}'.encode()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    config = {"secret_v1": SECRET.decode(), "tolerance_second": 60}
    with echo_upstream() as port:
        routes = [route("/hook", instance("standard-webhooks", config))]
        gateway = Gateway(tmp_path_factory.mktemp("webhooks"), port, tables(routes))
        try:
            gateway.start()
            yield gateway
        finally:
            gateway.stop()


def signed(*, age_s: int = 0, body: bytes = BODY, secret: bytes = SECRET) -> list[tuple[str, str]]:
    timestamp = str(int(time.time()) - age_s)
    digest = hmac.digest(secret, b"msg-1." + timestamp.encode() + b"." + body, hashlib.sha256)
    signature = f"v1,{base64.b64encode(digest).decode()}"
    return [("webhook-id", "msg-1"), ("webhook-timestamp", timestamp), ("webhook-signature", signature)]


def test_a_signed_message_passes(gateway: Gateway) -> None:
    answer = gateway.fetch("/hook", method="POST", headers=signed(), body=BODY)
    assert answer.status == 200
    assert answer.upstream["body"].encode("latin-1") == BODY


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([], id="unsigned"),
        pytest.param(signed(age_s=3600), id="old"),
        pytest.param(signed(secret=b"other"), id="another key"),
        pytest.param(signed(body=b"{}"), id="another body"),
        pytest.param(signed()[1:], id="no id"),
    ],
)
def test_others_do_not(gateway: Gateway, headers: list[tuple[str, str]]) -> None:
    answer = gateway.fetch("/hook", method="POST", headers=headers, body=BODY)
    assert answer.status == 400
    assert '"message":"Bad request"' in answer.body
