"""What Envoy's response flags mean, and texts of strangers on a terminal."""

import json
import unicodedata
from typing import Final

import msgspec

from crossfade.observe.record import Record

FLAGS: Final = {
    "DC": "the client closed the connection",
    "DI": "delayed by a fault that somebody asked for",
    "DF": "the name of the upstream was not found in DNS",
    "DPE": "the client broke the protocol",
    "DR": "the client reset the request",
    "DT": "the request lasted too long",
    "FI": "answered by a fault that somebody asked for",
    "IH": "a header that is not allowed",
    "LH": "the upstream failed its health check",
    "LR": "the gateway reset the connection",
    "NC": "no such upstream",
    "NFCF": "no filter takes the connection",
    "NR": "no route matches",
    "OM": "overloaded",
    "RL": "too many requests",
    "SI": "idle for too long",
    "UAEX": "refused by a check",
    "UC": "the upstream closed the connection",
    "UF": "no connection to the upstream",
    "UH": "no healthy upstream",
    "UMSDR": "the request lasted too long",
    "UO": "too many requests to the upstream at once",
    "UPE": "the upstream broke the protocol",
    "UR": "the upstream reset the request",
    "URX": "tried as often as allowed",
    "UT": "the upstream took too long",
}
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def shown(text: str) -> str:
    """With what would move a cursor, turn a line round or hide as `\\x1b`."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(char) if unicodedata.category(char) in _INVISIBLE else char for char in text)


def shown_lines(text: str) -> str:
    """The same of a text that has lines."""
    return "\n".join(map(shown, text.split("\n")))


def json_text(value: object, *, indent: int | None = None) -> str:
    """All of it visible ASCII, for the same reason."""
    text = json.dumps(msgspec.to_builtins(value), indent=indent)
    return text.replace("\x7f", "\\u007f")


def _escaped(char: str) -> str:
    number = ord(char)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def why(record: Record) -> str:
    """Why it was answered as it was, where there is more to say than the status."""
    if record.denied_by:
        return f"{record.denied_by}: {record.reason}" if record.reason else record.denied_by
    if record.reason:
        return record.reason
    words = [FLAGS[flag] for flag in record.flags if flag in FLAGS]
    if record.failure:
        words.append(record.failure)
    return "; ".join(words)
