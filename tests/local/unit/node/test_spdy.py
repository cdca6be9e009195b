"""SPDY/3.1 frames."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade_local.kubelet import spdy
from crossfade_local.kubelet.spdy import Codec, Frame, ProtocolError

HEADERS = {"streamtype": "data", "port": "9080", "requestid": "0"}


def test_dictionary_is_that_of_the_specification() -> None:
    assert (len(spdy.DICTIONARY), zlib.adler32(spdy.DICTIONARY)) == (1423, 0xE3C6A7C2)


@given(st.lists(st.integers(1, 40), max_size=40))
def test_frames_survive_any_cutting(cuts: list[int]) -> None:
    sender, receiver = Codec(), Codec()
    wire = sender.open(1, HEADERS) + sender.open(3, {**HEADERS, "requestid": "1"})
    wire += sender.data(1, b"abc", flags=spdy.FIN) + sender.reply(1) + sender.ping(bytes([0, 0, 0, 1]))
    frames: list[Frame] = []
    for size in cuts:
        frames += receiver.receive(wire[:size])
        wire = wire[size:]
    frames += receiver.receive(wire)
    kinds = [(frame.kind, frame.stream) for frame in frames]
    assert kinds == [(spdy.SYN_STREAM, 1), (spdy.SYN_STREAM, 3), (spdy.DATA, 1), (spdy.SYN_REPLY, 1), (spdy.PING, 1)]
    assert frames[0].headers == HEADERS
    assert frames[1].headers["requestid"] == "1"
    assert (frames[2].payload, frames[2].flags) == (b"abc", spdy.FIN)


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x02\x00\x01" + bytes(4),
        b"\x00\x00\x00\x01\x00\xff\xff\xff",
        b"\x80\x03\x00\x01\x00\x00\x00\x0c" + b"x" * 12,
    ],
)
def test_garbage_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        list(Codec().receive(data))
