"""Schedules of CronJobs, as Kubernetes' own parser (robfig/cron, standard form) reads them.

Five fields with `*`, `?`, lists, ranges, steps and English names; `@hourly` and its kin; `@every 1h30m`. Times that a
change of the clocks leaves out do not happen; those that come twice happen twice.
"""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_NAMED: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_UNITS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION: Final = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
_ZONE_PREFIXES: Final = ("TZ=", "CRON_TZ=")
_FAR_DAYS: Final = 5 * 366
_LONGEST_EVERY_S: Final = 2**63 / 1e9


class ScheduleError(ValueError):
    """Not a schedule; the text says why, in the parser's own words where it has some."""


class _Field(NamedTuple):
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()


_FIELDS: Final = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of week", 0, 6, _DAYS),
)


class Calendar(NamedTuple):
    """`restricts_days` and `restricts_weekdays`: the field is not `*`; if both are, a day need fit one of them only."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    restricts_days: bool
    restricts_weekdays: bool

    def after(self, moment: datetime, zone: ZoneInfo | timezone) -> datetime | None:
        """The first time after `moment`; None if there is none in five years."""
        day = moment.astimezone(zone).date()
        for _ in range(_FAR_DAYS):
            if self._has(day):
                found = min((time for time in self._times(day, zone) if time > moment), default=None)
                if found is not None:
                    return found
            if day == date.max:
                return None
            day += timedelta(days=1)
        return None

    def _has(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        in_month, in_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        if self.restricts_days and self.restricts_weekdays:
            return in_month or in_week
        return in_month and in_week

    def _times(self, day: date, zone: ZoneInfo | timezone) -> Iterator[datetime]:
        for hour in self.hours:
            for minute in self.minutes:
                for fold in (0, 1):
                    local = datetime(day.year, day.month, day.day, hour, minute, fold=fold, tzinfo=zone)
                    time = local.astimezone(UTC)
                    if time.astimezone(zone).replace(fold=0) == local.replace(fold=0):
                        yield time


class Every(NamedTuple):
    """At a fixed distance, in whole seconds."""

    seconds: int

    def after(self, moment: datetime, _zone: ZoneInfo | timezone) -> datetime | None:
        try:
            return moment.replace(microsecond=0) + timedelta(seconds=self.seconds)
        except OverflowError:
            return None


Schedule = Calendar | Every


def parse_schedule(text: str) -> Schedule:
    """Raises ScheduleError."""
    if not text:
        raise ScheduleError("empty spec string")
    if text.startswith(_ZONE_PREFIXES):
        raise ScheduleError("cannot use TZ or CRON_TZ in schedule, use timeZone field instead")
    if text.startswith("@"):
        return _descriptor(text)
    fields = text.split()
    if len(fields) != len(_FIELDS):
        raise ScheduleError(f"expected exactly 5 fields, found {len(fields)}: [{' '.join(fields)}]")
    sets, restricted = [], []
    for field, part in zip(_FIELDS, fields, strict=True):
        values, is_star = _values(field, part)
        sets.append(values)
        restricted.append(not is_star)
    minutes, hours, days, months, weekdays = sets
    return Calendar(
        tuple(sorted(minutes)), tuple(sorted(hours)), frozenset(days), frozenset(months), frozenset(weekdays),
        restricted[2], restricted[4],
    )  # fmt: skip


def zone_of(name: str | None) -> ZoneInfo | timezone:
    """UTC where none is named. Raises ScheduleError."""
    if not name:
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ScheduleError(f"unknown time zone {name}") from None


def _descriptor(text: str) -> Schedule:
    if text in _NAMED:
        return parse_schedule(_NAMED[text])
    if text.startswith("@every "):
        return Every(max(1, int(_duration_s(text.removeprefix("@every ")))))
    raise ScheduleError(f"unrecognized descriptor: {text}")


def _duration_s(text: str) -> float:
    sign = -1 if text.startswith("-") else 1
    body = text.removeprefix("-").removeprefix("+")
    seconds, end = 0.0, 0
    for part in _DURATION.finditer(body):
        if part.start() != end:
            break
        seconds, end = seconds + float(part[1]) * _UNITS[part[2]], part.end()
    if end != len(body) or not body or seconds >= _LONGEST_EVERY_S:
        raise ScheduleError(f'failed to parse duration @every {text}: time: invalid duration "{text}"')
    return sign * seconds


def _values(field: _Field, text: str) -> tuple[set[int], bool]:
    """What a field allows, and whether it says `*`."""
    found: set[int] = set()
    is_star = False
    for part in text.split(","):
        if not part:
            continue
        values, whole = _range(field, part)
        found |= set(values)
        is_star = is_star or whole
    if not found:
        raise ScheduleError(f"failed to parse {field.name} from {text}")
    return found, is_star


def _range(field: _Field, text: str) -> tuple[range, bool]:
    bounds, *steps = text.split("/")
    first, *last = bounds.split("-")
    if len(steps) > 1:
        raise ScheduleError(f"too many slashes: {text}")
    if len(last) > 1:
        raise ScheduleError(f"too many hyphens: {text}")
    is_star = first in ("*", "?")
    if is_star:
        low, high = field.low, field.high
    else:
        low = _number(field, first)
        high = _number(field, last[0]) if last else (field.high if steps else low)
    step = _plain_number(steps[0]) if steps else 1
    for problem, failed in (
        (f"beginning of range ({low}) below minimum ({field.low}): {text}", low < field.low),
        (f"end of range ({high}) above maximum ({field.high}): {text}", high > field.high),
        (f"beginning of range ({low}) beyond end of range ({high}): {text}", low > high),
        (f"step of range should be a positive number: {text}", step == 0),
    ):
        if failed:
            raise ScheduleError(problem)
    return range(low, high + 1, step), is_star and step == 1


def _number(field: _Field, text: str) -> int:
    if text.lower() in field.names:
        return field.names.index(text.lower()) + field.low
    return _plain_number(text)


def _plain_number(text: str) -> int:
    # More digits than any field has are no number of a schedule, whatever they are.
    if not re.fullmatch(r"[0-9]{1,9}", text, re.ASCII):
        raise ScheduleError(f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": invalid syntax')
    return int(text)
