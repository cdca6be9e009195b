"""What was measured, and where: it stands beside the figures."""

import os
import platform
import re
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from benchmarks.compare.contestants import found

import crossfade
from crossfade.envoy.binary import envoy_binary

_ASKED: Final = {"nginx": "-v", "haproxy": "-v", "traefik": "version"}
_NUMBER: Final = re.compile(r"\d+\.\d+\.\d+")


def description(contestants: Iterable[str]) -> dict[str, object]:
    versions = {"crossfade": crossfade.__version__, "envoy": _version(str(envoy_binary()), "--version")}
    for who in contestants:
        if who in _ASKED and (path := found(who)):
            versions[who] = _version(path, _ASKED[who])
    return {"date": today(), "versions": versions, **machine()}


def today() -> str:
    return datetime.now(UTC).date().isoformat()


def machine() -> dict[str, object]:
    model = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return {
        "processor": model[1] if model else platform.machine(),
        "processors": os.cpu_count() or 1,
        "kernel": platform.release().partition("-")[0],
    }


def _version(program: str, argument: str) -> str:
    done = subprocess.run([program, argument], capture_output=True, text=True, check=True, timeout=10)
    number = _NUMBER.search(done.stdout + done.stderr)
    return number[0] if number else "unknown"
