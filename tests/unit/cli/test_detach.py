import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

_CODE = """
import signal, sys
from pathlib import Path
from crossfade.cli.detach import in_background
signal.signal(signal.SIGINT, signal.default_int_handler)
def command(settled):
    print("begun", file=sys.stderr, flush=True)
    signal.pause()
in_background(command, log=Path(sys.argv[1]))
"""


def test_an_interrupt_while_it_is_waited_for_ends_the_command_too(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _CODE, str(tmp_path / "log")], stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as waiting:
        assert waiting.stderr is not None
        assert waiting.stderr.readline() == "begun\n"
        (child,) = map(int, Path(f"/proc/{waiting.pid}/task/{waiting.pid}/children").read_text().split())
        waiting.send_signal(signal.SIGINT)
        waiting.communicate(timeout=60)
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
        raise AssertionError("the command goes on in the background")
    assert waiting.returncode == -signal.SIGINT
