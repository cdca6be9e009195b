"""The gateway's tables: routes, plugin instances, consumers; the structs are the policy module's JSON, field by field.

Each thing stands in them once, however many others refer to it: a route lists steps by the ids of plugin instances, a
consumer carries instances by their ids. So cost grows with what users wrote, never with the product of two of them.
"""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import UNSET, Struct, UnsetType, field

from crossfade.compile.policies.plugin import EnvoyFilter, OAuthClient, SigningKey
from crossfade.compile.routing.matches import PathMatchKind
from crossfade.compile.routing.origin import Origin
from crossfade.compile.routing.retry import RetryPolicy
from crossfade.compile.routing.routes import Destination, VirtualHost
from crossfade.kong_conf.settings import CACHE_BYTES, HEADERS, HEADERS_UPSTREAM
from crossfade_kube.meta import JsonObject

# --- routes ----------------------------------------------------------------------------------------------------


class PathMatch(Struct, frozen=True, gc=False):
    """Of several paths that match the smallest `rank` wins; see `precedence`.

    A regex has Rust's syntax and is anchored at the start only.
    """

    rank: str
    kind: PathMatchKind
    text: str


class HeaderMatch(Struct, frozen=True, gc=False):
    """One of several lines may fit, in any case; a value that begins with `~*` is a regex."""

    name: str
    values: tuple[str, ...]


class Match(Struct, frozen=True, gc=False):
    """All that is given must hold, of several alternatives one. `schemes` are `http` and `https`.

    Hosts are exact, `*.x` or `x.*`.
    """

    paths: tuple[PathMatch, ...]
    schemes: tuple[str, ...]
    hosts: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    headers: tuple[HeaderMatch, ...] = ()
    snis: tuple[str, ...] = ()


class HashInput(Struct, frozen=True, gc=False):
    """`kind` is Kong's word: consumer, ip, path; header, cookie, query_arg, uri_capture, which have a `name`."""

    kind: str
    name: str = ""


class Hashing(Struct, frozen=True, gc=False):
    """The first input that a request has is hashed. `cookie_path` is that of a cookie which the gateway sets."""

    inputs: tuple[HashInput, ...]
    cookie_path: str = "/"


class StickyCookie(Struct, frozen=True, gc=False):
    """Its value names the endpoint that took a client's first request."""

    name: str
    path: str = "/"


class UpstreamService(Struct, frozen=True, gc=False):
    """`id` names it to plugins; `path` stands before every request's path."""

    id: str | None = None
    path: str = "/"
    retry_idempotent: bool = False
    hashing: Hashing | None = None
    sticky: StickyCookie | None = None


class TlsName(Struct, frozen=True, gc=False):
    """Whom an upstream must be; `name` is empty where it is known by its address only, as which nobody is certified."""

    name: str
    is_verified: bool


class Answer(Struct, frozen=True, gc=False):
    """What the gateway says itself; `redirect="https"` to the same place over TLS."""

    status: int
    message: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    redirect: str | None = None


class Candidate(Struct, frozen=True, gc=False):
    """One attachment of a plugin instance; of those that apply the lowest rank runs.

    `scope` names its counters. `for_carriers`: only for consumers that carry the instance, or whose groups do.
    """

    instance: str
    rank: int
    scope: str
    for_carriers: bool = False


class Step(Struct, frozen=True, gc=False):
    """One plugin on a route; `order` is its place in the one order of all plugins."""

    order: int
    candidates: tuple[Candidate, ...]


class Names(Struct, frozen=True, gc=False):
    """Kong's, of a route and its service; `is_watched` is the health of the service's targets."""

    route: str
    service: str
    is_watched: bool = False


class Logged(Struct, frozen=True):
    """A route and its service as records tell them: Kong's own entities."""

    route: JsonObject
    service: JsonObject


class Route(Struct, frozen=True, gc=False):
    """With a `refusal` every request is answered 503. `tls_name` is asked for in place of the request's Host.

    `action` is the name of an `Action`, `mesh` that of `MeshRoutes`. `names` are what its traffic is counted under;
    `logged` is there where plugins write records.
    """

    id: str
    match: Match
    service: UpstreamService = UpstreamService()
    strip_path: bool = False
    host: str | None = None
    tls_name: TlsName | None = None
    request_buffering: bool = True
    action: str = ""
    backends: tuple[Destination, ...] = ()
    https_only: Answer | None = None
    is_grpc: bool = False
    refusal: str | None = None
    steps: tuple[Step, ...] = ()
    names: Names | UnsetType = UNSET
    logged: Logged | UnsetType = UNSET
    mesh: str | UnsetType = UNSET


class Action(Struct, frozen=True, gc=False):
    """How Envoy treats a request on its way, whatever the cluster; many routes share one.

    `takes_host_of_endpoint` writes the `hostname` of the endpoint that was picked as Host.
    """

    retry: RetryPolicy | None = None
    idle_timeout_s: float | None = None
    takes_host_of_endpoint: bool = False
    filters: tuple[EnvoyFilter, ...] = ()
    response_headers: tuple[tuple[str, str], ...] = ()


def action_name(action: Action) -> str:
    """Tells it from all others by its content."""
    return blake2b(msgspec.json.encode(action), digest_size=6).hexdigest()


class MeshRoutes(Struct, frozen=True):
    """By which a request is routed once more, as it goes upstream: its Host then, its path, its headers.

    `hosts` are those of a mesh's own table, `*` among them for any other Host. What goes to the cluster `passthrough`
    goes to the one that Kong's route names. `longest_idle_s` bounds the gaps within a stream, whatever the routes say,
    and `response_headers` are added to what they answer. `filters` are those of the route's `Action`.
    """

    hosts: tuple[VirtualHost, ...]
    passthrough: str = ""
    longest_idle_s: float | None = None
    filters: tuple[EnvoyFilter, ...] = ()
    response_headers: tuple[tuple[str, str], ...] = ()


# --- plugins and consumers -------------------------------------------------------------------------------------


class Instance(Struct, frozen=True, gc=False):
    """A plugin with one configuration, wherever it is attached."""

    id: str
    plugin: str
    config: dict[str, Any]

    def __repr__(self) -> str:
        return f"Instance({self.id}, {self.plugin}, ***)"


class OwnInstance(Struct, frozen=True, gc=False):
    """A plugin instance that follows its consumer, or a group's members, wherever they go."""

    order: int
    instance: str
    scope: str


class Credential(Struct, frozen=True, gc=False):
    """`expires_at` is Unix time in seconds; the rest is that of `policies.plugin.CredentialEntry`."""

    id: str
    index: str
    secret: str | None = None
    expires_at: int | None = None
    key: SigningKey | None = None
    client: OAuthClient | None = None

    def __repr__(self) -> str:
        return f"Credential({self.id}, ***)"


class Consumer(Struct, frozen=True, gc=False):
    """`carries` are instances that apply where a route or service refers to them too, `own` apply anywhere.

    `groups` are names, `consumer_groups` ids of groups. `logged` is the consumer as records tell it.
    """

    id: str
    username: str | None = None
    custom_id: str | None = None
    groups: tuple[str, ...] = ()
    consumer_groups: tuple[str, ...] = ()
    carries: tuple[str, ...] = ()
    own: tuple[OwnInstance, ...] = ()
    credentials: Mapping[str, tuple[Credential, ...]] = field(default_factory=dict)
    logged: JsonObject | UnsetType = UNSET


class ConsumerGroup(Struct, frozen=True, gc=False):
    """`carries` and `own` as a consumer's, for all members."""

    id: str
    name: str
    carries: tuple[str, ...] = ()
    own: tuple[OwnInstance, ...] = ()


# --- all of it -------------------------------------------------------------------------------------------------

T = TypeVar("T")


class Row(Struct, Generic[T], frozen=True, gc=False):
    """An entry of a table and the object that it comes from."""

    origin: Origin
    value: T


class Settings(Struct, frozen=True, omit_defaults=True):
    """What holds for all requests; fields as in Kong's configuration. `salt` is hexadecimal.

    `identity_headers` is `strip` or `pass`. `everywhere` are ids of plugin instances that see the response even where
    no route was found.
    """

    compat: str
    server_token: str
    salt: str = ""
    trusted_ips: tuple[str, ...] = ()
    real_ip_header: str = "X-Real-IP"
    real_ip_recursive: bool = False
    port_maps: dict[str, int] = field(default_factory=dict)
    headers: tuple[str, ...] = HEADERS
    headers_upstream: tuple[str, ...] = HEADERS_UPSTREAM
    identity_headers: str = "strip"
    max_body_bytes: int | None = None
    cache_bytes: int = CACHE_BYTES
    error_default_type: str = "text/plain"
    error_templates: dict[str, str] | None = None
    logs_access: bool = False
    records: bool = False
    """Records of requests are taken (`envoy.telemetry.records`)."""
    everywhere: tuple[str, ...] = ()
    sessions: dict[str, str] = field(default_factory=dict)
    """By route of streams, the id of the plugin instance that counts its sessions."""
    tells_names: bool = False
    """Clients may ask which route and service they got."""

    def __repr__(self) -> str:
        return f"Settings({self.compat}, ***)"


class GatewayTables(Struct, frozen=True, gc=False):
    """All that the policy module decides by, each list ordered by id.

    `actions` and `mesh` are by name, for Envoy's own table.
    """

    settings: Settings
    routes: tuple[Row[Route], ...] = ()
    instances: tuple[Row[Instance], ...] = ()
    consumers: tuple[Row[Consumer], ...] = ()
    consumer_groups: tuple[Row[ConsumerGroup], ...] = ()
    actions: Mapping[str, Action] = field(default_factory=dict)
    mesh: Mapping[str, MeshRoutes] = field(default_factory=dict)
