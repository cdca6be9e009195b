"""The delta protocol of one ADS stream, without any I/O.

Requests go in with `receive`, what the proxy is to have with `update`; `due` gives the responses to write now. Clusters
and their endpoints go first; listeners and routes follow once the proxy has taken them (`is_holding` until then), and
what nothing needs any more goes last, so that no request meets a cluster that is not there.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from crossfade.compile.model import carried_endpoints, other_endpoints
from crossfade.envoy.proto import discovery_v3, endpoint_v3
from crossfade.envoy.resource_set import Resource, ResourceSet, ResourceType, encoded, varint

PUSH_ORDER: Final = (
    ResourceType.BUCKET,
    ResourceType.CLUSTER,
    ResourceType.ENDPOINTS,
    ResourceType.SECRET,
    ResourceType.LISTENER,
    ResourceType.ROUTES,
    ResourceType.EXTENSION,
)
# What must have been taken before a type may follow. The gateway's tables send requests to clusters and by routes.
FIRST: Final[Mapping[ResourceType, frozenset[ResourceType]]] = {
    ResourceType.LISTENER: frozenset({ResourceType.CLUSTER}),
    ResourceType.ROUTES: frozenset({ResourceType.CLUSTER}),
    ResourceType.EXTENSION: frozenset({ResourceType.CLUSTER, ResourceType.ROUTES}),
}
ROUTING: Final = frozenset({ResourceType.LISTENER, ResourceType.EXTENSION, ResourceType.ROUTES})
_ROUTING_AND_CLUSTERS: Final = ROUTING | {ResourceType.CLUSTER}
SENT_ALONE: Final = ROUTING | {ResourceType.SECRET}
WILDCARD: Final = "*"
UNKNOWN_VERSION: Final = ""
SECRETS_ALONE: Final = frozenset({ResourceType.SECRET})


class Accepted(NamedTuple):
    """The proxy took these."""

    kind: ResourceType
    resources: Mapping[str, Resource]


class Rejected(NamedTuple):
    """The proxy refused this one and keeps what it had; `reason` is Envoy's text."""

    kind: ResourceType
    name: str
    resource: Resource
    reason: str


Verdict = Accepted | Rejected


class _Sent(NamedTuple):
    kind: ResourceType
    resources: dict[str, Resource]
    previous: dict[str, str]


class _Interest:
    """What the proxy asked for, of one type, and what it has."""

    def __init__(self) -> None:
        self.is_wildcard = False
        self.names: set[str] = set()
        self.versions: dict[str, str] = {}
        self.owed: set[str] = set()
        """To be sent even if the version is known: the proxy asked again, or a cluster waits for its endpoints."""
        self.owes_greeting = False
        """A first wildcard request is answered even with nothing, else the proxy waits."""
        self.alone: set[str] = set()
        """Were part of a refused response: sent one by one, to learn which one is bad."""
        self.refused: dict[str, str] = {}
        self.base: ResourceSet | None = None
        """What the proxy was last sent all of, of this type: only what differs from it is looked at.

        None: all is compared.
        """
        self.leaving: set[str] = set()
        """To be removed, where the proxy has them."""


class Session:
    """State of one stream."""

    def __init__(
        self,
        on_response: Callable[[ResourceType, int], None] = lambda _kind, _size: None,
        *,
        secrets_alone: bool = False,
    ) -> None:
        """`on_response` gets the type and the size in bytes of each that is made.

        With `secrets_alone` another control plane decides what the proxy does with them: it is asked for no other type,
        and keeps, or waits for, a secret that is not there.
        """
        self._on_response = on_response
        self._kinds = SECRETS_ALONE if secrets_alone else frozenset(ResourceType)
        self._takes_away = not secrets_alone
        self._interests: dict[ResourceType, _Interest] = {}
        self._wanted: ResourceSet | None = None
        self._sent: dict[str, _Sent] = {}
        self._awaited: set[str] = set()
        self._awaiting_endpoints: set[str] = set()
        """Of clusters that were sent, until the proxy asks for them: it may not do so for all."""
        self._may_owe_endpoints = False
        """Either of the two has grown since they were last compared."""
        self._nonce = 0
        self._may_be_due = False
        """Something has happened since `due` was asked. Most answers of proxies change nothing."""

    @property
    def is_holding(self) -> bool:
        """Something waits for the proxy's answer; after a while the caller should `stop_holding`."""
        return bool(self._awaited)

    @property
    def is_settled(self) -> bool:
        """The proxy has asked and has answered for everything that it was sent.

        With nothing `due` it has what it is to have, of the types that it has asked for until now.
        """
        return self._wanted is not None and bool(self._interests) and not self._sent

    def stop_holding(self) -> None:
        """A cluster may warm for long (DNS, health checks); the rest must not wait for ever."""
        self._awaited.clear()
        self._may_be_due = True

    def update(self, wanted: ResourceSet) -> None:
        self._may_be_due = self._may_be_due or wanted is not self._wanted
        self._wanted = wanted

    # --- requests ----------------------------------------------------------------------------------------------

    def receive(self, request: discovery_v3.DeltaDiscoveryRequest) -> list[Verdict]:
        """A type that Crossfade does not serve is answered with nothing, as if there were no such resources."""
        try:
            kind = ResourceType(request.type_url)
        except ValueError:
            return []
        if kind not in self._kinds:
            return []
        verdicts = self._answered(request)
        interest = self._interests.get(kind)
        if interest is None:
            self._may_be_due = True
            interest = self._interests[kind] = _Interest()
            interest.versions.update(request.initial_resource_versions)
            if not request.resource_names_subscribe:
                interest.is_wildcard = interest.owes_greeting = True
        if request.resource_names_subscribe or request.resource_names_unsubscribe:
            self._may_be_due = self._may_owe_endpoints = True
            self._subscribe(interest, request)
        return verdicts

    @staticmethod
    def _subscribe(interest: _Interest, request: discovery_v3.DeltaDiscoveryRequest) -> None:
        interest.base = None
        for name in request.resource_names_subscribe:
            if name == WILDCARD:
                interest.is_wildcard = interest.owes_greeting = True
            else:
                interest.names.add(name)
                # On a new stream the proxy tells what it has; then asking again is a formality.
                if name not in request.initial_resource_versions:
                    interest.owed.add(name)
        for name in request.resource_names_unsubscribe:
            if name == WILDCARD:
                interest.is_wildcard = False
            interest.names.discard(name)
            interest.owed.discard(name)
            if not interest.is_wildcard:
                interest.versions.pop(name, None)

    def _answered(self, request: discovery_v3.DeltaDiscoveryRequest) -> list[Verdict]:
        sent = self._sent.pop(request.response_nonce, None)
        if sent is None:
            return []
        if request.response_nonce in self._awaited:
            self._awaited.discard(request.response_nonce)
            self._may_be_due = True
        interest = self._interests[sent.kind]
        if not request.HasField("error_detail"):
            interest.alone.difference_update(sent.resources)
            return [Accepted(sent.kind, sent.resources)] if sent.resources else []
        interest.base = None
        self._may_be_due = True
        for name in sent.resources:
            self._restore(interest, name, sent)
        if len(sent.resources) > 1:
            interest.alone.update(sent.resources)
            return []
        for name, resource in sent.resources.items():
            interest.alone.discard(name)
            interest.refused[name] = resource.version
            return [Rejected(sent.kind, name, resource, request.error_detail.message)]
        return []

    @staticmethod
    def _restore(interest: _Interest, name: str, sent: _Sent) -> None:
        """The proxy still has what it had, unless something newer is on its way already.

        Of several refused together it may have taken some, so each must be sent or removed again.
        """
        if interest.versions.get(name) != sent.resources[name].version:
            return
        if len(sent.resources) > 1:
            interest.versions[name] = UNKNOWN_VERSION
        elif name in sent.previous:
            interest.versions[name] = sent.previous[name]
        else:
            del interest.versions[name]

    # --- responses ---------------------------------------------------------------------------------------------

    def due(self) -> list[bytes]:
        """Encoded `DeltaDiscoveryResponse`s, in the order in which they must be written."""
        if self._wanted is None or not self._may_be_due:
            return []
        self._may_be_due = False
        responses: list[bytes] = []
        for kind in PUSH_ORDER:
            if kind in FIRST and self._awaits(FIRST[kind]):
                return responses
            interest = self._interests.get(kind)
            if interest is not None and self._may_lack(interest, kind, self._wanted):
                responses += self._additions(interest, kind, self._wanted)
        if self._takes_away and not self._awaits(_ROUTING_AND_CLUSTERS):
            for kind in reversed(PUSH_ORDER):
                interest = self._interests.get(kind)
                if interest is not None and interest.leaving:
                    responses += self._removals(interest, kind)
        return responses

    def _awaits(self, kinds: frozenset[ResourceType]) -> bool:
        # Asked for each stream and change, when most await nothing.
        return bool(self._awaited) and any(self._sent[nonce].kind in kinds for nonce in self._awaited)

    def _may_lack(self, interest: _Interest, kind: ResourceType, wanted: ResourceSet) -> bool:
        """Of most types most changes change nothing."""
        if kind is ResourceType.ENDPOINTS and self._may_owe_endpoints:
            self._may_owe_endpoints = False
            interest.owed |= interest.names & self._awaiting_endpoints
            self._awaiting_endpoints -= interest.names
        if interest.base is None or interest.owed or interest.owes_greeting:
            return True
        return interest.base.version_of(kind) != wanted.version_of(kind)

    def _additions(self, interest: _Interest, kind: ResourceType, wanted_set: ResourceSet) -> Iterator[bytes]:
        wanted = wanted_set.of(kind)
        candidates = self._candidates(interest, kind, wanted_set)
        changed = {name: wanted[name] for name in candidates if self._needs(interest, name, wanted)}
        missing = sorted(interest.owed.difference(wanted)) if self._takes_away else []
        interest.owed.clear()
        interest.base = wanted_set
        if kind is ResourceType.ENDPOINTS:
            # A cluster that has changed over keeps the endpoints of its former kind until it has those of the new one.
            unknown = [name for name in missing if other_endpoints(name) not in wanted]
            changed |= {name: _no_endpoints(name) for name in unknown}
            interest.leaving.update(unknown)
            missing = []
        if kind is ResourceType.CLUSTER:
            self._owe_endpoints(changed)
        # Routes and listeners are few and large, clusters many and small: only the latter share a response. A secret
        # that Envoy has refused together with others it would not look at again.
        single = [name for name in changed if kind in SENT_ALONE or name in interest.alone]
        together = {name: changed[name] for name in changed if name not in single}
        if together or missing or (interest.owes_greeting and not single):
            yield self._response(kind, together, missing)
        for name in single:
            yield self._response(kind, {name: changed[name]}, ())
        interest.owes_greeting = False

    @staticmethod
    def _candidates(interest: _Interest, kind: ResourceType, wanted_set: ResourceSet) -> list[str]:
        """Names of which there is something that the proxy may lack, sorted; notes what it may have too much."""
        wanted, base = wanted_set.of(kind), interest.base
        if base is None:
            interest.leaving = set(interest.versions.keys() - wanted.keys())
            return list(wanted) if interest.is_wildcard else sorted(interest.names & wanted.keys())
        differing = wanted_set.differing(kind, base)
        gone = differing - wanted.keys()
        interest.leaving -= differing
        interest.leaving |= gone
        asked = differing if interest.is_wildcard else differing & interest.names
        return sorted((asked | interest.owed) & wanted.keys())

    @staticmethod
    def _needs(interest: _Interest, name: str, wanted: Mapping[str, Resource]) -> bool:
        version = wanted[name].version
        if interest.refused.get(name) == version:
            return False
        return name in interest.owed or interest.versions.get(name) != version

    def _owe_endpoints(self, clusters: Mapping[str, Resource]) -> None:
        """A cluster that changed waits for its endpoints even if those did not change (15 s, then it goes on empty).

        On a new stream that may be before the proxy asked for endpoints at all.
        """
        self._awaiting_endpoints.update(clusters, map(carried_endpoints, clusters))
        self._may_owe_endpoints = True

    def _removals(self, interest: _Interest, kind: ResourceType) -> Iterator[bytes]:
        gone = sorted(interest.leaving & interest.versions.keys())
        interest.leaving.clear()
        if kind is ResourceType.CLUSTER:
            self._awaiting_endpoints.difference_update(gone, map(carried_endpoints, gone))
        if gone:
            yield self._response(kind, {}, gone)

    def _response(self, kind: ResourceType, resources: dict[str, Resource], removed: Sequence[str]) -> bytes:
        self._nonce += 1
        nonce = str(self._nonce)
        interest = self._interests[kind]
        versions = interest.versions
        previous = {name: versions[name] for name in resources if name in versions}
        versions.update({name: resource.version for name, resource in resources.items()})
        for name in removed:
            versions.pop(name, None)
        self._sent[nonce] = _Sent(kind, resources, previous)
        if kind is not ResourceType.ENDPOINTS:
            self._awaited.add(nonce)
        response = encoded_response(kind, resources.values(), removed, nonce)
        self._on_response(kind, len(response))
        return response


def _no_endpoints(cluster: str) -> Resource:
    """For a cluster that is about to go: as long as it waits for endpoints the proxy takes no other cluster."""
    return encoded(cluster, endpoint_v3.ClusterLoadAssignment(cluster_name=cluster))


def encoded_response(kind: ResourceType, resources: Iterable[Resource], removed: Iterable[str], nonce: str) -> bytes:
    """A `DeltaDiscoveryResponse` by joining ready parts: protobuf fields may be concatenated."""
    parts = [resource.framed for resource in resources]
    parts.append(_text(b"\x22", kind))
    parts.append(_text(b"\x2a", nonce))
    parts.extend(_text(b"\x32", name) for name in removed)
    return b"".join(parts)


def _text(tag: bytes, value: str) -> bytes:
    raw = value.encode()
    return tag + varint(len(raw)) + raw
