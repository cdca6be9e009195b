"""What one proxy is to have, encoded once: a version and ready bytes per resource."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from hashlib import blake2b
from types import MappingProxyType
from typing import Final, NamedTuple

from google.protobuf.message import Message

from crossfade.envoy.proto import TYPE_PREFIX, discovery_v3, duration, packed


class ResourceType(StrEnum):
    """The value is the type URL."""

    BUCKET = TYPE_PREFIX + "envoy.type.v3.TokenBucket"
    CLUSTER = TYPE_PREFIX + "envoy.config.cluster.v3.Cluster"
    ENDPOINTS = TYPE_PREFIX + "envoy.config.endpoint.v3.ClusterLoadAssignment"
    LISTENER = TYPE_PREFIX + "envoy.config.listener.v3.Listener"
    SECRET = TYPE_PREFIX + "envoy.extensions.transport_sockets.tls.v3.Secret"
    EXTENSION = TYPE_PREFIX + "envoy.config.core.v3.TypedExtensionConfig"
    ROUTES = TYPE_PREFIX + "envoy.config.route.v3.RouteConfiguration"


class Resource(NamedTuple):
    """`framed` is the entry of `DeltaDiscoveryResponse.resources` with tag and length: responses are joined bytes."""

    version: str
    framed: bytes
    published: "Resource | None" = None
    """What some proxies are shown this one in place of."""

    def __repr__(self) -> str:
        # The bytes of a listener or secret hold private keys.
        return f"Resource({self.version}, {len(self.framed)} bytes)"


RESOURCES_TAG: Final = b"\x12"
_DIGEST_BYTES: Final = 16
_MODULUS: Final = 1 << 8 * _DIGEST_BYTES
NOTHING: Final[Mapping[str, Resource]] = MappingProxyType({})


class _Differing(NamedTuple):
    """`since` is the digest of what the `names` differ from."""

    since: int
    names: frozenset[str]


class ResourceSet:
    """Immutable. Equal sets have equal bytes; names within a type are sorted.

    `names` is one object for sets that were made of one another with the same names throughout.
    """

    __slots__ = ("_by_type", "_differing", "_digests", "names", "version")

    def __init__(self, by_type: Mapping[ResourceType, Mapping[str, Resource]]) -> None:
        self._by_type: Mapping[ResourceType, Mapping[str, Resource]] = {
            kind: MappingProxyType(dict(sorted(by_type[kind].items()))) for kind in ResourceType if by_type.get(kind)
        }
        self._digests = {kind: _digest(resources) for kind, resources in self._by_type.items()}
        self._differing: dict[ResourceType, _Differing] = {}
        self.names: object = object()
        self.version: str = _version(self._digests)

    def version_of(self, kind: ResourceType) -> int:
        """Of all resources of a type; 0 if there are none."""
        return self._digests.get(kind, 0)

    def of(self, kind: ResourceType) -> Mapping[str, Resource]:
        """Name to resource, sorted by name."""
        return self._by_type.get(kind, NOTHING)

    def differing(self, kind: ResourceType, before: "ResourceSet") -> frozenset[str]:
        """All names that are new, gone or other than `before`; found once for all that had the same before."""
        digest = before.version_of(kind)
        known = self._differing.get(kind)
        if known is None or known.since != digest:
            now, old = self.of(kind), before.of(kind)
            other = (name for name, resource in now.items() if name not in old or old[name].version != resource.version)
            known = self._differing[kind] = _Differing(digest, frozenset(other) | (old.keys() - now.keys()))
        return known.names

    def with_all(self, kind: ResourceType, resources: Mapping[str, Resource]) -> "ResourceSet":
        """In addition to those of this type, or instead of them by name."""
        return ResourceSet({**self._by_type, kind: {**self.of(kind), **resources}}) if resources else self

    def with_resource(self, kind: ResourceType, name: str, resource: Resource) -> "ResourceSet":
        """In addition, or instead of the one of that name."""
        return ResourceSet({**self._by_type, kind: {**self.of(kind), name: resource}})

    def beside(self, kind: ResourceType, resources: Mapping[str, Resource]) -> "ResourceSet":
        """With these and no others of a type: costs nothing for those of other types."""
        made: ResourceSet = ResourceSet.__new__(ResourceSet)
        made._by_type = {**self._by_type, kind: MappingProxyType(dict(sorted(resources.items())))}
        made._digests = {**self._digests, kind: _digest(resources)}
        made._differing = {other: known for other, known in self._differing.items() if other is not kind}
        made.names = self.names
        made.version = _version(made._digests)
        return made

    def replacing(self, kind: ResourceType, changes: Mapping[str, Resource]) -> "ResourceSet":
        """With other resources for names that it has: costs little more than what changed."""
        old = self._by_type[kind]
        digest = self._digests[kind]
        for name, resource in changes.items():
            digest += _weight(name, resource) - _weight(name, old[name])
        made: ResourceSet = ResourceSet.__new__(ResourceSet)
        made._by_type = {**self._by_type, kind: MappingProxyType({**old, **changes})}
        made._digests = {**self._digests, kind: digest % _MODULUS}
        made._differing = {kind: _Differing(self._digests[kind], frozenset(changes))}
        made.names = self.names
        made.version = _version(made._digests)
        return made

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ResourceSet) and self.version == other.version

    def __hash__(self) -> int:
        return hash(self.version)

    def __repr__(self) -> str:
        counts = ", ".join(f"{kind.name.lower()}: {len(found)}" for kind, found in self._by_type.items())
        return f"ResourceSet({self.version}, {counts})"


def _digest(resources: Mapping[str, Resource]) -> int:
    """A sum, so that a change of one resource need not look at the others."""
    return sum(_weight(name, resource) for name, resource in resources.items()) % _MODULUS


def _weight(name: str, resource: Resource) -> int:
    return int.from_bytes(blake2b(f"{name} {resource.version}".encode(), digest_size=_DIGEST_BYTES).digest())


def _version(digests: Mapping[ResourceType, int]) -> str:
    return blake2b(repr(sorted(digests.items())).encode(), digest_size=8).hexdigest()


EMPTY: Final = ResourceSet({})


def encoded(name: str, message: Message) -> Resource:
    """The version is a hash of the content."""
    body = packed(message)
    version = blake2b(body.value, digest_size=8).hexdigest()
    return _framed(discovery_v3.Resource(name=name, version=version, resource=body))


def leased(name: str, message: Message, ttl_s: int, *, renewal: int) -> Resource:
    """A proxy drops it after the time, unless it has got that of another `renewal` by then."""
    body = packed(message)
    version = f"{blake2b(body.value, digest_size=8).hexdigest()}-{renewal}"
    return _framed(discovery_v3.Resource(name=name, version=version, resource=body, ttl=duration(ttl_s)))


def _framed(resource: discovery_v3.Resource) -> Resource:
    entry = resource.SerializeToString(deterministic=True)
    return Resource(resource.version, RESOURCES_TAG + varint(len(entry)) + entry)


def encoded_all(messages: Iterable[tuple[str, Message]]) -> dict[str, Resource]:
    return {name: encoded(name, message) for name, message in messages}


def decoded(resource: Resource) -> Message:
    """The message again, for dumps and tests."""
    from crossfade.envoy.proto import message_class

    (entry,) = discovery_v3.DeltaDiscoveryResponse.FromString(resource.framed).resources
    message = message_class(entry.resource.type_url.removeprefix(TYPE_PREFIX))()
    message.ParseFromString(entry.resource.value)
    return message


def varint(number: int) -> bytes:
    """Protobuf's length prefix."""
    parts = bytearray()
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    parts.append(number)
    return bytes(parts)
