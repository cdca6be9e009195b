"""What is kept per proxy: sets, refusals, last good versions."""

from crossfade.envoy.names import TRIAL_LISTENER
from crossfade.envoy.proto import cluster_v3, listener_v3
from crossfade.envoy.resource_set import Resource, ResourceSet, ResourceType, encoded
from crossfade.xds.publisher import Publisher, Rejection, Subscription
from crossfade.xds.session import Accepted, Rejected, Verdict

CLUSTER = ResourceType.CLUSTER


def version(number: int) -> Resource:
    return encoded("a", cluster_v3.Cluster(name="a", alt_stat_name=str(number)))


def with_version(number: int) -> ResourceSet:
    return ResourceSet({CLUSTER: {"a": version(number)}})


def rejected(number: int) -> Rejected:
    return Rejected(CLUSTER, "a", version(number), "no")


def accepted(number: int) -> Accepted:
    return Accepted(CLUSTER, {"a": version(number)})


async def test_an_equal_set_wakes_nobody() -> None:
    publisher = Publisher()
    publisher.publish("p", with_version(1))
    subscription = publisher.connect("p")
    subscription.changed.clear()
    publisher.publish("p", with_version(1))
    assert not subscription.changed.is_set()
    publisher.publish("other", with_version(2))
    assert not subscription.changed.is_set()
    publisher.publish("p", with_version(2))
    assert subscription.changed.is_set()


async def test_the_last_good_version_stands_in_for_a_refused_one() -> None:
    seen: list[Rejection] = []
    publisher = Publisher(on_rejected=seen.append)
    subscription = publisher.connect("p")
    subscription.node = "ns/pod"
    publisher.publish("p", with_version(1))
    subscription.report(accepted(1))
    publisher.publish("p", with_version(2))
    subscription.report(rejected(2))
    assert seen == [Rejection("p", "ns/pod", rejected(2))]
    assert publisher.connect("p").resources == with_version(1)
    publisher.publish("p", with_version(3))
    assert subscription.resources == with_version(3)


async def test_without_a_good_version_a_refused_resource_is_not_taken_away() -> None:
    """Else a control plane that starts anew would remove what the proxy has had from the one before."""
    publisher = Publisher()
    subscription = publisher.connect("p")
    publisher.publish("p", with_version(1))
    subscription.report(rejected(1))
    assert subscription.resources == with_version(1)


async def test_a_trial_comes_in_addition_and_its_verdict_counts_for_nothing_else() -> None:
    verdicts: list[tuple[str, Verdict]] = []
    seen: list[Rejection] = []
    publisher = Publisher(on_rejected=seen.append, on_trial=lambda proxy, verdict: verdicts.append((proxy, verdict)))
    subscription = publisher.connect("p")
    publisher.publish("p", with_version(1))
    trial = encoded(TRIAL_LISTENER, listener_v3.Listener(name=TRIAL_LISTENER))
    subscription.changed.clear()
    publisher.try_out("p", trial)
    assert subscription.changed.is_set()
    assert subscription.resources == with_version(1).with_resource(ResourceType.LISTENER, TRIAL_LISTENER, trial)
    refusal = Rejected(ResourceType.LISTENER, TRIAL_LISTENER, trial, "no")
    acceptance = Accepted(ResourceType.LISTENER, {TRIAL_LISTENER: trial})
    subscription.report(refusal)
    subscription.report(acceptance)
    assert verdicts == [("p", refusal), ("p", acceptance)]
    assert seen == []
    publisher.try_out("p", None)
    assert subscription.resources == with_version(1)


async def test_what_another_proxy_of_the_same_key_takes_is_good() -> None:
    publisher = Publisher()
    one, two = publisher.connect("p"), publisher.connect("p")
    publisher.publish("p", with_version(1))
    one.report(rejected(1))
    two.report(accepted(1))
    publisher.publish("p", ResourceSet({}))
    publisher.publish("p", with_version(1))
    assert one.resources == with_version(1)


async def test_connected_and_published() -> None:
    publisher = Publisher()
    subscription = publisher.connect("p")
    subscription.node = "ns/pod"
    publisher.publish("q", with_version(1))
    assert publisher.connected() == {"p": ["ns/pod"]}
    assert publisher.published() == {"q"}
    subscription.close()
    publisher.withdraw("q")
    assert publisher.connected() == {}
    assert publisher.published() == frozenset()


async def test_it_tells_when_a_proxy_has_what_was_published() -> None:
    told: list[str] = []
    publisher = Publisher(on_taken=told.append)
    publisher.publish("p", with_version(1))
    assert not publisher.is_taken("p")
    one, two = publisher.connect("p"), publisher.connect("p")
    one.settle(with_version(1))
    assert told == []
    two.settle(with_version(1))
    assert told == ["p"]
    two.settle(with_version(1))
    assert told == ["p"]
    publisher.publish("p", with_version(2))
    assert not publisher.is_taken("p")
    one.settle(with_version(1))
    two.close()
    one.settle(with_version(2))
    assert told == ["p", "p"]


async def test_what_was_refused_is_not_waited_for() -> None:
    told: list[str] = []
    publisher = Publisher(on_taken=told.append)
    subscription = publisher.connect("p")
    publisher.publish("p", with_version(1))
    subscription.report(rejected(1))
    subscription.settle(with_version(1))
    assert told == ["p"]
    assert publisher.is_taken("p")


def shown(number: int) -> Resource:
    """In place of that version, to streams that can take it."""
    return encoded("a", cluster_v3.Cluster(name="a", alt_stat_name=f"shown {number}"))._replace(
        published=version(number)
    )


async def test_what_a_stream_is_shown_counts_as_what_was_published() -> None:
    seen: list[Rejection] = []

    def view(stream: Subscription, resources: ResourceSet) -> ResourceSet:
        if "feature" not in stream.features:
            return resources
        number = 1 if resources == with_version(1) else 2
        return resources.replacing(CLUSTER, {"a": shown(number)})

    taken: list[str] = []
    publisher = Publisher(on_rejected=seen.append, on_taken=taken.append, view=view)
    old, new = publisher.connect("p"), publisher.connect("p")
    new.introduce("ns/new", {}, {"feature"})
    publisher.publish("p", with_version(1))
    assert old.resources == with_version(1)
    assert new.resources == ResourceSet({CLUSTER: {"a": shown(1)}})
    new.report(Accepted(CLUSTER, {"a": shown(1)}))
    for stream in (old, new):
        assert not publisher.is_taken("p")
        assert stream.resources is not None
        stream.settle(stream.resources)
    assert publisher.is_taken("p")
    assert taken == ["p"]
    publisher.publish("p", with_version(2))
    new.report(Rejected(CLUSTER, "a", shown(2), "no"))
    assert [one.rejected for one in seen] == [rejected(2)]
    assert old.resources == with_version(1)
    assert new.resources == ResourceSet({CLUSTER: {"a": shown(1)}})
