"""One request as a proxy has told of it, and whether a question is about it.

Every text may be a client's: nothing here has been made fit for a terminal.
"""

from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Final

import msgspec
from msgspec import Struct

from crossfade.envoy.names import name_within
from crossfade.envoy.telemetry.received import told_in

_ABSENT: Final = "-"
_LONGEST: Final = 512
_TRACE_PARTS: Final = 4
_TRACE_DIGITS: Final = 32
_NANOSECONDS: Final = 1e9


class Met(Struct, frozen=True, array_like=True):
    """A plugin that saw a request: its kind and the id of its instance."""

    kind: str
    instance: str


class Record(Struct, frozen=True, omit_defaults=True):
    """`side` is `gateway`, `source` (a caller's sidecar) or `destination`. `node` is who tells of it, `namespace/name`
    or the gateway; `target` whom it was sent to, where that is known. `began_s` is since 1970.

    `route` is the id of Kong's route, in a mesh the name of Envoy's. `local` is the address that was called.
    `trace` has 32 digits.
    """

    began_s: float
    side: str
    node: str
    method: str
    host: str
    path: str
    code: int
    duration_ms: int = 0
    scheme: str = "http"
    target: str = ""
    flags: tuple[str, ...] = ()
    details: str = ""
    failure: str = ""
    tries: int = 0
    client: str = ""
    peer: str = ""
    local: str = ""
    endpoint: str = ""
    cluster: str = ""
    request_id: str = ""
    kong_id: str = ""
    trace: str = ""
    route: str = ""
    route_name: str = ""
    service: str = ""
    consumer: str = ""
    denied_by: str = ""
    reason: str = ""
    met: tuple[Met, ...] = ()

    @property
    def ids(self) -> frozenset[str]:
        return frozenset(filter(None, (self.request_id, self.kong_id, self.trace)))


class _Note(Struct, frozen=True):
    """What the policy module has left (`filters/src/recorded.rs`)."""

    id: str
    method: str
    host: str
    path: str
    client: str = ""
    route: str = ""
    consumer: str = ""
    denied_by: str = ""
    reason: str = ""
    trace: str = ""
    met: tuple[Met, ...] = ()


_note_of = msgspec.json.Decoder(_Note).decode
Complete = Callable[[Record], Record]
"""Adds what only the compiled configuration knows: names of the objects."""


def record_from(text: bytes, node: str) -> Record:
    """`node` is what the connection has proved, whatever the record says. Raises ValueError."""
    told = told_in(text)
    raw = told.texts.get("note", _ABSENT)
    note = None if raw in ("", _ABSENT) else _note_in(raw)
    get = {key: _text(value) for key, value in told.texts.items()}.get
    target = get("target", "")
    return Record(
        began_s=told.began_ns / _NANOSECONDS,
        side=get("side", ""),
        node=node,
        method=note.method if note else get("method", ""),
        scheme=get("scheme", "") or "http",
        host=note.host if note else get("host", ""),
        path=note.path if note else get("path", ""),
        code=_number(get("code", "")),
        duration_ms=_number(get("duration", "")),
        target=f"{get('target_namespace', '')}/{target}" if target else "",
        flags=tuple(filter(None, get("flags", "").split(","))),
        details=get("details", ""),
        failure=get("failure", ""),
        tries=_number(get("tries", "")),
        client=note.client if note and note.client else get("client", ""),
        peer=get("peer", ""),
        local=get("local", ""),
        endpoint=get("endpoint", ""),
        cluster=get("cluster", ""),
        request_id=get("request_id", ""),
        kong_id=note.id if note else get("kong_id", ""),
        trace=told.trace or (note.trace if note else "") or _trace_id(get("trace", "")),
        route=note.route if note else name_within(get("route", "")),
        consumer=note.consumer if note else "",
        denied_by=note.denied_by if note else "",
        reason=note.reason if note else "",
        met=note.met if note else (),
    )


def _note_in(text: str) -> _Note:
    try:
        return _note_of(text)
    except msgspec.MsgspecError as error:
        raise ValueError("no note of the policy module") from error


def _text(value: str) -> str:
    return "" if value == _ABSENT else value[:_LONGEST]


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0


def _trace_id(traceparent: str) -> str:
    parts = traceparent.split("-")
    return parts[1] if len(parts) >= _TRACE_PARTS else ""


def whole_trace(text: str) -> str:
    """As records have it, where the text is a trace's id in a short form."""
    return text.zfill(_TRACE_DIGITS) if len(text) == _TRACE_DIGITS // 2 else text


class Wanted(Struct, frozen=True):
    """What somebody wants to see; what is empty asks nothing. `nodes` are `namespace/name`.

    `codes` are statuses and classes (`5xx`); `path` is a pattern with `*` and `?`; `route` is a name or an id.
    """

    nodes: tuple[str, ...] = ()
    namespace: str = ""
    codes: tuple[str, ...] = ()
    method: str = ""
    path: str = ""
    consumer: str = ""
    route: str = ""

    def takes(self, record: Record) -> bool:
        return (
            (not self.nodes or bool({record.node, record.target} & set(self.nodes)))
            and self.is_within(record)
            and (not self.codes or _is_of(record.code, self.codes))
            and (not self.method or record.method.upper() == self.method.upper())
            and (not self.path or fnmatchcase(record.path, self.path))
            and (not self.consumer or record.consumer == self.consumer)
            and (not self.route or self.route in (record.route, record.route_name))
        )

    def is_within(self, record: Record) -> bool:
        """Of that namespace: told by something there, or sent to it."""
        return not self.namespace or self.namespace in _namespaces(record)


def _namespaces(record: Record) -> set[str]:
    return {name.partition("/")[0] for name in (record.node, record.target) if "/" in name} | {
        record.service.partition(".")[0]
    }


def _is_of(code: int, codes: tuple[str, ...]) -> bool:
    text = str(code)
    return any(text == one or (one.endswith("xx") and text[:1] == one[:1]) for one in codes)
