"""A record on a terminal: what happened and why, and nothing that a stranger could do to the terminal."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.observe.lines import lines_of
from crossfade.observe.record import Record
from crossfade.observe.words import json_text, shown

CALL = Record(
    began_s=1.221, side="source", node="prod/dj", method="GET", host="jazz", path="/", code=503, duration_ms=2,
    target="prod/jazz-v2", flags=("UH",), trace="43b2f8", request_id="1917a0", route="jazz-router/0",
)  # fmt: skip
REFUSED = Record(
    began_s=1, side="gateway", node="gateway", method="GET", host="h", path="/dj", code=401, service="prod.dj.80",
    denied_by="key-auth", reason="No API key found in request", kong_id="77", consumer="", route_name="prod.dj",
)  # fmt: skip
RECEIVED = Record(
    began_s=1, side="destination", node="prod/jazz-v1", method="GET", host="h", path="/", code=200, client="10.0.0.9",
    peer="spiffe://mesh/prod/dj", tries=2,
)  # fmt: skip


@pytest.mark.parametrize(
    ("record", "first", "second"),
    [
        (CALL, "prod/dj → prod/jazz-v2  GET /", "trace 43b2f8  request 1917a0  route jazz-router/0"),
        (CALL, "503  UH  2 ms  no healthy upstream", "trace"),
        (REFUSED, "gateway → prod.dj.80  GET /dj", "request 77  route prod.dj"),
        (REFUSED, "401  0 ms  key-auth: No API key found in request", "route"),
        (RECEIVED, "dj → prod/jazz-v1", "tries 2"),
    ],
)
def test_both_lines(record: Record, first: str, second: str) -> None:
    lines = list(lines_of(record))
    assert first in lines[0]
    assert second in lines[1]


@given(st.text())
def test_no_text_moves_the_cursor_or_hides(text: str) -> None:
    found = shown(text)
    assert not any(unicodedata.category(char)[0] == "C" or char in "\u2028\u2029" for char in found)


@given(st.text())
def test_neither_does_a_text_in_json(text: str) -> None:
    found = json_text({"path": text})
    assert found.isascii()
    assert found.isprintable()
    assert json.loads(found) == {"path": text}


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("/a\x1b[31mred\n", "/a\\x1b[31mred\\x0a"),
        ("\u202egpj", "\\u202egpj"),
        ("<script>", "<script>"),
        ("/jazz-größe", "/jazz-größe"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_what_is_seen_of_it(text: str, seen: str) -> None:
    assert shown(text) == seen
