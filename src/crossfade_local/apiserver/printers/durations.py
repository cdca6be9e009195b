"""Ages as kubectl shows them: two or three significant figures."""

from datetime import UTC, datetime
from typing import Any, Final

_UNKNOWN: Final = "<unknown>"
_MINUTE, _HOUR, _DAY, _YEAR = 60, 3600, 86400, 365 * 86400


def human_duration(total: float) -> str:
    """Seconds as text; slightly negative ones (clock skew) count as zero."""
    seconds = int(total)
    if seconds < -1:
        return "<invalid>"
    if seconds < 0:
        return "0s"
    if seconds < 2 * _MINUTE:
        return f"{seconds}s"
    if seconds < 10 * _MINUTE:
        return _two(seconds, _MINUTE, "m", 1, "s")
    if seconds < 3 * _HOUR:
        return f"{seconds // _MINUTE}m"
    if seconds < 8 * _HOUR:
        return _two(seconds, _HOUR, "h", _MINUTE, "m")
    if seconds < 2 * _DAY:
        return f"{seconds // _HOUR}h"
    if seconds < 8 * _DAY:
        return _two(seconds, _DAY, "d", _HOUR, "h")
    if seconds < 2 * _YEAR:
        return f"{seconds // _DAY}d"
    if seconds < 8 * _YEAR:
        return _two(seconds, _YEAR, "y", _DAY, "d")
    return f"{seconds // _YEAR}y"


def _two(seconds: int, unit: int, name: str, part: int, part_name: str) -> str:
    whole, rest = divmod(seconds, unit)
    return f"{whole}{name}{rest // part}{part_name}" if rest // part else f"{whole}{name}"


def parse_time(value: Any) -> datetime | None:
    """An RFC 3339 time; None for anything else."""
    if not isinstance(value, str) or not value:
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def since(value: Any, now: datetime) -> str:
    """How long ago a time was; `<unknown>` if there is none."""
    found = parse_time(value)
    return human_duration((now - found).total_seconds()) if found else _UNKNOWN


def age(obj: Any, now: datetime) -> str:
    return since((obj.get("metadata") or {}).get("creationTimestamp"), now)
