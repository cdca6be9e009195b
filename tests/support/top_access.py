"""What an account is shown by `crossfade top` and `crossfade graph`."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.cluster import crossfade


class Shown(NamedTuple):
    """`found` is None where nothing was shown."""

    found: Any
    told: str


def shown_to(kubeconfig: Path, command: str, *where: str) -> Shown:
    done = crossfade(command, *where, "--total", "--output", "json", "--kubeconfig", str(kubeconfig))
    assert (done.returncode == 0) is bool(done.stdout), done.stderr
    return Shown(json.loads(done.stdout) if done.stdout else None, done.stderr)
