"""Entries that the gateway takes and that change nothing, since it writes these headers when all plugins have run."""

from collections.abc import Iterator
from typing import Final

from crossfade_kube.meta import JsonObject

_WRITTEN_LAST: Final = (
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-path",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-proto",
    "x-real-ip",
    "via",
    "te",
)


def warnings(config: JsonObject) -> tuple[str, ...]:
    """One text for each field."""
    return tuple(_warnings(config))


def _warnings(config: JsonObject) -> Iterator[str]:
    for part in ("remove", "rename", "replace", "add", "append"):
        entries = (config[part] or {}).get("headers") or []
        names = [name for entry in entries if (name := entry.partition(":")[0]).lower() in _WRITTEN_LAST]
        if names:
            yield (
                f"config.{part}.headers has no effect on {', '.join(names)}: as on Kong, the gateway itself writes"
                " these headers when all plugins have run"
            )
