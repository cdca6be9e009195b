"""A record as people read it: one line of what happened, one of how to find it again."""

import time
from collections.abc import Iterator

from crossfade.observe.record import Record
from crossfade.observe.words import shown, why

_PATH_WIDTH = 24


def lines_of(record: Record) -> Iterator[str]:
    parts = [
        clock(record.began_s),
        f"{from_whom(record)} → {to_whom(record)}",
        f"{record.method} {record.path:<{_PATH_WIDTH}}",
        str(record.code or "no answer"),
        ",".join(record.flags),
        f"{record.duration_ms} ms",
        why(record),
    ]
    yield shown("  ".join(filter(None, parts)))
    found = (
        ("trace", record.trace),
        ("request", record.kong_id or record.request_id),
        ("route", record.route_name or record.route),
        ("consumer", record.consumer),
        ("tries", str(record.tries) if record.tries > 1 else ""),
    )
    yield shown(" " * 14 + "  ".join(f"{name} {value}" for name, value in found if value))


def from_whom(record: Record) -> str:
    if record.side == "destination":
        return record.peer.rpartition("/")[2] or record.client or "?"
    return record.node


def to_whom(record: Record) -> str:
    if record.side == "destination":
        return record.node
    return record.target or record.service or record.endpoint or record.host or "?"


def clock(began_s: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(began_s)) + f".{int(began_s * 1000) % 1000:03d}"
