"""How requests are spread over a Service's endpoints, as KongUpstreamPolicies say it."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.gateway import RunningGateway, eventually, ingress, running_gateway
from tests.support.upstreams import Upstream, service_of, upstreams

pytestmark = pytest.mark.envoy

NO_PEER = "failure to get a peer from the ring-balancer"


def policy(spec: str) -> str:
    return f"""\
apiVersion: configuration.konghq.com/v1beta1
kind: KongUpstreamPolicy
metadata: {{name: ways}}
spec: {spec}
---
"""


def written(folder: Path, spec: str, ports: list[int]) -> None:
    service = service_of("web", ports, "konghq.com/upstream-policy: ways")
    (folder / "web.yaml").write_text(service + ingress("web", "/", "web") + policy(spec))


@contextmanager
def balanced(folder: Path, spec: str, *names: str) -> Iterator[tuple[RunningGateway, list[Upstream]]]:
    with upstreams(*names) as made:
        written(folder, spec, [one.port for one in made])
        with running_gateway(folder) as gateway:
            eventually(lambda: gateway.get("/").status != 404)
            yield gateway, made


def takers(gateway: RunningGateway, count: int, path: str = "/", headers: dict[str, str] | None = None) -> set[str]:
    return {gateway.get(path, headers).body for _ in range(count)}


HASH_ON_HEADER = "{algorithm: consistent-hashing, hashOn: {header: X-User}, hashOnFallback: {queryArg: u}}"


def test_the_same_header_finds_the_same_endpoint(tmp_path: Path) -> None:
    with balanced(tmp_path, HASH_ON_HEADER, "one", "two", "three") as (gateway, _):
        by_user = {user: takers(gateway, 4, headers={"X-User": user}) for user in map(str, range(16))}
        assert all(len(found) == 1 for found in by_user.values()), by_user
        assert len(set.union(*by_user.values())) > 1
        assert all(len(takers(gateway, 4, f"/?u={user}")) == 1 for user in range(4)), "the fallback"
        for user in range(4):
            assert takers(gateway, 1, f"/?u={user}") == by_user[str(user)], "the value counts, wherever it stands"


def test_a_cookie_is_given_and_found_again(tmp_path: Path) -> None:
    spec = "{algorithm: consistent-hashing, hashOn: {cookie: sid, cookiePath: /}}"
    with balanced(tmp_path, spec, "one", "two", "three") as (gateway, _):
        found = set()
        for _ in range(8):
            first = gateway.get("/")
            cookie, attributes = first.headers["Set-Cookie"].split("; ", 1)
            assert attributes == "Path=/; Same-Site=Lax; HttpOnly"
            assert takers(gateway, 4, headers={"Cookie": cookie}) == {first.body}
            assert gateway.get("/", {"Cookie": cookie}).headers["Set-Cookie"] is None
            found.add(first.body)
        assert len(found) > 1


def test_sessions_stick_while_their_endpoint_is_there(tmp_path: Path) -> None:
    spec = "{algorithm: sticky-sessions, hashOn: {input: none}, stickySessions: {cookie: at}}"
    with balanced(tmp_path, spec, "one", "two") as (gateway, made):
        first = gateway.get("/")
        cookie = first.headers["Set-Cookie"].split(";")[0]
        assert takers(gateway, 10, headers={"Cookie": cookie}) == {first.body}
        (other,) = (one for one in made if one.name != first.body)
        written(tmp_path, spec, [other.port])
        eventually(lambda: gateway.get("/", {"Cookie": cookie}).body == other.name)
        moved = gateway.get("/", {"Cookie": cookie}).headers["Set-Cookie"].split(";")[0]
        written(tmp_path, spec, [one.port for one in made])
        eventually(lambda: takers(gateway, 4) == {"one", "two"})
        assert takers(gateway, 10, headers={"Cookie": moved}) == {other.name}


def _waiting(made: list[Upstream]) -> int:
    return sum(path.startswith("/wait") for one in made for path, _ in one.seen)


def test_least_connections_goes_where_nobody_waits(tmp_path: Path) -> None:
    with balanced(tmp_path, "{algorithm: least-connections}", "one", "two", "three") as (gateway, made):
        for one in made:
            one.gate.clear()
        with ThreadPoolExecutor(2) as pool:
            waiting = []
            for number in (1, 2):
                # One after the other: of two at once each worker sees its own only.
                waiting.append(pool.submit(gateway.get, f"/wait/{number}"))
                eventually(lambda count=number: _waiting(made) == count)
            busy = {one.name for one in made if any(path.startswith("/wait") for path, _ in one.seen)}
            assert len(busy) == 2
            assert takers(gateway, 10) == {"one", "two", "three"} - busy
            for one in made:
                one.gate.set()
            assert {each.result().body for each in waiting} == busy


ACTIVE = """{healthchecks: {active: {httpPath: /health, headers: {X-Probe: ["yes"]},
  healthy: {interval: 1, successes: 1}, unhealthy: {interval: 1, httpFailures: 1}}}}"""


def test_probes_take_endpoints_out_and_bring_them_back(tmp_path: Path) -> None:
    with balanced(tmp_path, ACTIVE, "one", "two") as (gateway, (one, two)):
        eventually(lambda: takers(gateway, 6) == {"one", "two"})
        one.statuses["/health"] = 503
        eventually(lambda: takers(gateway, 6) == {"two"})
        two.statuses["/health"] = 503
        eventually(lambda: gateway.get("/").status == 503)
        assert json.loads(gateway.get("/").body)["message"] == NO_PEER
        one.statuses["/health"] = 404
        two.statuses["/health"] = 401
        eventually(lambda: takers(gateway, 6) == {"two"})
        one.statuses.clear()
        eventually(lambda: takers(gateway, 6) == {"one", "two"})
        probes = [headers for path, headers in one.seen if path == "/health"]
        assert {headers["x-probe"] for headers in probes} == {"yes"}
        assert {headers["host"] for headers in probes} == {f"127.0.0.1:{one.port}"}


PASSIVE = "{healthchecks: {passive: {unhealthy: {httpFailures: 2, httpStatuses: [429]}}}}"


def test_endpoints_that_fail_are_left_out(tmp_path: Path) -> None:
    with balanced(tmp_path, PASSIVE, "one", "two") as (gateway, (one, two)):
        one.statuses["/"] = 500
        assert {gateway.get("/").status for _ in range(12)} == {200, 500}, "not one of the statuses"
        one.statuses["/"] = 429
        eventually(lambda: takers(gateway, 6) == {"two"})
        two.statuses["/"] = 429
        eventually(lambda: gateway.get("/").status == 503)
        assert json.loads(gateway.get("/").body)["message"] == NO_PEER


THRESHOLD = """{healthchecks: {threshold: 60, active: {httpPath: /health,
  healthy: {interval: 1}, unhealthy: {interval: 1, httpFailures: 1}}}}"""


def test_too_few_healthy_endpoints_take_nothing(tmp_path: Path) -> None:
    with balanced(tmp_path, THRESHOLD, "one", "two") as (gateway, (one, _)):
        eventually(lambda: takers(gateway, 6) == {"one", "two"})
        one.statuses["/health"] = 500
        eventually(lambda: gateway.get("/").status == 503)
        one.statuses.clear()
        eventually(lambda: takers(gateway, 6) == {"one", "two"})
