from typing import Any, cast

from crossfade.compile.model import Endpoint
from crossfade.envoy.proto import endpoint_v3
from crossfade.envoy.resource_set import ResourceSet, ResourceType, decoded
from crossfade.envoy.shared_endpoints import SharedEndpoints, encode

ONE, TWO = (Endpoint("10.0.0.1", 80),), (Endpoint("10.0.0.2", 80), Endpoint("10.0.0.3", 80, zone="b"))


def test_only_what_changed_is_told() -> None:
    shared = SharedEndpoints()
    assert shared.update({"a": ONE, "b": ONE}).keys() == {"a", "b"}
    assert shared.update({"a": ONE, "b": TWO}).keys() == {"b"}
    assert shared.update({"a": (Endpoint("10.0.0.1", 80),)}) == {}
    assert shared.of(["a", "unknown"]) == {"a": encode("a", ONE), "unknown": encode("unknown", ())}


def test_what_cannot_be_encoded_keeps_its_last_version() -> None:
    shared = SharedEndpoints()
    shared.update({"a": ONE})
    bad = cast("Any", (Endpoint("10.0.0.1", 1 << 40),))
    assert shared.update({"a": bad, "b": TWO}).keys() == {"b"}
    assert [one.name for one in shared.failed] == ["a"]
    assert shared.of(["a"]) == {"a": encode("a", ONE)}


def test_endpoints_are_grouped_by_zone() -> None:
    message = cast("endpoint_v3.ClusterLoadAssignment", decoded(encode("a", TWO)))
    found = [(group.locality.zone, len(group.lb_endpoints)) for group in message.endpoints]
    assert found == [("", 1), ("b", 1)]


def test_replacing_gives_the_set_that_would_have_been_made_anew() -> None:
    kind = ResourceType.ENDPOINTS
    before = ResourceSet({kind: {"a": encode("a", ONE), "b": encode("b", ONE)}})
    after = before.replacing(kind, {"b": encode("b", TWO)})
    assert after == ResourceSet({kind: {"a": encode("a", ONE), "b": encode("b", TWO)}})
    assert after != before
    assert after.version_of(kind) != before.version_of(kind)
    assert after.names is before.names
    assert after.replacing(kind, {"b": encode("b", ONE)}) == before
