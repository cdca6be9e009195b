"""Answers the recorded questions anew: `git diff` shows what a newer Kubernetes does otherwise.

make compat-recordings
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).parent.parent
QUESTIONS: Final = {
    "applies": ("manager", "spec", "force"),
    "cel": ("expression",),
    "patches": ("type", "object", "patch"),
}


def question(kind: str, recorded: Any) -> Any:
    if isinstance(recorded, list):
        return [question(kind, one) for one in recorded]
    return {name: recorded[name] for name in QUESTIONS[kind] if name in recorded}


def answered(asked: Any, answer: Any) -> Any:
    if isinstance(asked, list):
        return [answered(*pair) for pair in zip(asked, answer, strict=True)]
    return asked | answer


def record(program: str, kind: str) -> None:
    path = FOLDER / f"{kind}.jsonl"
    asked = [question(kind, json.loads(line)) for line in path.read_text().splitlines()]
    text = "".join(f"{json.dumps(one)}\n" for one in asked)
    done = subprocess.run([program, kind], input=text, stdout=subprocess.PIPE, text=True, check=True)
    answers = map(json.loads, done.stdout.splitlines())
    lines = [json.dumps(answered(*pair), ensure_ascii=False) for pair in zip(asked, answers, strict=True)]
    path.write_text("\n".join([*lines, ""]))


for name in QUESTIONS:
    record(sys.argv[1], name)
