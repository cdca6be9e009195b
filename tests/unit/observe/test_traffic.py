"""Who asks whom, put together from what callers and callees count."""

from crossfade.observe.traffic import Hop, Refusal, RouteKey, consumers_of, hops_of, routes_of
from tests.unit.observe.pages import gateway, hop

DJ_JAZZ = Hop("prod", "dj", "jazz.prod", "prod", "jazz-v1")
OUTSIDE = Hop("", "", "", "prod", "jazz-v1")


def test_routes_have_their_refusals() -> None:
    routes = routes_of(gateway())
    web, closed, none = (routes[RouteKey(*key)] for key in WANTED)
    assert (web.requests, web.failed, web.success) == (100, 10, 0.9)
    assert (web.quantile_ms(0.5), closed.quantile_ms(0.5)) == (5.0, None)
    assert closed.refusals == {Refusal("key-auth", "401"): 30, Refusal("acl", "403"): 5}
    assert (closed.success, closed.refused, none.requests) == (1.0, 35, 2)


WANTED = [("shop.web.80", "shop.w.00"), ("shop.web.80", "shop.closed.00"), ("", "")]


def test_consumers_have_theirs() -> None:
    ann = consumers_of(gateway())["ann"]
    assert (ann.requests, ann.refusals) == (20, {Refusal("rate-limiting", "429"): 5})


def test_callers_say_who_asks_whom() -> None:
    flows = hops_of([hop("source", "prod/dj", "prod/jazz-v1", 40), hop("destination", "", "prod/jazz-v1", 40)])
    assert list(flows) == [DJ_JAZZ]
    assert (flows[DJ_JAZZ].requests, flows[DJ_JAZZ].quantile_ms(1.0)) == (40, 5.0)


def test_pods_of_a_node_add_up() -> None:
    pages = [hop("source", "prod/dj", "prod/jazz-v1", 40), hop("source", "prod/dj", "prod/jazz-v1", 2, "none", "UF")]
    flow = hops_of(pages)[DJ_JAZZ]
    assert (flow.requests, flow.failed, flow.flags) == (42, 2, {"UF": 2})


def test_what_no_caller_has_counted_came_from_outside() -> None:
    asked, answered = hop("source", "prod/dj", "prod/jazz-v1", 40), hop("destination", "", "prod/jazz-v1", 100)
    flows = hops_of([asked, answered])
    assert flows[OUTSIDE].requests == 60
    # Of whose durations is not known.
    assert flows[OUTSIDE].quantile_ms(0.5) is None
    assert hops_of([answered])[OUTSIDE].quantile_ms(1.0) == 5.0


def test_a_few_that_stand_on_one_side_only_come_from_nowhere() -> None:
    for asked, answered in ((40, 42), (0, 2), (100, 110), (50, 40)):
        pages = [hop("source", "prod/dj", "prod/jazz-v1", asked), hop("destination", "", "prod/jazz-v1", answered)]
        assert OUTSIDE not in hops_of(pages)
