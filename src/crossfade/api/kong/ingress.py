"""KongIngress: overrides for the route, service and upstream that an Ingress or Service gives (kong.md §1.6)."""

from typing import ClassVar

from msgspec import Struct, field

from crossfade.api.kong.plugin import GROUP
from crossfade.api.kong.upstream import UpstreamEntity
from crossfade_kube.meta import ObjectMeta, Resource


class KongIngressRoute(Struct, frozen=True):
    """`None` leaves a property as the Ingress and its defaults have it."""

    methods: tuple[str, ...] = ()
    headers: dict[str, tuple[str, ...]] = field(default_factory=dict)
    protocols: tuple[str, ...] = ()
    regex_priority: int | None = None
    strip_path: bool | None = None
    preserve_host: bool | None = None
    https_redirect_status_code: int | None = None
    path_handling: str | None = None
    snis: tuple[str, ...] = ()
    request_buffering: bool | None = None
    response_buffering: bool | None = None


class KongIngressProxy(Struct, frozen=True):
    """Timeouts in milliseconds."""

    protocol: str | None = None
    path: str | None = None
    retries: int | None = None
    connect_timeout: int | None = None
    read_timeout: int | None = None
    write_timeout: int | None = None


class KongIngress(Struct, frozen=True):
    RESOURCE: ClassVar = Resource(GROUP, "v1", "kongingresses", "KongIngress", True)

    metadata: ObjectMeta = ObjectMeta()
    route: KongIngressRoute | None = None
    proxy: KongIngressProxy | None = None
    upstream: UpstreamEntity | None = None
