"""Hatch build hook: a wheel carries the generated files, whose sources are other people's packages."""

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class GenerateHook(BuildHookInterface[Any]):
    """Runs `generate` before a wheel is built; an editable install leaves it to `make setup`, which shows progress."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        sys.path.insert(0, self.root)
        from generate.__main__ import generate_all

        generate_all(Path(self.root) / "src")
        build_data["force_include"][str(Path(self.root) / "examples")] = "crossfade/examples"
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
