"""What each proxy is to have, who is connected, and which resources were refused.

A refused version is replaced by the last one that was taken, until it changes; so a proxy that starts anew gets a set
that works. Where none is known the refused one stays in the set, for leaving it out would mean removing it: a proxy
that has an older one from before this process started goes on with that.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from types import MappingProxyType
from typing import NamedTuple, Protocol

from crossfade.envoy.names import TRIAL_LISTENER
from crossfade.envoy.resource_set import Resource, ResourceSet, ResourceType
from crossfade.xds.session import Accepted, Rejected, Verdict
from crossfade_kube.tally import Durations


class PeerRefusedError(Exception):
    """What the proxy says of itself cannot be used; it gets to read the text."""


class Rejection(NamedTuple):
    """One proxy's refusal; `node` is the id it gave itself (`<namespace>/<pod>`)."""

    proxy: str
    node: str
    rejected: Rejected


Key = tuple[ResourceType, str]
View = Callable[["Subscription", ResourceSet], ResourceSet]
"""Of a proxy's resources those of one of its streams. The names are the same; what is to be taken for the proxy's own
when it is refused says so (`Resource.published`)."""


class _Proxy:
    def __init__(self) -> None:
        self.published: ResourceSet | None = None
        self.effective: ResourceSet | None = None
        self.good: dict[Key, Resource] = {}
        self.bad: dict[Key, str] = {}
        self.trial: Resource | None = None
        self.buckets: Mapping[str, Resource] | None = None
        self.subscriptions: set[Subscription] = set()
        self.was_taken = False
        self.names: object = None
        """Those that `good` was last cleared for."""
        self.changed_at = 0.0
        """When `effective` became what it is."""


class Pushes:
    """What has gone to proxies; `convergence` is from a change to the answer of one stream for all of it."""

    def __init__(self) -> None:
        self.responses: Counter[ResourceType] = Counter()
        self.bytes: Counter[ResourceType] = Counter()
        self.refused: Counter[ResourceType] = Counter()
        self.convergence = Durations()
        self.settled_at_s = 0.0
        """Unix time of the last such answer; 0 before the first."""


class Subscription:
    """One stream's view: `changed` is set whenever `resources` may differ from what it last saw."""

    def __init__(self, publisher: "Publisher", proxy: str) -> None:
        self._publisher = publisher
        self.proxy = proxy
        self.node = ""
        self.changed = asyncio.Event()
        self.told: Mapping[str, str] = MappingProxyType({})
        """Settings that the proxy has in its own environment."""
        self.features: AbstractSet[str] = frozenset()
        """What it brings along (`names.PROXY_FEATURES`)."""
        self.settled: ResourceSet | None = None
        """What the stream's proxy has answered for last, taken or refused."""

    @property
    def resources(self) -> ResourceSet | None:
        """None until something was published for this proxy."""
        return self._publisher.shown(self)

    def introduce(self, node: str, told: Mapping[str, str], features: AbstractSet[str] = frozenset()) -> None:
        """Raises PeerRefusedError."""
        self.node, self.told, self.features = node, told, features
        self._publisher.note_introduced(self)

    def report(self, verdict: Verdict) -> None:
        self._publisher.record(self, verdict)

    def note_response(self, kind: ResourceType, size: int) -> None:
        self._publisher.pushes.responses[kind] += 1
        self._publisher.pushes.bytes[kind] += size

    def settle(self, resources: ResourceSet) -> None:
        """The proxy has answered for all of these that it asked for."""
        if self.settled is not resources:
            self._publisher.note_settled(self.proxy)
        self.settled = resources
        self._publisher.note_taken(self.proxy)

    def close(self) -> None:
        self._publisher.disconnect(self)


class Peers(Protocol):
    """Who wants to know of each stream who is at its other end."""

    def introduced(self, subscription: Subscription) -> None:
        """Before the stream gets anything. May raise PeerRefusedError."""

    def left(self, subscription: Subscription) -> None:
        """Also of a stream that never introduced itself."""


class Publisher:
    """Belongs to one event loop. `on_rejected` is called at most once per refusing stream and version.

    `on_trial` gets proxy and verdict on what was given to `try_out`, `on_taken` a proxy's key when `is_taken` has
    become true of it. A stream is shown what `view` makes of its proxy's resources.
    """

    def __init__(
        self,
        *,
        on_rejected: Callable[[Rejection], None] | None = None,
        on_trial: Callable[[str, Verdict], None] | None = None,
        on_taken: Callable[[str], None] | None = None,
        peers: Peers | None = None,
        view: View | None = None,
    ) -> None:
        self.pushes = Pushes()
        self._view = view
        self._buckets: Mapping[str, Resource] = MappingProxyType({})
        self._proxies: dict[str, _Proxy] = {}
        self._on_rejected = on_rejected
        self._on_trial = on_trial
        self._on_taken = on_taken
        self._peers = peers

    def publish(self, proxy: str, resources: ResourceSet) -> None:
        """An equal set wakes nobody. `proxy` is the key that authentication gives a stream."""
        state = self._proxies.setdefault(proxy, _Proxy())
        if state.published == resources:
            return
        state.published = resources
        self._refresh(state)
        self.note_taken(proxy)

    def try_out(self, proxy: str, listener: Resource | None) -> None:
        """Shows a listener of the name `TRIAL_LISTENER` to the proxy in addition; None takes it away."""
        state = self._proxies.get(proxy)
        if state is not None:
            state.trial = listener
            self._refresh(state)

    def set_buckets(self, buckets: Mapping[str, Resource]) -> None:
        """By which proxies limit what they tell of requests, where `set_buckets_of` says nothing else."""
        if buckets == self._buckets:
            return
        self._buckets = buckets
        for state in self._proxies.values():
            if state.buckets is None:
                self._refresh(state)

    def set_buckets_of(self, proxy: str, buckets: Mapping[str, Resource] | None) -> None:
        state = self._proxies.get(proxy)
        if state is not None and state.buckets != buckets:
            state.buckets = buckets
            self._refresh(state)

    def withdraw(self, proxy: str) -> None:
        """Connected proxies keep what they have; new ones wait."""
        state = self._proxies.get(proxy)
        if state is not None:
            state.published = state.effective = None
            self._forget_if_unused(proxy)

    def published(self) -> frozenset[str]:
        return frozenset(proxy for proxy, state in self._proxies.items() if state.published is not None)

    def is_taken(self, proxy: str) -> bool:
        """Every stream that is open has what was published, except for what was refused."""
        state = self._proxies.get(proxy)
        if state is None or state.effective is None:
            return False
        return bool(state.subscriptions) and all(one.settled == self.shown(one) for one in state.subscriptions)

    def connected(self) -> dict[str, list[str]]:
        """Proxy key to the nodes whose streams are open."""
        return {
            proxy: sorted(subscription.node for subscription in state.subscriptions)
            for proxy, state in self._proxies.items()
            if state.subscriptions
        }

    def stale(self, after_s: float) -> int:
        """Streams that have not answered for what changed more than so long ago."""
        before = time.monotonic() - after_s
        late = [state for state in self._proxies.values() if state.effective is not None and state.changed_at < before]
        return sum(one.settled != self.shown(one) for state in late for one in state.subscriptions)

    def held_back(self) -> int:
        """Resources that are refused, so that proxies have a version from before, or none."""
        return sum(len(state.bad) for state in self._proxies.values())

    def size_bytes(self) -> int:
        """Of all that proxies are to have, each kind of proxy once."""
        shown = (state.effective for state in self._proxies.values() if state.effective is not None)
        return sum(len(one.framed) for each in shown for kind in ResourceType for one in each.of(kind).values())

    # --- for the server ----------------------------------------------------------------------------------------

    def connect(self, proxy: str) -> Subscription:
        subscription = Subscription(self, proxy)
        self._proxies.setdefault(proxy, _Proxy()).subscriptions.add(subscription)
        subscription.changed.set()
        return subscription

    def disconnect(self, subscription: Subscription) -> None:
        state = self._proxies.get(subscription.proxy)
        if state is not None:
            state.subscriptions.discard(subscription)
            self.note_taken(subscription.proxy)
            self._forget_if_unused(subscription.proxy)
        if self._peers is not None:
            self._peers.left(subscription)

    def note_introduced(self, subscription: Subscription) -> None:
        if self._peers is not None:
            self._peers.introduced(subscription)

    def note_settled(self, proxy: str) -> None:
        self.pushes.convergence.add(time.monotonic() - self._proxies[proxy].changed_at)
        self.pushes.settled_at_s = time.time()

    def note_taken(self, proxy: str) -> None:
        if self._on_taken is None:
            # Counts over all streams of the proxy, at each answer of each.
            return
        state = self._proxies[proxy]
        was_taken, state.was_taken = state.was_taken, self.is_taken(proxy)
        if state.was_taken and not was_taken:
            self._on_taken(proxy)

    def shown(self, subscription: Subscription) -> ResourceSet | None:
        resources = self.effective(subscription.proxy)
        if resources is None or self._view is None:
            return resources
        return self._view(subscription, resources)

    def look_again(self, nodes: AbstractSet[str]) -> None:
        """What `view` gives for these may be different now."""
        for state in self._proxies.values():
            for subscription in state.subscriptions:
                if subscription.node in nodes:
                    subscription.changed.set()

    def effective(self, proxy: str) -> ResourceSet | None:
        state = self._proxies.get(proxy)
        return state.effective if state is not None else None

    def record(self, subscription: Subscription, verdict: Verdict) -> None:
        state = self._proxies[subscription.proxy]
        if _is_on_trial(verdict):
            if self._on_trial is not None:
                self._on_trial(subscription.proxy, verdict)
            return
        if isinstance(verdict, Accepted):
            self._record_good(state, verdict)
            return
        verdict = verdict._replace(resource=_as_published(verdict.resource))
        self.pushes.refused[verdict.kind] += 1
        state.bad[verdict.kind, verdict.name] = verdict.resource.version
        self._refresh(state)
        if self._on_rejected is not None:
            self._on_rejected(Rejection(subscription.proxy, subscription.node, verdict))
        self.note_taken(subscription.proxy)

    def _record_good(self, state: _Proxy, accepted: Accepted) -> None:
        """A version that one proxy refused and another took counts as good: the fault is the first one's."""
        for name, shown in accepted.resources.items():
            key, resource = (accepted.kind, name), _as_published(shown)
            state.good[key] = resource
            if state.bad.get(key) == resource.version:
                del state.bad[key]

    def _refresh(self, state: _Proxy) -> None:
        published = state.published
        if published is None:
            return
        state.bad = {
            (kind, name): version
            for (kind, name), version in state.bad.items()
            if name in published.of(kind) and published.of(kind)[name].version == version
        }
        if state.names is not published.names:
            state.names = published.names
            state.good = {(kind, name): good for (kind, name), good in state.good.items() if name in published.of(kind)}
        effective = _without_bad(published, state.bad, state.good)
        buckets = self._buckets if state.buckets is None else state.buckets
        if buckets:
            effective = effective.beside(ResourceType.BUCKET, buckets)
        if state.trial is not None:
            effective = effective.with_resource(ResourceType.LISTENER, TRIAL_LISTENER, state.trial)
        if effective != state.effective:
            state.effective, state.changed_at = effective, time.monotonic()
            for subscription in state.subscriptions:
                subscription.changed.set()

    def _forget_if_unused(self, proxy: str) -> None:
        state = self._proxies[proxy]
        if state.published is None and not state.subscriptions:
            del self._proxies[proxy]


def _without_bad(published: ResourceSet, bad: dict[Key, str], good: dict[Key, Resource]) -> ResourceSet:
    if not bad:
        return published
    by_type: dict[ResourceType, dict[str, Resource]] = {}
    for kind in ResourceType:
        by_type[kind] = dict(published.of(kind))
        for bad_kind, name in bad:
            if bad_kind is kind and (kind, name) in good:
                by_type[kind][name] = good[kind, name]
    return ResourceSet(by_type)


def _as_published(resource: Resource) -> Resource:
    return resource.published or resource


def _is_on_trial(verdict: Verdict) -> bool:
    """Listeners are answered one by one."""
    if verdict.kind is not ResourceType.LISTENER:
        return False
    return verdict.name == TRIAL_LISTENER if isinstance(verdict, Rejected) else TRIAL_LISTENER in verdict.resources
