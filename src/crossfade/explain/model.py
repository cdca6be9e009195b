"""What is told of one request."""

from msgspec import Struct

from crossfade.compile.diagnostics import Diagnostic


class ListenerFound(Struct, frozen=True):
    """`certificate` is the Secret whose certificate the server name gets, empty for the default one."""

    name: str
    address: str
    port: int
    certificate: str = ""


class RouteFound(Struct, frozen=True):
    """A route and which of its paths matched."""

    id: str
    name: str
    object: str
    field: str
    path_kind: str
    path: str
    hosts: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    snis: tuple[str, ...] = ()
    protocols: tuple[str, ...] = ()


class Decided(Struct, frozen=True):
    """The first criterion by which the winner and the runner-up differ, and the equal ones before it."""

    criterion: str
    says: str
    winner: str
    runner_up: str
    equal: tuple[str, ...] = ()


class Near(Struct, frozen=True):
    """A route that does not match, and what of the request keeps it."""

    route: RouteFound
    fails: tuple[str, ...]


class ServiceFound(Struct, frozen=True):
    """`endpoints` are address:port or name:port."""

    name: str
    object: str
    protocol: str
    path: str
    endpoints: tuple[str, ...]


class PluginFound(Struct, frozen=True):
    """`origin` is what attached it; `part` as in `policy_module.rehearsal.TakingPart`."""

    name: str
    object: str
    origin: str
    part: str


class AnswerFound(Struct, frozen=True):
    """What the gateway says itself; `by` is who says it."""

    status: int
    by: str
    why: str
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""


class Forwarded(Struct, frozen=True):
    """`added` are headers that the client did not send so; what a plugin may keep secret is left out (`hidden`)."""

    path: str
    host: str
    consumer: str = ""
    added: tuple[tuple[str, str], ...] = ()
    hidden: tuple[str, ...] = ()


class MeshFound(Struct, frozen=True):
    """What a mesh makes of the request that the gateway sends into it without a sidecar.

    `service` is the VirtualService, `router` what the route is written in; `destinations` are clusters and weights.
    With a `status` the mesh answers by itself, and says `why`.
    """

    host: str = ""
    service: str = ""
    route: str = ""
    router: str = ""
    field: str = ""
    destinations: tuple[tuple[str, int], ...] = ()
    status: int = 0
    why: str = ""


class AskFound(Struct, frozen=True):
    """What an object asks of a sidecar; `kind` is a word for it, `field` where it is written."""

    kind: str
    says: str
    object: str
    field: str


class ArrivalFound(Struct, frozen=True):
    """What the sidecar of a called virtual node does before its application gets a request.

    `field` is the listener in `object`, the VirtualNode; `application` is address:port.
    """

    object: str
    field: str
    chain: str
    application: str
    asks: tuple[AskFound, ...]


class TargetFound(Struct, frozen=True):
    """A cluster of the sidecar; `object` is the VirtualNode behind it, empty where the call goes where it was meant.

    `share` is between 0 and 1. `endpoints` are address:port or name:port, as far as manifests or cluster tell them.
    Without an `arrival` no sidecar of the mesh takes the call there.
    """

    cluster: str
    object: str
    share: float
    protocol: str
    endpoints: tuple[str, ...]
    arrival: ArrivalFound | None = None


class Limits(Struct, frozen=True):
    """Of the route; no `timeout_s` is none. `retry_on` are Envoy's words and statuses."""

    timeout_s: float | None
    idle_timeout_s: float | None
    retries: int
    retry_on: tuple[str, ...]
    per_try_timeout_s: float | None


class CallExplanation(Struct, frozen=True):
    """What becomes of a call of a virtual node's application. `chain` is the listener's, by the port that is called.

    `asks` are those of the route, which the caller's sidecar carries out.
    With a `refusal`, or a status of the `mesh`, nothing is reached.
    """

    node: str
    method: str
    url: str
    listener: ListenerFound
    chain: str
    mesh: MeshFound | None
    targets: tuple[TargetFound, ...]
    limits: Limits | None
    asks: tuple[AskFound, ...] = ()
    refusal: str = ""
    diagnostics: tuple[Diagnostic, ...] = ()


class RuleFound(Struct, frozen=True):
    """A rule of a TCPIngress or UDPIngress; `tls` says what becomes of TLS, empty where none is expected."""

    name: str
    object: str
    field: str
    host: str = ""
    tls: str = ""


class StreamExplanation(Struct, frozen=True):
    """What becomes of a connection, or of datagrams. With `refusal` nothing reaches a Service."""

    url: str
    listener: ListenerFound | None
    rule: RuleFound | None
    service: ServiceFound | None
    refusal: str = ""
    diagnostics: tuple[Diagnostic, ...] = ()


class Explanation(Struct, frozen=True):
    """Either `answer` or `forwarded`; neither where a plugin asks elsewhere."""

    method: str
    url: str
    listener: ListenerFound | None
    route: RouteFound | None
    runner_up: RouteFound | None
    decided: Decided | None
    nearest: tuple[Near, ...]
    service: ServiceFound | None
    plugins: tuple[PluginFound, ...]
    answer: AnswerFound | None
    forwarded: Forwarded | None
    mesh: MeshFound | None = None
    diagnostics: tuple[Diagnostic, ...] = ()
