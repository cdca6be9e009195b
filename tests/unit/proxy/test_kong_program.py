"""The program `kong` of a gateway's container: quit, health, version."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from crossfade.cli.app import main
from crossfade.proxy.pid_file import noted, pid_file, running

LAUNCHER = """\
import os, signal, sys, time
from pathlib import Path
from crossfade.proxy.pid_file import noted
signal.signal(signal.SIGQUIT, lambda *_: sys.exit(0) if sys.argv[2] == "ends" else None)
with noted(Path(sys.argv[1])):
    print("ready", flush=True)
    # Not at once: a signal that comes just before a sleep is handled after it.
    for _ in range(200):
        time.sleep(0.1)
"""


@contextmanager
def launcher(path: Path, behaviour: str) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-c", LAUNCHER, str(path), behaviour]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KONG_PREFIX", str(tmp_path))
    return tmp_path / "pids" / "nginx.pid"


def test_the_gateway_is_ended_when_it_has_waited(prefix: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with launcher(prefix, "ends") as process:
        assert main(["kong", "health"]) == 0
        assert "Kong is healthy" in capsys.readouterr().out
        # A zombie counts as running until its parent, the kubelet, has asked for it.
        signal.signal(signal.SIGCHLD, lambda *_: process.poll())
        try:
            assert main(["kong", "quit", "--wait=0"]) == 0
        finally:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        assert process.wait(5) == 0
    assert not prefix.exists()


def test_what_does_not_end_in_time_is_left_to_the_kubelet(prefix: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with launcher(prefix, "stays") as process:
        assert main(["kong", "quit", "--timeout", "0"]) == 0
        assert process.poll() is None
    assert "still answers" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["quit", "stop", "health"])
@pytest.mark.parametrize("content", [None, "", "x", "0", "-1", "9" * 30])
def test_without_a_gateway(prefix: Path, command: str, content: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    if content is not None:
        prefix.parent.mkdir()
        prefix.write_text(content)
    assert main(["kong", command]) == 1
    assert f"Kong is not running at {prefix.parent.parent}" in capsys.readouterr().err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["kong", "version"]) == 0
    assert "in Kong's place" in capsys.readouterr().out


@pytest.mark.parametrize("wait", ["-1", "x", "1.5", "99999999"])
def test_a_wrong_time_is_refused(wait: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["kong", "quit", f"--wait={wait}"])
    assert "whole number of seconds" in capsys.readouterr().err


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_text("kept")
    link = tmp_path / "pid"
    link.symlink_to(target)
    with noted(link):
        assert running(link) is None
    assert target.read_text() == "kept"


def test_where_the_number_is() -> None:
    assert pid_file({"KONG_PREFIX": "/kong_prefix/"}) == Path("/kong_prefix/pids/nginx.pid")
    assert pid_file({}).name == "crossfade-kong.pid"
    assert running(Path(f"/proc/{os.getpid()}/none")) is None
