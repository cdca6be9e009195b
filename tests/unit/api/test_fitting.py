"""Amounts are brought within their bounds, and nothing else is touched."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from crossfade.api.appmesh import VirtualNode, VirtualRouter
from crossfade.api.fitting import fitted
from crossfade_kube.registry import decode
from tests.support.hostile_appmesh import manifests, read


def node(**listener: Any) -> VirtualNode:
    mapping = {"port": 9080, "protocol": "http"}
    spec = {"listeners": [{"portMapping": mapping}, {"portMapping": mapping, **listener}]}
    return decode({"metadata": {"name": "n"}, "spec": spec}, VirtualNode)


def test_what_fits_is_the_same_object() -> None:
    given_node = node(connectionPool={"http": {"maxConnections": 5}}, timeout={"http": {}})
    found, adjustments = fitted(given_node)
    assert found is given_node
    assert adjustments == ()


def test_an_amount_gets_the_nearest_that_does_and_its_place_is_named() -> None:
    found, (adjustment,) = fitted(node(connectionPool={"http": {"maxConnections": 5_000_000_000}}))
    pool = found.spec.listeners[1].connection_pool
    assert pool is not None
    assert pool.http is not None
    assert pool.http.max_connections == adjustment.used == 4_294_967_295
    assert adjustment.field == "spec.listeners[1].connectionPool.http.maxConnections"
    assert "5000000000 is too large" in adjustment.problem


def test_a_duration_is_bounded_by_its_unit() -> None:
    seconds, milliseconds = ({"unit": unit, "value": 10**10} for unit in ("s", "ms"))
    found, (adjustment,) = fitted(node(timeout={"http": {"perRequest": seconds, "idle": milliseconds}}))
    assert adjustment.field == "spec.listeners[1].timeout.http.perRequest"
    timeout = found.spec.listeners[1].timeout
    assert timeout is not None
    assert timeout.http is not None
    assert timeout.http.per_request is not None
    assert timeout.http.per_request.value == adjustment.used
    assert timeout.http.idle is not None
    assert timeout.http.idle.seconds == 10**7


def test_a_port_has_no_neighbour() -> None:
    route = {"name": "r", "tcpRoute": {"match": {"port": 70_000}, "action": {"weightedTargets": []}}}
    router = decode({"metadata": {"name": "r"}, "spec": {"routes": [route]}}, VirtualRouter)
    assert fitted(router) == (router, ())


@given(manifests(st.just("any")))
def test_what_was_fitted_fits(made: Any) -> None:
    kind, obj = made
    if (item := read(kind, obj)) is not None:
        once, _ = fitted(item)
        assert fitted(once) == (once, ())
