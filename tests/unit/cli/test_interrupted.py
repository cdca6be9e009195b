import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

# A shell has its background jobs ignore interrupts, and so has whatever they start.
_CODE = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.argv = ['crossfade', *{words!r}]
from crossfade.cli.entry import main
sys.exit(main())
"""


@pytest.fixture
def stuck_import(tmp_path: Path) -> tuple[dict[str, str], Path]:
    """An environment in which the command line is never imported whole, and the file that says when it has begun."""
    begun = tmp_path / "begun"
    (tmp_path / "sitecustomize.py").write_text(
        "import sys, signal\n"
        "class Stuck:\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name == 'crossfade.cli.app':\n"
        f"            open({str(begun)!r}, 'wb').close()\n"
        "            signal.pause()\n"
        "sys.meta_path.insert(0, Stuck())\n",
        encoding="ascii",
    )
    os.mkfifo(begun)
    return {**os.environ, "PYTHONPATH": str(tmp_path)}, begun


@pytest.mark.parametrize(("words", "code"), [(["status"], 130), (["proxy"], 0)])
def test_an_interrupt_while_modules_are_imported_shows_no_traceback(
    words: list[str], code: int, stuck_import: tuple[dict[str, str], Path]
) -> None:
    environ, begun = stuck_import
    with subprocess.Popen(
        [sys.executable, "-c", _CODE.format(words=words)], env=environ, stderr=subprocess.PIPE, text=True
    ) as process:
        # Opened by both: it is within the import now.
        begun.open("rb").close()
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
    assert (process.returncode, told) == (code, "")
