"""Values written the way Go prints them: error texts of Kubernetes carry `%v`, `%q` and `json.Marshal` output."""

import json
import re
from typing import Any

_ESCAPES = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"}
_UNESCAPED = re.compile(r"[ !#-%'-;=?-\[\]-~]*")
"""ASCII that JSON for HTML has as it is."""
_HTML = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


class GoStruct(dict[str, Any]):
    """A mapping whose keys keep their order when printed; plain dicts are printed like Go maps, sorted."""


def go_struct(value: Any, shape: Any) -> Any:
    """`value` as a Go struct: capital names in the order of `shape`, which has what a field holds if unsaid.

    There a mapping is a pointer to a struct, and a list of one mapping a slice of them.
    """
    if value is None or not isinstance(shape, dict | list):
        return shape if value is None and not isinstance(shape, dict | list) else value
    if isinstance(shape, list):
        return [go_struct(item or {}, shape[0]) for item in value]
    return GoStruct({name[:1].upper() + name[1:]: go_struct(value.get(name), field) for name, field in shape.items()})


def quoted(text: str) -> str:
    """Like `%q`."""
    return '"' + "".join(_quoted_character(character) for character in text) + '"'


def _quoted_character(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    point = ord(character)
    if point < 0x80:
        return f"\\x{point:02x}"
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"


def plain(value: Any) -> str:
    """Like `%v` (and `%+v`) of decoded JSON: `map[a:1 b:[x y]]`."""
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{plain(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, list | tuple):
        return "[" + " ".join(plain(item) for item in value) + "]"
    if isinstance(value, float):
        return number(value)
    return str(value)


def number(value: float) -> str:
    """Like `%v` of a float64: shortest form, exponent from 1e+21 on."""
    if value == int(value) and abs(value) < 1e21:
        return str(int(value))
    text = repr(value)
    mantissa, exponent, power = text.partition("e")
    if not exponent:
        return text
    return f"{mantissa.removesuffix('.0')}e{power[0]}{power[1:].rjust(2, '0')}"


def to_json(value: Any) -> str:
    """Like `json.Marshal`: compact, map keys sorted, `<`, `>` and `&` escaped."""
    if isinstance(value, str):
        return f'"{value}"' if _UNESCAPED.fullmatch(value) else _escaped(json.dumps(value, ensure_ascii=False))
    if isinstance(value, dict):
        keys = value if isinstance(value, GoStruct) else sorted(value)
        return "{" + ",".join([f"{to_json(key)}:{to_json(value[key])}" for key in keys]) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(to_json, value)) + "]"
    if isinstance(value, float) and value == int(value) and abs(value) < 1e21:
        value = int(value)
    return json.dumps(value)


def _escaped(text: str) -> str:
    for character, escape in _HTML.items():
        text = text.replace(character, escape)
    return text
