"""Container logs: stored form, selection, rotation, following."""

import asyncio
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from crossfade_local.kubelet.logs import LogFile, LogQuery, read_log
from tests.support.waiting import eventually


async def write(log: LogFile, *, out: bytes = b"", err: bytes = b"") -> None:
    """As a program would: both streams, then the end."""
    for name, data in (("stdout", out), ("stderr", err)):
        reading, writing = os.pipe()
        log.follow_pipe(reading, name)
        os.write(writing, data)
        os.close(writing)
    await eventually(lambda: log.closed)


async def text_of(path: Path, query: LogQuery, live: LogFile | None = None) -> str:
    return b"".join([chunk async for chunk in read_log(path, query, live)]).decode()


async def test_lines_are_stored_with_time_and_stream(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "0.log")
    await write(log, out=b"one\ntwo\n", err=b"three")
    lines = (tmp_path / "0.log").read_text().splitlines()
    assert sorted(line.split(" ", 1)[1] for line in lines) == ["stderr P three", "stdout F one", "stdout F two"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (LogQuery(), "1\n2\n3\n"),
        (LogQuery(tail_lines=2), "2\n3\n"),
        (LogQuery(tail_lines=0), ""),
        (LogQuery(limit_bytes=3), "1\n2"),
        (LogQuery(since=datetime.now(UTC) + timedelta(days=1)), ""),
        (LogQuery(since=datetime.now(UTC) - timedelta(days=1)), "1\n2\n3\n"),
    ],
)
async def test_selection(tmp_path: Path, query: LogQuery, expected: str) -> None:
    log = LogFile(tmp_path / "0.log")
    await write(log, out=b"1\n2\n3\n")
    assert await text_of(log.path, query) == expected


async def test_timestamps(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "0.log")
    await write(log, out=b"hello\n")
    stamp, text = (await text_of(log.path, LogQuery(timestamps=True))).split(" ")
    assert text == "hello\n"
    assert datetime.now(UTC) - datetime.fromisoformat(stamp[:26] + "Z") < timedelta(minutes=1)


async def test_full_file_is_rotated(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "0.log", max_bytes=1000)
    await write(log, out=b"".join(b"%03d\n" % number for number in range(20)))
    await write(
        LogFile(tmp_path / "0.log", max_bytes=1000), out=b"".join(b"%03d\n" % number for number in range(20, 30))
    )
    assert (tmp_path / "0.log.1").exists()
    assert (await text_of(log.path, LogQuery(tail_lines=3))).split() == ["027", "028", "029"]


async def test_long_line_is_cut_and_joined_again(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "0.log")
    line = b"x" * 40_000
    await write(log, out=line + b"\n")
    assert await text_of(log.path, LogQuery()) == line.decode() + "\n"


async def test_follower_sees_what_comes_and_the_end(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "0.log")
    reading, writing = os.pipe()
    log.follow_pipe(reading, "stdout")
    os.write(writing, b"early\n")
    await eventually(lambda: log.path.stat().st_size)
    following = asyncio.create_task(text_of(log.path, LogQuery(follow=True), log))
    await asyncio.sleep(0)
    os.write(writing, b"late\n")
    os.close(writing)
    assert await asyncio.wait_for(following, 5) == "early\nlate\n"


async def test_a_reader_that_does_not_read_is_let_go(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "0.log")
    with log.tapped() as stalled, log.tapped() as reading:
        await write(log, out=b"end\n")
        assert [reading.get_nowait(), reading.get_nowait()] == [("stdout", b"end\n"), None]
        assert stalled.qsize() == 2
    log = LogFile(tmp_path / "1.log")
    source, writing = os.pipe()
    log.follow_pipe(source, "stdout")
    with log.tapped() as stalled, log.tapped() as reading:
        for number in range(200):
            os.write(writing, b"%d\n" % number)
            assert await reading.get() == ("stdout", b"%d\n" % number)
        pieces = [stalled.get_nowait() for _ in range(stalled.qsize())]
    os.close(writing)
    await eventually(lambda: log.closed)
    assert len(pieces) < 100
    assert pieces[-1] is None
    assert pieces[:-1] == [("stdout", b"%d\n" % number) for number in range(len(pieces) - 1)]
