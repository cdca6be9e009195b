"""Plugins at stream routes: only those run there that count sessions, and a route that would miss a guard is closed
(kong.md §4.1)."""

from collections.abc import Iterable, Iterator
from typing import Final

from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.gateway.plugins import Attachments
from crossfade.compile.gateway.route_policies import Instance
from crossfade.compile.gateway.state import StreamRoute
from crossfade.compile.gateway.stream_listeners import PlacedStream
from crossfade.compile.policies.plugin import is_for_streams
from crossfade.compile.policies.registry import ORDER

# Of the plugins here those that on Kong turn connections away; its logs of sessions guard nothing.
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
            if not instance.counts_sessions:
                _tell_needless(route, instance, diagnostics)
        yield route, service


def counted_sessions(served: Iterable[PlacedStream], plugins: Attachments) -> dict[str, str]:
    """By route, the instance of the nearest plugin that counts its sessions; its Service's goes before a global one."""
    found = {}
    for route, service in served:
        own, around = plugins.of_stream(route, service)
        counting = next((one for one in (*own, *around) if one.counts_sessions), None)
        if counting is not None:
            found[route.name] = counting.id
    return found


def _tell_needless(route: StreamRoute, instance: Instance, diagnostics: Diagnostics) -> None:
    counts = instance.accepted is not None and instance.accepted.plugin.counts_sessions
    diagnostics.warning(
        route.origin.ref,
        "stream.plugin",
        f"plugin {instance.plugin} ({instance.ref}) "
        + ("is for HTTP only: its protocols have none of streams" if counts else "does not run on streams"),
        effect="connections and datagrams pass without it",
        hint=f"add {'udp' if route.transport == 'udp' else 'tcp, tls'} to its protocols"
        if counts
        else "remove it from the annotation",
        field=_FIELD,
    )


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
    reaches_streams = not instance.protocols or is_for_streams(instance.protocols)
    return reaches_streams and (instance.plugin in _GUARDS or instance.plugin not in ORDER)
