import pytest

from crossfade.api.appmesh import VirtualService
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.mesh.header_edits import (
    REMOVE_REQUEST_HEADERS,
    REMOVE_RESPONSE_HEADERS,
    SET_REQUEST_HEADERS,
    SET_RESPONSE_HEADERS,
    HeaderEdits,
    header_edits,
)
from crossfade_kube.registry import decode


def edits(key: str, text: str) -> tuple[HeaderEdits, list[str]]:
    metadata = {"name": "jazz", "namespace": "prod", "annotations": {key: text}}
    diagnostics = Diagnostics()
    found = header_edits(decode({"metadata": metadata}, VirtualService), diagnostics)
    return found, [one.message for one in diagnostics]


@pytest.mark.parametrize(
    ("key", "text", "found"),
    [
        (SET_REQUEST_HEADERS, "", HeaderEdits()),
        (SET_REQUEST_HEADERS, "\n X-A : 1:2 \n\nx-b:\n", HeaderEdits(set_in_request=(("x-a", "1:2"), ("x-b", "")))),
        (SET_RESPONSE_HEADERS, "x-a: 1\nX-A: ä", HeaderEdits(set_in_response=(("x-a", "ä"),))),
        (REMOVE_REQUEST_HEADERS, "X-A, x-b,\nx-c,,", HeaderEdits(removed_from_request=("x-a", "x-b", "x-c"))),
        (REMOVE_RESPONSE_HEADERS, "server", HeaderEdits(removed_from_response=("server",))),
    ],
)
def test_entries_are_read(key: str, text: str, found: HeaderEdits) -> None:
    assert edits(key, text) == (found, [])


@pytest.mark.parametrize(
    ("key", "entry"),
    [
        (SET_REQUEST_HEADERS, "none"),
        (SET_REQUEST_HEADERS, ": value"),
        (SET_REQUEST_HEADERS, ":path: /"),
        (SET_REQUEST_HEADERS, "Host: other"),
        (SET_REQUEST_HEADERS, "x-b: \x01"),
        (SET_REQUEST_HEADERS, "x-b: " + 8193 * "%"),
        (SET_RESPONSE_HEADERS, "content-length: 1"),
        (SET_RESPONSE_HEADERS, "x b: 1"),
        (REMOVE_REQUEST_HEADERS, "host"),
        (REMOVE_REQUEST_HEADERS, "x b"),
        (REMOVE_RESPONSE_HEADERS, "transfer-encoding"),
    ],
)
def test_what_cannot_be_kept_is_left_out_and_told(key: str, entry: str) -> None:
    good = "x-good: 1\n" if key in (SET_REQUEST_HEADERS, SET_RESPONSE_HEADERS) else "x-good,"
    found, told = edits(key, good + entry)
    assert found == edits(key, good)[0] != HeaderEdits()
    assert len(told) == 1


def test_there_is_an_end_to_it() -> None:
    found, told = edits(REMOVE_REQUEST_HEADERS, ",".join(f"x-{index}" for index in range(100_000)))
    assert len(found.removed_from_request) == 500
    assert told == ["there are more than 500 entries: this one and those after it are left out"]
