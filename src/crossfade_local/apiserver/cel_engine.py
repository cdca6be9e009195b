"""The engine behind CEL, without its package's command line: that takes longer to import than the whole server."""

import importlib
import sys
from types import ModuleType
from typing import Final

_COMMAND_LINE: Final = "cel.cli"


def engine() -> ModuleType:
    """The module `cel`. It imports its command line (typer, rich, prompt_toolkit) on the way; nobody here calls it."""
    if "cel" not in sys.modules:
        sys.modules.setdefault(_COMMAND_LINE, ModuleType(_COMMAND_LINE))
    return importlib.import_module("cel")
