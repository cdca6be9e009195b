"""Counts become lines of CloudWatch's embedded metric format, within its bounds."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.observe.counts import DURATIONS, REQUESTS, Counts, Series
from crossfade.observe.emf import MOST_VALUES, Emf, emf_lines
from crossfade.observe.emf_place import Place, place_of
from crossfade.observe.scrape import Sampled
from crossfade.observe.targets import Target
from tests.unit.observe.pages import gateway, hop

GATEWAY = Target("gateway", "kong/kong-1")


PLAIN = Emf()


def lines(emf: Emf = PLAIN, **pages: Counts) -> list[dict[str, Any]]:
    targets = {
        Target("gateway" if name == "gateway" else "sidecar", f"prod/{name}"): counts for name, counts in pages.items()
    }
    return [json.loads(line) for line in emf_lines(Sampled(targets, {}, 60.0), emf, at_ms=1_795_837_477_683)]


def check(line: dict[str, Any]) -> None:
    """What CloudWatch's specification of the format demands."""
    head = line["_aws"]
    assert isinstance(head["Timestamp"], int)
    (directive,) = head["CloudWatchMetrics"]
    assert re.fullmatch(r"[A-Za-z0-9._#/:-]{1,255}", directive["Namespace"])
    for dimensions in directive["Dimensions"]:
        assert 1 <= len(dimensions) <= 30
        for name in dimensions:
            assert re.fullmatch(r"[ -~]{1,1024}", line[name])
            assert line[name].strip()
    assert 1 <= len(directive["Metrics"]) <= 100
    for metric in directive["Metrics"]:
        assert metric["Unit"] in ("Count", "Milliseconds")
        value = line[metric["Name"]]
        values = value if isinstance(value, list) else [value]
        assert 1 <= len(values) <= MOST_VALUES
        assert all(isinstance(one, int | float) and one >= 0 for one in values)
    assert len(json.dumps(line)) < 256 * 1024


def test_a_route_and_its_refusals() -> None:
    found = lines(gateway=gateway())
    for line in found:
        check(line)
    web = next(line for line in found if line.get("Service") == "shop.web.80" and line["Route"] == "shop.w.00")
    assert web["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["Service"], ["Service", "Route"]]
    counts = {name.removeprefix("kong."): value for name, value in web.items() if name.startswith("kong.")}
    times = counts.pop("Latency")
    assert counts == {"RequestCount": 100, "HTTPCode_2XX_Count": 90, "HTTPCode_5XX_Count": 10, "FailureCount": 10}
    assert (len(times), times[49], times[-1]) == (100, 4.95, 9.95)
    refused = [line for line in found if "kong.DeniedCount" in line]
    assert [(line["Route"], line["Policy"], line["Code"], line["kong.DeniedCount"]) for line in refused] == [
        ("shop.closed.00", "acl", "403", 5),
        ("shop.closed.00", "key-auth", "401", 30),
    ]


def test_nodes_have_app_meshs_names() -> None:
    asked = hop("source", "prod/dj", "prod/jazz-v1", 40)
    found = lines(dj=asked, jazz=hop("destination", "", "prod/jazz-v1", 100))
    for line in found:
        check(line)
    pair, own = found
    assert (pair["VirtualNode"], pair["TargetVirtualNode"]) == ("dj_prod", "jazz-v1_prod")
    assert pair["TargetVirtualService"] == "jazz.prod"
    assert (pair["envoy.appmesh.RequestCountPerTarget"], pair["envoy.appmesh.TargetFailureCount"]) == (40, 0)
    assert pair["envoy.appmesh.HTTPCode_Target_2XX_Count"] == 40
    # With what came from outside of the mesh.
    assert (own["VirtualNode"], own["envoy.appmesh.RequestCount"]) == ("jazz-v1_prod", 100)


def test_who_got_no_answer_failed() -> None:
    (pair, _) = lines(dj=hop("source", "prod/dj", "prod/jazz-v1", 3, "none", "UF"))
    assert pair["envoy.appmesh.TargetFailureCount"] == 3
    assert not [name for name in pair if "HTTPCode" in name]


def test_what_had_no_requests_has_no_line() -> None:
    assert lines(dj=hop("source", "prod/dj", "prod/jazz-v1", 0)) == []


def test_a_log_group_and_dimensions_of_the_users_own() -> None:
    emf = Emf("Team", "/crossfade", (("ClusterName", "prod"),))
    (line, _) = lines(emf, dj=hop("source", "prod/dj", "prod/jazz-v1", 1))
    check(line)
    assert (line["_aws"]["LogGroupName"], line["ClusterName"]) == ("/crossfade", "prod")
    sets = line["_aws"]["CloudWatchMetrics"][0]["Dimensions"]
    assert sets[0] == ["ClusterName", "VirtualNode", "TargetVirtualService"]


@given(
    st.text(), st.text(), st.integers(1, 2**63), st.dictionaries(st.floats(0, 1e12), st.integers(0, 2**63), max_size=5)
)
def test_whatever_is_counted_keeps_to_the_bounds(
    service: str, route: str, count: int, buckets: dict[float, int]
) -> None:
    parties = {"reporter": "gateway", "service": service, "route": route}
    counts = {Series(REQUESTS, tuple(sorted((parties | {"code_class": "2xx"}).items()))): count}
    for bound, value in buckets.items():
        counts[Series(DURATIONS, tuple(sorted((parties | {"le": str(bound)}).items())))] = value
    (line,) = lines(gateway=counts)
    check(line)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("stdout", Place("stdout")),
        ("tcp://127.0.0.1", Place("tcp", "127.0.0.1", 25888)),
        ("udp://[::1]:99", Place("udp", "::1", 99)),
    ],
)
def test_places(text: str, place: Place) -> None:
    assert place_of(text) == place


@pytest.mark.parametrize("text", ["", "stderr", "tcp://", "http://a", "udp://a/b", "tcp://a:99999", "tcp://u@a"])
def test_other_places_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"stdout|Port out of range"):
        place_of(text)
