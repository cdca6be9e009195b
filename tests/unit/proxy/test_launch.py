"""What the launcher is told, and how it ends what it has started."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from crossfade.built import launcher
from crossfade.proxy.launch import EndSettings, Plan, launcher_arguments

SOON_S = 30.0


def plan(folder: Path, *, least_s: int = 1, drain_s: int = 20, waits_for_app_s: int | None = None) -> Plan:
    end = EndSettings(1, stands_alone=False, least_s=least_s, drain_s=drain_s, waits_for_app_s=waits_for_app_s)
    return Plan(
        ["/bin/sh", "-c", "exec sleep 60"], {"A": "b"}, logs_to_stdout=False, end=end, files=(), work_folder=folder
    )


def test_a_plan_in_words(tmp_path: Path) -> None:
    whole = plan(tmp_path, waits_for_app_s=0)._replace(
        files=(("from", "to", "form"),), logs_to_stdout=True, pid_file=Path("/p")
    )
    assert launcher_arguments(whole) == [
        *("launch", "--admin-port", "1", "--logs-to-stdout", "--drain-least", "1", "--drain-longest", "20"),
        *("--wait-for-app", "0", "--work-folder", str(tmp_path), "--pid-file", "/p", "--env", "A=b"),
        *("--file", "from", "to", "form", "--", "/bin/sh", "-c", "exec sleep 60"),
    ]


@pytest.mark.parametrize("seconds", [-(10**30), -1, 10**30])
def test_any_number_of_seconds_is_one_for_the_launcher(seconds: int, tmp_path: Path) -> None:
    words = launcher_arguments(plan(tmp_path, least_s=seconds, drain_s=seconds, waits_for_app_s=seconds))
    for option in ("--drain-least", "--drain-longest", "--wait-for-app"):
        assert 0 <= int(words[words.index(option) + 1]) < 2**32


def started(made: Plan) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([launcher(), *launcher_arguments(made)], stdin=subprocess.DEVNULL)


def child_of(pid: int) -> int | None:
    """Once it is the program that was asked for."""
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        if Path(f"/proc/{child}/comm").read_text() == "sleep\n":
            return int(child)
    return None


def until(found: Callable[[], int | None]) -> int:
    deadline = time.monotonic() + SOON_S
    while (one := found()) is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return one


def gone(pid: int) -> int | None:
    return None if Path(f"/proc/{pid}").exists() else pid


def test_what_it_has_started_ends_with_it(tmp_path: Path) -> None:
    process = started(plan(tmp_path))
    child = until(lambda: child_of(process.pid))
    process.kill()
    assert process.wait(SOON_S) == -signal.SIGKILL
    until(lambda: gone(child))


def test_it_ends_what_it_has_started_and_removes_what_it_was_given(tmp_path: Path) -> None:
    work, state, pid = (tmp_path / name for name in ("work", "state", "pid"))
    work.mkdir()
    state.mkdir()
    pid.touch()
    process = started(plan(work)._replace(state_folder=state, pid_file=pid))
    child = until(lambda: child_of(process.pid))
    process.terminate()
    assert process.wait(SOON_S) == 0
    assert not Path(f"/proc/{child}").exists()
    assert list(tmp_path.iterdir()) == []


def test_what_it_has_started_has_its_signals_and_its_environment(tmp_path: Path) -> None:
    process = started(plan(tmp_path))
    try:
        child = until(lambda: child_of(process.pid))
        status = dict(line.split(":\t", 1) for line in Path(f"/proc/{child}/status").read_text().splitlines())
        assert int(status["SigBlk"], 16) == 0
        assert os.getpgid(child) == child
        assert b"A=b" in Path(f"/proc/{child}/environ").read_bytes().split(b"\0")
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["launch", "--fast", "--", "x"], "no option --fast"),
        (["child-of", "1", "--", "/bin/true"], "the parent process has ended"),
        (["child-of", str(os.getpid()), "--", "/none"], "cannot start /none"),
    ],
)
def test_what_it_cannot_do_is_said(words: list[str], said: str) -> None:
    done = subprocess.run([launcher(), *words], capture_output=True, text=True, check=False)
    assert (done.returncode, said in done.stderr) == (1, True), done.stderr


def test_a_program_that_cannot_start_is_tried_a_few_times(tmp_path: Path) -> None:
    broken = plan(tmp_path)._replace(command=["/none"])
    done = subprocess.run([launcher(), *launcher_arguments(broken)], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.count("Envoy ended with exit code 1 and is started again") == 5


def test_an_installation_without_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="python -m generate"):
        launcher(tmp_path)
    (tmp_path / "crossfade_launcher-1").touch()
    assert launcher(tmp_path) == tmp_path / "crossfade_launcher-1"


def test_a_launcher_that_cannot_be_started_is_explained(tmp_path: Path) -> None:
    """And leaves nothing."""
    code = (
        "import sys; from pathlib import Path; from crossfade.proxy import run, launch;"
        "launch.launcher = run.launcher = lambda: Path('/none/launcher');"
        "sys.exit(run.run_proxy(is_gateway=False))"
    )
    environment = {
        "CROSSFADE_ADS_ADDRESS": "a:1",
        "TMPDIR": str(tmp_path),
        "CROSSFADE_STATE_FOLDER": str(tmp_path / "s"),
    }
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (
        1,
        "crossfade proxy: cannot start /none/launcher: No such file or directory\n",
    )
    assert list(tmp_path.iterdir()) == []
