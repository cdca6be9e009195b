"""What `crossfade top` shows."""

from crossfade.observe.counts import REQUESTS, Series
from crossfade.observe.scrape import Sampled
from crossfade.observe.targets import Target
from crossfade.observe.top import Top, lines_of, top_of
from tests.unit.observe.pages import gateway, hop

GATEWAY = Target("gateway", "kong/gw")
SIDECAR = Target("sidecar", "prod/dj-1")
ALL = ("routes", "nodes", "consumers")


def top(seconds: float | None = 10.0) -> Top:
    mesh = hop("source", "prod/dj", "prod/jazz-v1", 38) | hop("source", "prod/dj", "prod/jazz-v1", 2, "none", "UF")
    return top_of(Sampled({GATEWAY: gateway(), SIDECAR: mesh}, {}, seconds), ALL, as_of="2026-01-01T00:00:00Z")


def test_tables_stand_without_colour() -> None:
    tables = {subject: list(lines_of(top(), subject)) for subject in ALL}
    assert tables == {
        "routes": [
            "ROUTE           SERVICE       RPS  SUCCESS  P50  P95  REFUSED",
            "shop.w.00       shop.web.80  10.0   90.0 %  5.0  9.5",
            "shop.closed.00  shop.web.80   5.0  100.0 %    -    -  key-auth 401: 60.0 %, acl 403: 10.0 %",
            "(no route)      -             0.2  100.0 %    -    -",
        ],
        "nodes": [
            "SOURCE → TARGET         SERVICE    RPS  SUCCESS  P50  P95  FLAGS",
            "prod/dj → prod/jazz-v1  jazz.prod  4.0   95.0 %  2.5  4.8  UF 2",
        ],
        "consumers": [
            "CONSUMER  RPS  SUCCESS  REFUSED",
            "ann       2.0  100.0 %  rate-limiting 429: 25.0 %",
        ],
    }


def test_without_a_window_requests_are_numbers() -> None:
    (header, busiest, *_) = lines_of(top(None), "routes")
    assert header.split()[2] == "REQUESTS"
    assert busiest.split()[2] == "100"


def test_the_busiest_are_shown_and_how_many_more_there_are() -> None:
    lines = list(lines_of(top(), "routes", limit=1))
    assert [line.split()[0] for line in lines] == ["ROUTE", "shop.w.00", "…"]
    assert lines[2] == "… and 2 more; --limit 0 shows all"


def test_what_no_route_of_the_mesh_took_has_a_name() -> None:
    nowhere = Series(REQUESTS, (("code_class", "4xx"), ("flags", "NR"), ("reporter", "source"), ("source", "dj")))
    (_, line) = lines_of(top_of(Sampled({SIDECAR: {nowhere: 1}}, {}), ALL, as_of=""), "nodes")
    assert line.split()[2:5] == ["(no", "route)", "-"]


def test_nothing_has_no_table() -> None:
    nothing = top_of(Sampled({GATEWAY: {}}, {"kong/other": "it has gone"}, 10.0), ALL, as_of="")
    assert [line for subject in ALL for line in lines_of(nothing, subject)] == []
    assert nothing.failed == {"kong/other": "it has gone"}


def test_what_strangers_wrote_does_not_reach_a_terminal_as_it_is() -> None:
    mesh = hop("source", "prod/d\x1b[2Jj", "prod/ja\nzz\u202e", 5)
    (_, line) = lines_of(top_of(Sampled({SIDECAR: mesh}, {}, 1.0), ALL, as_of=""), "nodes")
    assert line.startswith("prod/d\\x1b[2Jj → prod/ja\\x0azz\\u202e ")
