"""Answers the recorded questions anew: `git diff` shows what a newer Kubernetes does otherwise.

make compat-recordings
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).parent.parent
DECLARATIONS: Final = Path("src/crossfade_local/apiserver/crd/cel_types/declarations.txt")
OLD_NAMES: Final = ("in", "_in_", "__not_strictly_false__")
"""Of operators, for expressions that were parsed long ago."""
QUESTIONS: Final = {
    "applies": ("manager", "spec", "force"),
    "cel": ("expression",),
    "mutations": ("mutation", "object"),
    "patches": ("type", "object", "patch"),
    "policies": ("policy", "binding", "object", "oldObject", "params", "namespace"),
    "rules": ("name", "schema", "self", "rule"),
    "warnings": ("schema", "policy"),
}


def question(kind: str, recorded: Any) -> Any:
    if isinstance(recorded, list):
        return [question(kind, one) for one in recorded]
    return {name: recorded[name] for name in QUESTIONS[kind] if name in recorded}


def answered(asked: Any, answer: Any) -> Any:
    if isinstance(asked, list):
        return [answered(*pair) for pair in zip(asked, answer, strict=True)]
    return asked | answer


def answers_to(program: str, kind: str, asked: list[Any]) -> list[Any]:
    text = "".join(f"{json.dumps(one)}\n" for one in asked)
    done = subprocess.run([program, kind], input=text, stdout=subprocess.PIPE, text=True, check=True)
    return list(map(json.loads, done.stdout.splitlines()))


def record(program: str, kind: str) -> None:
    path = FOLDER / f"{kind}.jsonl"
    asked = [question(kind, json.loads(line)) for line in path.read_text().splitlines()]
    answers = answers_to(program, kind, asked)
    lines = [json.dumps(answered(*pair), ensure_ascii=False) for pair in zip(asked, answers, strict=True)]
    path.write_text("\n".join([*lines, ""]))


def record_declarations(program: str) -> None:
    (lines,) = answers_to(program, "declarations", [{}])
    DECLARATIONS.write_text("".join(f"{line}\n" for line in lines if line.split()[0] not in OLD_NAMES))


for name in QUESTIONS:
    record(sys.argv[1], name)
record_declarations(sys.argv[1])
