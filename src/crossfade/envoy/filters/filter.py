"""One interface for Envoy's HTTP filters that carry out a plugin: one module each, listed in `order`."""

from collections.abc import Callable

from google.protobuf.message import Message
from msgspec import Struct

from crossfade_kube.meta import JsonObject


class Filter(Struct, frozen=True):
    """`name` is what `policies.plugin.EnvoyFilter` calls it.

    Every gateway listener has the filter, disabled, with the configuration `on_listener`; a route that wants it enables
    it with `on_route`, which reads the plugin's configuration. None: the filter has nothing to configure on a route.
    """

    name: str
    on_listener: Callable[[], Message]
    on_route: Callable[[JsonObject], Message | None]
