"""`python -m generate`: brings every generated file up to date; each step is quick when nothing changed."""

import importlib
import sys
import time
from pathlib import Path

STEPS = ("kubernetes_types", "envoy_protos", "policy_module")
TARGET = Path(__file__).resolve().parent.parent / "src" / "crossfade" / "_generated"


def generate_all(target: Path = TARGET) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for step in STEPS:
        started = time.monotonic()
        importlib.import_module(f"generate.{step}").generate(target)
        print(f"generate: {step} ({time.monotonic() - started:.1f} s)", file=sys.stderr)


if __name__ == "__main__":
    generate_all()
