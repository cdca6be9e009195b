"""What proxies may tell in a second: little each, a bounded sum, more of what is watched."""

import pytest

from crossfade.envoy.proto import type_v3
from crossfade.envoy.resource_set import EMPTY, ResourceType, decoded
from crossfade.envoy.telemetry.records import ANY_BUCKET, ERRORS_BUCKET, Rate, buckets
from crossfade.observe.rates import Rates
from crossfade.xds.publisher import Publisher, Subscription


def connected(publisher: Publisher, *proxies: str) -> list[Subscription]:
    for proxy in proxies:
        publisher.publish(proxy, EMPTY)
    return [publisher.connect(proxy) for proxy in proxies]


def rate(subscription: Subscription, bucket: str = ANY_BUCKET) -> float:
    resources = subscription.resources
    assert resources is not None
    found = decoded(resources.of(ResourceType.BUCKET)[bucket])
    assert isinstance(found, type_v3.TokenBucket)
    return found.tokens_per_fill.value / (found.fill_interval.seconds + found.fill_interval.nanos / 1e9)


@pytest.mark.parametrize(("streams", "each"), [(0, 20), (1, 20), (10, 20), (11, 10), (1000, 0.15625), (10**5, 0.01)])
def test_the_sum_of_all_proxies_is_bounded(streams: int, each: float) -> None:
    publisher = Publisher()
    rates = Rates(publisher)
    (first,) = connected(publisher, "first")
    for _ in range(streams - 1):
        publisher.connect("others")
    rates.adjust()
    assert rate(first) == rate(first, ERRORS_BUCKET) == pytest.approx(each, rel=0.3)
    assert rate(first) * max(1, streams) <= 200 or rate(first) < 0.02


def test_those_that_are_watched_tell_more_while_they_are() -> None:
    publisher = Publisher()
    rates = Rates(publisher)
    dj, jazz, metal = connected(publisher, "dj", "jazz", "metal")
    with rates.watching({"dj", "gone"}):
        assert [rate(dj), rate(jazz)] == [1000, 20]
        with rates.watching(None):
            assert [rate(one) for one in (dj, jazz, metal)] == [250, 250, 250]
            late = connected(publisher, "late")
            rates.adjust()
            assert rate(late[0]) == 250
        assert [rate(dj), rate(jazz), rate(metal)] == [1000, 20, 20]
    assert {rate(one) for one in (dj, jazz, metal)} == {20}


def test_a_change_of_rates_concerns_nothing_else_and_survives_a_publication() -> None:
    publisher = Publisher()
    rates = Rates(publisher)
    (dj,) = connected(publisher, "dj")
    with rates.watching(None):
        dj.changed.clear()
        publisher.publish("dj", EMPTY)
        assert not dj.changed.is_set()
        resources = dj.resources
        assert resources is not None
        assert [kind for kind in ResourceType if resources.of(kind)] == [ResourceType.BUCKET]
    assert rate(dj) == 20


@pytest.mark.parametrize("per_s", [1 / 64, 0.3, 1, 19.5, 2000])
def test_a_bucket_holds_what_envoy_takes(per_s: float) -> None:
    (bucket, _) = (decoded(one) for one in buckets(Rate(per_s, 1)).values())
    assert isinstance(bucket, type_v3.TokenBucket)
    assert bucket.fill_interval.seconds + bucket.fill_interval.nanos / 1e9 >= 0.05
    assert (bucket.max_tokens, bucket.tokens_per_fill.value) == (1, max(1, round(per_s)))
