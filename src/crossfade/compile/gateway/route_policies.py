"""What runs on one route: plugins of the route, of its Service and of all requests, by precedence (kong.md §4.1)."""

from collections.abc import Collection, Iterable
from typing import Final

from msgspec import Struct

from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.gateway.state import KongRoute
from crossfade.compile.policies.plugin import (
    HTTP_PROTOCOLS,
    EnvoyFilter,
    ModuleStep,
    RouteEdit,
    is_for_http,
    is_for_streams,
)
from crossfade.compile.policies.registry import ORDER, Accepted
from crossfade.compile.routing import tables
from crossfade_kube.meta import JsonObject, ObjectRef

# Between these stand plugins that only a consumer (4) or a group (5) carries; the policy module ranks them.
RANK_ROUTE_CONSUMER: Final = 0
RANK_SERVICE_CONSUMER: Final = 1
RANK_ROUTE_GROUP: Final = 2
RANK_SERVICE_GROUP: Final = 3
RANK_ROUTE: Final = 6
RANK_SERVICE: Final = 7
RANK_GLOBAL: Final = 8


class Instance(Struct, frozen=True):
    """One plugin object with the verdict on it; `accepted` is None when it must not run."""

    ref: ObjectRef
    plugin: str
    accepted: Accepted | None
    trouble: str = ""
    protocols: tuple[str, ...] = ()

    @property
    def is_for_http(self) -> bool:
        return is_for_http(self.protocols)

    @property
    def counts_sessions(self) -> bool:
        plugin = self.accepted.plugin if self.accepted is not None else None
        return plugin is not None and plugin.counts_sessions and is_for_streams(self.protocols)

    @property
    def id(self) -> str:
        """Under which the policy module knows it."""
        return f"{self.ref.namespace}/{self.ref.name}"

    @property
    def module_config(self) -> JsonObject | None:
        """None when nothing of it runs in the policy module."""
        steps = self.accepted.steps if self.accepted else ()
        return next((step.config for step in steps if isinstance(step, ModuleStep)), None)


class Attached(Struct, frozen=True):
    """An instance at one place of attachment; `for_carriers`: for consumers that carry it, or whose groups do."""

    instance: Instance
    rank: int
    scope: str
    for_carriers: bool = False


class RoutePolicy(Struct, frozen=True):
    """What runs on a route, in order; with a `refusal` the route answers only that."""

    steps: tuple[tables.Step, ...] = ()
    filters: tuple[EnvoyFilter, ...] = ()
    edits: tuple[RouteEdit, ...] = ()
    refusal: str | None = None


def route_policy(attached: Iterable[Attached]) -> RoutePolicy:
    """For each plugin name what may run; of what must not run, a refusal, unless something surely comes before it."""
    by_name: dict[str, list[Attached]] = {}
    for item in attached:
        by_name.setdefault(item.instance.plugin, []).append(item)
    steps: list[tables.Step] = []
    filters: list[EnvoyFilter] = []
    edits: list[RouteEdit] = []
    for name in sorted(by_name, key=lambda each: ORDER.get(each, -1)):
        usable = [item for item in by_name[name] if item.instance.accepted is not None]
        certain = min((item.rank for item in usable if not item.for_carriers), default=RANK_GLOBAL + 1)
        for item in by_name[name]:
            if item.instance.accepted is None and item.rank < certain:
                return RoutePolicy(refusal=item.instance.trouble)
        ordered = sorted(usable, key=lambda item: (item.rank, item.instance.id))
        in_module = tuple(_candidate(item) for item in ordered if item.instance.module_config is not None)
        if in_module:
            steps.append(tables.Step(ORDER[name], in_module))
        first = next((item for item in ordered if not item.for_carriers), None)
        for step in first.instance.accepted.steps if first and first.instance.accepted else ():
            if isinstance(step, EnvoyFilter):
                filters.append(step)
            elif isinstance(step, RouteEdit):
                edits.append(step)
    return RoutePolicy(tuple(steps), tuple(filters), tuple(edits))


def tell_protocols(attached: Iterable[Attached], route: KongRoute, diagnostics: Diagnostics) -> None:
    """Of what may run on the route, what does so on requests of protocols that it does not list."""
    present = [item for item in attached if item.instance.accepted is not None]
    certain: dict[str, int] = {}
    for item in sorted(present, key=lambda each: -each.rank):
        if not item.for_carriers:
            certain[item.instance.plugin] = item.rank
    for item in present:
        if item.instance.protocols and item.rank <= certain.get(item.instance.plugin, item.rank):
            tell_unlisted(item.instance, route.protocols, diagnostics)


def tell_unlisted(instance: Instance, protocols: Collection[str], diagnostics: Diagnostics) -> None:
    """A plugin's own protocols keep it from no request of HTTP (kong.md §1.3), whatever its author thinks."""
    unlisted = [name for name in HTTP_PROTOCOLS if name in protocols and name not in instance.protocols]
    if unlisted:
        listed = ", ".join(instance.protocols)
        diagnostics.warning(
            instance.ref,
            "plugin.protocols",
            f"protocols {listed} do not keep the plugin from {', '.join(unlisted)}, which its routes take too",
            effect="it runs on all requests of its routes",
            hint=f"attach it only where the annotation konghq.com/protocols says {listed}, or remove the field",
            field="protocols",
        )


def _candidate(item: Attached) -> tables.Candidate:
    return tables.Candidate(item.instance.id, item.rank, item.scope, item.for_carriers)
