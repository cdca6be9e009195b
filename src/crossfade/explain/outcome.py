"""What the client gets and why, or what goes on to the Service."""

from collections.abc import Sequence
from typing import Final

from crossfade.compile.routing import tables
from crossfade.explain.model import AnswerFound, Forwarded, PluginFound
from crossfade.policy_module.rehearsal import Question, Rehearsal

_GATEWAY: Final = "the gateway"
# Of headers that plugins set only these are shown: others may carry what nobody is to see.
_SHOWN: Final = (
    "x-forwarded-",
    "x-consumer-",
    "x-real-ip",
    "x-credential-identifier",
    "x-anonymous-consumer",
    "x-client-cert-",
    "x-kong-request-id",
    "via",
)
_PSEUDO: Final = (":method", ":scheme", ":path", ":authority")
_OF_ENVOY: Final = ("host", "connection", "x-envoy-")
_NAMES: Final = ("x-consumer-username", "x-consumer-custom-id", "x-consumer-id")


def answer_of(
    found: Rehearsal, question: Question, route: tables.Route | None, plugins: Sequence[PluginFound]
) -> AnswerFound | None:
    if found.answer is None:
        return None
    by, why = _reason(found.answer.status, question, route, plugins)
    return AnswerFound(found.answer.status, by, why, found.answer.headers, found.answer.body)


def _reason(
    status: int, question: Question, route: tables.Route | None, plugins: Sequence[PluginFound]
) -> tuple[str, str]:
    """Who says so, and why."""
    answering = next((each for each in plugins if each.part == "answered"), None)
    if answering is not None:
        return f"plugin {answering.name} ({answering.object})", f"attached by {answering.origin}"
    if route is None:
        text = "no route matches" if status == 404 else "the request is refused before a route is looked for"
        return _GATEWAY, text
    if route.https_only is not None and not question.is_tls and status == route.https_only.status:
        return _GATEWAY, "the route takes HTTPS only"
    if route.refusal is not None and status == 503:
        return _GATEWAY, f"the route is closed: {route.refusal}"
    if route.is_grpc and status == 415:
        return _GATEWAY, "the route takes gRPC only"
    return _GATEWAY, "the request is refused before any plugin runs"


def forwarded_of(question: Question, found: Rehearsal) -> Forwarded | None:
    if found.upstream is None:
        return None
    sent = set(question.headers)
    values = dict(found.upstream.headers)
    added = [(name, value) for name, value in found.upstream.headers if (name, value) not in sent]
    own = [pair for pair in added if pair[0] not in _PSEUDO and not pair[0].startswith(_OF_ENVOY)]
    return Forwarded(
        path=values.get(":path", ""),
        host=values.get(":authority", ""),
        consumer=next((values[name] for name in _NAMES if name in values), ""),
        added=tuple(pair for pair in own if pair[0].startswith(_SHOWN)),
        hidden=tuple(sorted({name for name, _ in own if not name.startswith(_SHOWN)})),
    )
