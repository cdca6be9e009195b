"""Plugins at stream routes: none runs there, and a route that would miss a guard is closed (kong.md §4.1)."""

from collections.abc import Iterable, Iterator
from typing import Final

from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.gateway.plugins import Attachments
from crossfade.compile.gateway.route_policies import Instance
from crossfade.compile.gateway.state import StreamRoute
from crossfade.compile.gateway.stream_listeners import PlacedStream
from crossfade.compile.policies.registry import ORDER

STREAM_PROTOCOLS: Final = frozenset({"tcp", "tls", "tls_passthrough", "udp"})
# Of the plugins here those that on Kong turn connections away; its logs and metrics of sessions guard nothing.
_GUARDS: Final = frozenset({"ip-restriction"})
_FIELD: Final = "metadata.annotations[konghq.com/plugins]"


def unguarded(placed: Iterable[PlacedStream], plugins: Attachments, diagnostics: Diagnostics) -> Iterator[PlacedStream]:
    """The routes that may be served. Routes with the same plugins have the same verdict."""
    for route, service in placed:
        own, around = plugins.of_stream(route, service)
        guard = next((one for one in (*own, *around) if _guards(one)), None)
        if guard is not None:
            _tell_closed(route, guard, diagnostics)
            continue
        for instance in own:
            diagnostics.warning(
                route.origin.ref,
                "stream.plugin",
                f"plugin {instance.plugin} ({instance.ref}) does not run on streams",
                effect="connections and datagrams pass without it",
                hint="remove it from the annotation",
                field=_FIELD,
            )
        yield route, service


def _tell_closed(route: StreamRoute, guard: Instance, diagnostics: Diagnostics) -> None:
    what = guard.trouble or f"plugin {guard.plugin} ({guard.ref})"
    diagnostics.error(
        route.origin.ref,
        "stream.unguarded",
        f"{what} cannot guard streams in this gateway",
        effect="the rule is not served: it would let pass what the plugin keeps out",
        hint="guard the Service itself, as by a NetworkPolicy, and limit the plugin's protocols to http, https",
        field=route.origin.path,
    )


def _guards(instance: Instance) -> bool:
    """One that does not exist, or is none of ours, may have been meant as one."""
    reaches_streams = not instance.protocols or not STREAM_PROTOCOLS.isdisjoint(instance.protocols)
    return reaches_streams and (instance.plugin in _GUARDS or instance.plugin not in ORDER)
