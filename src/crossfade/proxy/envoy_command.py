"""The command that starts an Envoy. Standard library only."""

from pathlib import Path
from typing import Final

from crossfade.envoy.binary import envoy_binary

STDERR: Final = "/dev/stderr"
# Where our own go; opening them anew is not always allowed.
STREAMS: Final = {STDERR: None, "/dev/stdout": 1}


def envoy_command(path: Path, *, concurrency: int, log_level: str, log_path: str) -> list[str]:
    """`path` is the bootstrap. A `log_path` of STREAMS is for whoever starts it to see to."""
    return [
        str(envoy_binary()),
        *("-c", str(path)),
        *("--concurrency", str(concurrency)),
        *("--log-level", log_level),
        *("--drain-strategy", "immediate"),
        "--disable-hot-restart",
        *(() if log_path in STREAMS else ("--log-path", log_path)),
    ]
