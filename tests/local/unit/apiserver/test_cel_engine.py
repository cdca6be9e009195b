"""The engine of CEL is imported without what its package's command line needs."""

import subprocess
import sys
from typing import Final

_ASKED: Final = """
import sys
from crossfade_local.apiserver.cel_engine import engine
assert engine().evaluate("a + 1", {"a": 2}) == 3
print(sorted({"prompt_toolkit", "rich", "typer"} & {name.partition(".")[0] for name in sys.modules}))
"""


def test_no_command_line_comes_with_it() -> None:
    done = subprocess.run([sys.executable, "-c", _ASKED], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[]\n"
