"""What happened to one request, for people: hop by hop."""

from collections.abc import Iterator, Sequence

from crossfade.explain.model import Explanation
from crossfade.explain.text import call_lines_of, line, way_lines
from crossfade.observe.lines import clock, from_whom, to_whom
from crossfade.observe.replay import Hop, Passed
from crossfade.observe.words import shown, why


def hop_lines(hops: Sequence[Hop]) -> Iterator[str]:
    """Texts of strangers are made visible, whatever they hold."""
    for number, hop in enumerate(hops):
        if number:
            yield ""
        yield from map(shown, _hop(hop))


def _hop(hop: Hop) -> Iterator[str]:
    record = hop.record
    yield f"{clock(record.began_s)}  {from_whom(record)} → {to_whom(record)}  {record.method} {record.path}"
    if hop.passed is not None:
        yield from way_lines(_explanation(hop, hop.passed))
    if hop.call is not None:
        yield from tuple(call_lines_of(hop.call))[1:]
    elif hop.passed is None and record.route:
        yield line("route", record.route)
    yield from _came_of_it(hop)
    for thing, place in hop.places.items():
        yield line("file", f"{place}: {thing}")
    if hop.doubt:
        yield line("doubt", hop.doubt)


def _came_of_it(hop: Hop) -> Iterator[str]:
    record = hop.record
    if record.consumer:
        yield line("consumer", record.consumer)
    if record.endpoint:
        tries = f", {record.tries} tries" if record.tries > 1 else ""
        yield line("sent to", f"{record.endpoint}{tries}")
    code = str(record.code) if record.code else "none: the client had gone"
    reason = f": {text}" if (text := why(record)) else ""
    yield line("answer", f"{code} after {record.duration_ms} ms{reason}")
    ids = (("request", record.kong_id), ("x-request-id", record.request_id), ("trace", record.trace))
    yield line("ids", ", ".join(f"{name} {value}" for name, value in ids if value))


def _explanation(hop: Hop, passed: Passed) -> Explanation:
    return Explanation(
        method=hop.record.method,
        url=hop.record.path,
        listener=passed.listener,
        route=passed.route,
        runner_up=passed.runner_up,
        decided=passed.decided,
        nearest=(),
        service=passed.service,
        plugins=passed.plugins,
        answer=None,
        forwarded=None,
    )
