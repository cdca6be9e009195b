"""`python -m generate`: brings every generated file up to date; each step is quick when nothing changed."""

import importlib
import sys
import time
from pathlib import Path

# Each step and the package that gets its files.
STEPS = (("kubernetes_types", "crossfade_local"), ("envoy_protos", "crossfade"), ("rust_crates", "crossfade"))
SOURCE = Path(__file__).resolve().parent.parent / "src"


def generate_all(source: Path = SOURCE) -> None:
    for step, package in STEPS:
        started = time.monotonic()
        target = source / package / "_generated"
        target.mkdir(parents=True, exist_ok=True)
        importlib.import_module(f"generate.{step}").generate(target)
        print(f"generate: {step} ({time.monotonic() - started:.1f} s)", file=sys.stderr)


if __name__ == "__main__":
    generate_all()
