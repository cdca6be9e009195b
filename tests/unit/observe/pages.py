"""Pages of proxies for tests, as text and as counts."""

from crossfade.observe.counts import DURATIONS, REQUESTS, Counts, Series, counts_of

GATEWAY = """\
# TYPE crossfade_requests_total counter
crossfade_requests_total{reporter="gateway",service="",route="",code_class="4xx"} 2
crossfade_requests_total{reporter="gateway",service="shop.web.80",route="shop.w.00",code_class="2xx"} 90
crossfade_requests_total{reporter="gateway",service="shop.web.80",route="shop.w.00",code_class="5xx"} 10
crossfade_requests_total{reporter="gateway",service="shop.web.80",route="shop.closed.00",code_class="4xx"} 50
# TYPE crossfade_denied_total counter
crossfade_denied_total{policy="key-auth",route="shop.closed.00",namespace="shop",code="401"} 30
crossfade_denied_total{policy="acl",route="shop.closed.00",namespace="shop",code="403"} 5
# TYPE crossfade_request_duration_milliseconds histogram
crossfade_request_duration_milliseconds_bucket{reporter="gateway",service="shop.web.80",route="shop.w.00",le="10"} 100
crossfade_request_duration_milliseconds_bucket{reporter="gateway",service="shop.web.80",route="shop.w.00",le="+Inf"} 100
# TYPE crossfade_consumer_requests_total counter
crossfade_consumer_requests_total{consumer="ann",code_class="2xx"} 15
crossfade_consumer_requests_total{consumer="ann",code_class="4xx"} 5
# TYPE crossfade_consumer_denied_total counter
crossfade_consumer_denied_total{consumer="ann",policy="rate-limiting",code="429"} 5
"""


def gateway() -> Counts:
    return counts_of(GATEWAY.splitlines())


def hop(reporter: str, source: str, target: str, count: int, code_class: str = "2xx", flags: str = "-") -> Counts:
    """Of `NAMESPACE/NAME` each; a callee's page knows neither source nor service."""
    of_source = ("unknown", "unknown") if reporter == "destination" else tuple(source.split("/"))
    of_target = target.split("/")
    service = "unknown" if reporter == "destination" else f"{of_target[1].partition('-')[0]}.{of_target[0]}"
    parties = {"reporter": reporter, "source": of_source[1], "service": service, "target": of_target[1]}
    more = {
        "source_namespace": of_source[0],
        "target_namespace": of_target[0],
        "code_class": code_class,
        "flags": flags,
    }
    return {
        Series(REQUESTS, tuple(sorted((parties | more).items()))): count,
        Series(DURATIONS, tuple(sorted((parties | {"le": "5"}).items()))): count,
        Series(DURATIONS, tuple(sorted((parties | {"le": "+Inf"}).items()))): count,
    }
