"""A pod of the mesh whose application is gone or goes: its sidecar says so, and the gateway asks another one.

A GET alone where the application may have seen the request, as Kong does where a connection ends under it.
"""

from pathlib import Path

import pytest

from tests.support.gateway import eventually, ingress, running_gateway
from tests.support.upstreams import service_of, upstreams

pytestmark = pytest.mark.envoy

MARK = "x-envoy-upstream-healthchecked-cluster"


def test_what_a_sidecar_could_not_deliver_is_asked_of_another_pod(tmp_path: Path) -> None:
    with upstreams("one", "two") as (one, two):
        one.statuses, one.headers = {"/": 503}, {MARK: "x-crossfade-undelivered"}
        (tmp_path / "web.yaml").write_text(service_of("web", [one.port, two.port]) + ingress("web", "/", "web"))
        with running_gateway(tmp_path) as gateway:
            eventually(lambda: gateway.get("/").status == 200)
            assert {gateway.get("/").body for _ in range(20)} == {"two"}
            assert one.seen, "some requests came here first"

            two.statuses, two.headers = one.statuses, one.headers
            answer = gateway.get("/")
            assert (answer.status, MARK in answer.headers) == (503, False)


def test_what_an_application_did_not_answer_is_asked_of_another_pod_if_it_may_be_sent_twice(tmp_path: Path) -> None:
    with upstreams("one", "two") as (one, two):
        one.statuses, one.headers = {"/": 503}, {MARK: "x-crossfade-unanswered"}
        (tmp_path / "web.yaml").write_text(service_of("web", [one.port, two.port]) + ingress("web", "/", "web"))
        with running_gateway(tmp_path) as gateway:
            eventually(lambda: gateway.get("/").status == 200)
            assert {gateway.get("/").body for _ in range(20)} == {"two"}
            assert one.seen, "some requests came here first"
            told = [name for _, headers in (*one.seen, *two.seen) for name in headers if name.startswith("x-envoy-")]
            assert told == []

            answers = [gateway.ask("POST", "/") for _ in range(20)]
            assert {answer.status for answer in answers} == {200, 503}
            assert not any(MARK in answer.headers for answer in answers)


def test_a_client_cannot_have_its_requests_repeated(tmp_path: Path) -> None:
    with upstreams("one") as (one,):
        one.statuses, one.headers = {"/": 503}, {"x-again": "true"}
        (tmp_path / "web.yaml").write_text(service_of("web", [one.port]) + ingress("web", "/", "web"))
        with running_gateway(tmp_path) as gateway:
            eventually(lambda: gateway.get("/").status == 503)
            before = len(one.seen)
            told = {"x-envoy-retry-on": "retriable-headers", "x-envoy-retriable-header-names": "x-again"}
            assert gateway.get("/", headers=told).status == 503
            assert len(one.seen) - before == 1
