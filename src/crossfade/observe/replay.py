"""Records of one request in the order of its hops, with what the configuration of now makes of each.

What was recorded is told as it was; the configuration adds the objects and why they were taken. Headers and queries are
in no record, so a route that asks for one may be found by its id only.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from crossfade.explain.model import (
    CallExplanation,
    Decided,
    ListenerFound,
    PluginFound,
    RouteFound,
    ServiceFound,
)
from crossfade.explain.request import BadRequest, question_of
from crossfade.observe.record import Record

if TYPE_CHECKING:
    from crossfade.explain.explainer import Explainer

_CHANGED: Final = "the route is no longer there: the configuration has changed since"
_OTHER: Final = "by the path alone {0} would take it: a header decided, or the configuration has changed since"


class Passed(Struct, frozen=True):
    """What a gateway made of a request: `plugins` are `let-through`, `refused`, `answered` or `not-reached`."""

    listener: ListenerFound | None
    route: RouteFound | None
    runner_up: RouteFound | None
    decided: Decided | None
    service: ServiceFound | None
    plugins: tuple[PluginFound, ...]


class Hop(Struct, frozen=True):
    """`passed` or `call` is what the configuration says; `doubt` why that may not be how it was.

    `places` are files and lines of the objects in them, where manifests are files.
    """

    record: Record
    passed: Passed | None = None
    call: CallExplanation | None = None
    doubt: str = ""
    places: Mapping[str, str] = {}


def gateway_hop(record: Record, explainer: "Explainer") -> Hop:
    host = record.host or "localhost"
    try:
        question = question_of(record.method, f"{record.scheme}://{host}{record.path}", client=record.client)
        found = explainer.explain(question, record.path)
    except (BadRequest, ValueError) as error:
        return Hop(record, doubt=f"it cannot be asked again: {error}")
    replayed = found.route.id if found.route is not None else ""
    if replayed == record.route:
        route, runner_up, decided, service, doubt = found.route, found.runner_up, found.decided, found.service, ""
    else:
        route, runner_up, decided = explainer.route_found(record.route), None, None
        service = explainer.service_of(record.route)
        taker = f"route {found.route.name}" if found.route is not None else "no route"
        doubt = _CHANGED if record.route and route is None else _OTHER.format(taker)
    plugins = explainer.plugins_met(record.route, [one.instance for one in record.met])
    parts = tuple(replace(one, part=_part(one, record)) for one in plugins)
    return Hop(record, Passed(found.listener, route, runner_up, decided, service, parts), doubt=doubt)


def _part(plugin: PluginFound, record: Record) -> str:
    if plugin.part != "ran":
        return "not-reached" if record.denied_by else "may-run"
    if plugin.name == record.denied_by:
        return "refused"
    return "let-through"


def objects_of(hop: Hop) -> tuple[str, ...]:
    """Those that are named in what the configuration says, each once."""
    passed = hop.passed
    if passed is None:
        return ()
    found = [passed.route.object] if passed.route is not None else []
    found += [passed.service.object] if passed.service is not None else []
    found += [plugin.object for plugin in passed.plugins]
    return tuple(dict.fromkeys(found))
