"""An explanation for people: one line a fact."""

from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import structs

from crossfade.compile.diagnostics import Diagnostic
from crossfade.explain.model import (
    AnswerFound,
    ArrivalFound,
    AskFound,
    CallExplanation,
    Explanation,
    Limits,
    MeshFound,
    Near,
    PluginFound,
    RouteFound,
    ServiceFound,
    StreamExplanation,
    TargetFound,
)

_PARTS: Final = {
    "ran": "",
    "answered": "  answers",
    "sees-response": "  sees the answer only",
    "asks": "  asks elsewhere",
    "may-run": "  runs or not",
    "let-through": "  let it through",
    "refused": "  refused it",
    "not-reached": "  was not reached",
}
_WIDTH: Final = 10


def lines_of(found: Explanation) -> Iterator[str]:
    yield f"{found.method} {found.url}"
    yield from way_lines(found)
    yield from _outcome(found)
    yield from told_lines(found.diagnostics)


def way_lines(found: Explanation) -> Iterator[str]:
    """Up to what came of it."""
    yield line("listener", _listener(found))
    if found.route is None:
        yield line("route", "none")
        yield from (_near(each) for each in found.nearest)
    else:
        yield from _route_lines(found, found.route)
    if found.service is not None:
        yield line("service", _service(found.service))
    for number, plugin in enumerate(found.plugins):
        yield line("" if number else "plugins", _plugin(plugin))


def stream_lines_of(found: StreamExplanation) -> Iterator[str]:
    yield found.url
    listener, rule, service = found.listener, found.rule, found.service
    yield line("listener", f"{listener.name} {listener.address}:{listener.port}" if listener is not None else "none")
    yield line("rule", f"{rule.name} ({rule.object}, {rule.field})" if rule is not None else "none")
    if rule is not None and (rule.host or rule.tls):
        conditions = (f"host {rule.host}" if rule.host else "", f"TLS is {rule.tls}" if rule.tls else "")
        yield line("", "; ".join(filter(None, conditions)))
    if service is not None:
        yield line("service", _service(service))
    if found.refusal:
        yield line("refused", found.refusal)
    elif service is not None:
        yield line("forwards", f"to {service.name}")
    yield from told_lines(found.diagnostics)


def call_lines_of(found: CallExplanation) -> Iterator[str]:
    yield f"{found.method} {found.url} from {found.node}"
    listener = found.listener
    chain = f", chain {found.chain}" if found.chain else ""
    yield line("listener", f"{listener.name} {listener.address}:{listener.port}{chain}")
    if found.mesh is not None:
        yield from mesh_lines(structs.replace(found.mesh, destinations=()))
    for number, target in enumerate(found.targets):
        yield line("" if number else "targets", _target(target))
    if found.limits is not None:
        yield line("limits", _limits(found.limits))
    for number, ask in enumerate(found.asks):
        yield line("" if number else "asks", _ask(ask))
    for target in found.targets:
        if target.arrival is not None:
            yield from _arrival(target.arrival)
    if found.refusal:
        yield line("refused", found.refusal)
    yield from told_lines(found.diagnostics)


def _ask(ask: AskFound) -> str:
    return f"{ask.says} ({ask.object}, {ask.field})"


def _arrival(arrival: ArrivalFound) -> Iterator[str]:
    yield line("way in", f"{arrival.object}, {arrival.field}: chain {arrival.chain}, to {arrival.application}")
    for ask in arrival.asks:
        yield line("", f"{ask.says} ({ask.field})")


def _target(target: TargetFound) -> str:
    if not target.object:
        return f"{target.cluster}, let through to where the application connects"
    endpoints = f": {', '.join(target.endpoints)}" if target.endpoints else ""
    return f"{100 * target.share:.4g} % {target.cluster} ({target.object}), {target.protocol}{endpoints}"


def _limits(limits: Limits) -> str:
    timeout = "no timeout" if limits.timeout_s is None else f"timeout {limits.timeout_s:g} s"
    if not limits.retries:
        return f"{timeout}; no retries"
    each = f", each {limits.per_try_timeout_s:g} s" if limits.per_try_timeout_s else ""
    return f"{timeout}; at most {limits.retries} retries{each}, on {', '.join(limits.retry_on)}"


def told_lines(diagnostics: Iterable[Diagnostic]) -> Iterator[str]:
    for diagnostic in diagnostics:
        yield line(diagnostic.severity, " ".join(str(diagnostic).partition("\nhint: ")[0].split()))
        if diagnostic.hint:
            yield line("", f"hint: {diagnostic.hint}")


def _service(service: ServiceFound) -> str:
    return f"{service.name} ({service.object}), {service.protocol}: {', '.join(service.endpoints) or 'no endpoint'}"


def _route_lines(found: Explanation, route: RouteFound) -> Iterator[str]:
    yield line("route", f"{route.name} ({route.object}, {route.field})")
    yield line("", _conditions(route))
    if found.runner_up is None or found.decided is None:
        yield line("", "no other route matches")
        return
    other, decided = found.runner_up, found.decided
    yield line("next", f"{other.name} ({other.object}, {other.field}): {_conditions(other)}")
    yield line("why", f"{decided.says} ({decided.criterion}: {decided.winner} against {decided.runner_up})")
    if decided.equal:
        yield line("", f"equal before that: {', '.join(decided.equal)}")


def _conditions(route: RouteFound) -> str:
    parts: Iterable[tuple[str, Iterable[str]]] = (
        ("methods", route.methods),
        ("hosts", route.hosts),
        (f"{route.path_kind} path", [route.path]),
        ("headers", route.headers),
        ("snis", route.snis),
        ("protocols", route.protocols),
    )
    return "; ".join(f"{name} {', '.join(values)}" for name, values in parts if values)


def _near(near: Near) -> str:
    return line("nearest", f"{near.route.object}: {_conditions(near.route)}; not its {', '.join(near.fails)}")


def _listener(found: Explanation) -> str:
    listener = found.listener
    if listener is None:
        return "none: this gateway has no listener for the URL's scheme"
    certificate = f", certificate of {listener.certificate}" if listener.certificate else ""
    return f"{listener.name} {listener.address}:{listener.port}{certificate}"


def _plugin(plugin: PluginFound) -> str:
    return f"{plugin.name} ({plugin.object}) by {plugin.origin}{_PARTS[plugin.part]}"


def _outcome(found: Explanation) -> Iterator[str]:
    if found.answer is not None:
        yield from _answer(found.answer)
    elif found.forwarded is not None:
        forwarded = found.forwarded
        yield line("forwards", f"{forwarded.path} with Host {forwarded.host}")
        if forwarded.consumer:
            yield line("consumer", forwarded.consumer)
        if found.mesh is not None:
            yield from mesh_lines(found.mesh)
    else:
        yield line("answer", "depends on what a plugin is told elsewhere, which is not asked here")


def mesh_lines(mesh: MeshFound) -> Iterator[str]:
    if mesh.service:
        yield line("mesh", f"{mesh.host} ({mesh.service})")
    if mesh.route:
        yield line(
            "" if mesh.service else "mesh", f"route {mesh.route} ({', '.join(filter(None, (mesh.router, mesh.field)))})"
        )
    if mesh.destinations:
        total = sum(weight for _, weight in mesh.destinations) or 1
        shares = (f"{name} {100 * weight / total:.4g} %" for name, weight in mesh.destinations)
        yield line("", f"to {', '.join(shares)}")
    if mesh.status:
        yield line("" if mesh.service or mesh.route else "mesh", f"answers {mesh.status}: {mesh.why}")
    elif mesh.why:
        yield line("", mesh.why)


def _answer(answer: AnswerFound) -> Iterator[str]:
    yield line("answer", f"{answer.status} by {answer.by}: {answer.why}")
    for name, value in answer.headers:
        if name in ("www-authenticate", "location", "upgrade"):
            yield line("", f"{name}: {value}")
    if answer.body:
        yield line("", " ".join(answer.body.split()))


def line(label: str, text: str) -> str:
    return f"  {label:<{_WIDTH}}{text}"
