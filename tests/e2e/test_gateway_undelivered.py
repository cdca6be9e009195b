"""A pod of the mesh whose application is gone: its sidecar says so, and the gateway asks another one."""

from pathlib import Path

import pytest

from tests.support.gateway import eventually, ingress, running_gateway
from tests.support.upstreams import service_of, upstreams

pytestmark = pytest.mark.envoy

UNDELIVERED = "x-crossfade-undelivered"


def test_what_a_sidecar_could_not_deliver_is_asked_of_another_pod(tmp_path: Path) -> None:
    with upstreams("one", "two") as (one, two):
        one.statuses, one.headers = {"/": 503}, {UNDELIVERED: "true"}
        (tmp_path / "web.yaml").write_text(service_of("web", [one.port, two.port]) + ingress("web", "/", "web"))
        with running_gateway(tmp_path) as gateway:
            eventually(lambda: gateway.get("/").status == 200, within_s=10)
            assert {gateway.get("/").body for _ in range(20)} == {"two"}
            assert one.seen, "some requests came here first"

            two.statuses, two.headers = one.statuses, one.headers
            answer = gateway.get("/")
            assert (answer.status, UNDELIVERED in answer.headers) == (503, False)
